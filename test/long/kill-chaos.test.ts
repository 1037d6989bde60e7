/**
 * kill -9 of the daemon at random moments of a mixed workload through the stock API, with pulls from a registry and builds. SEED=n repeats a run's choices, KILLS=n says how long it is;
 * without, it is what can be done in three minutes.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { randomInt } from '../../src/base/random.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { DebianRegistry, hasRegistry } from '../support/debian-registry.ts'
import { EngineClient } from '../support/engine-client.ts'
import { hostLeaks } from '../support/host-leaks.ts'
import { eventually, Lab } from '../support/lab.ts'
import { CrashHost } from './kill-chaos/crash-host.ts'
import { contextToPull } from './kill-chaos/image-contexts.ts'
import { Worker } from './kill-chaos/worker.ts'

const BUDGET_MS = 180_000
const seed = Number(process.env['SEED'] ?? 7)
const kills = Number(process.env['KILLS'] ?? 40)
const budgetMs = process.env['KILLS'] === undefined ? BUDGET_MS : Infinity
/** Fewer prove nothing. */
const KILLS_MIN = 10
const WORKERS = 4
/** A kill comes after so many operations, wherever the others are by then, and a moment: counted in work, not in time, so that a slow machine does as much between kills. */
const OPERATIONS_MAX = 10
const MOMENT_MS_MAX = 150
/** Should nothing get done. */
const WORK_MS_MAX = 5000
const SOURCES_EACH = 2
const skip = hasRegistry() ? false : 'needs docker-registry (deploy/setup/install.sh test)'
const LEAK_CHECK_EVERY = 10
/** For what ends by itself: short programs, retries, removals. */
const SETTLE_MS = 30_000

let lab: Lab
let registry: DebianRegistry
let host: CrashHost
let api: EngineClient
let workers: readonly Worker[]
before(async () => {
  if (skip !== false) return
  lab = await Lab.up('shoalkill', 1)
  host = new CrashHost(lab, 1)
  api = new EngineClient(lab.socket(1))
  registry = await DebianRegistry.start(lab, 1, { address: '127.0.0.1', port: 5000 })
  for (let at = 0; at < WORKERS; at++) for (const source of sourcesOf(at)) await publish(source)
  await api.post('/images/prune')
})
after(async () => {
  await registry?.[Symbol.asyncDispose]()
  await lab?.[Symbol.asyncDispose]()
})

function sourcesOf(worker: number): readonly string[] { return Array.from({ length: SOURCES_EACH }, (_, at) => `localhost:5000/w${worker}-p${at}:latest`) }

/** Puts an image into the registry. */
async function publish(image: string): Promise<void> {
  await api.progress(`/build?t=${encodeURIComponent(image)}&rm=1`, await contextToPull(image))
  await lab.ok(1, 'push', image)
  await api.delete(`/images/${image}`)
}

/** Until so many more operations are done. */
async function workFor(operations: number): Promise<void> {
  const done = (): number => workers.reduce((sum, worker) => sum + [...worker.done.values()].reduce((all, count) => all + count, 0), 0)
  const [until, endMs] = [done() + operations, performance.now() + WORK_MS_MAX]
  while (done() < until && performance.now() < endMs) await sleep(2)
}

/** Containers that no worker made: what a build left. */
async function strangers(): Promise<readonly string[]> {
  const containers = await api.get<readonly { readonly Id: string; readonly Names: readonly string[]; readonly Labels: Readonly<Record<string, string>> }[]>('/containers/json?all=1')
  return containers.filter(({ Labels }) => !Array.from({ length: WORKERS }, (_, at) => `w${at}`).some(worker => worker in Labels)).map(({ Id, Names }) => `a container of nobody's: ${Names.join()} ${Id}`)
}

/** Quick containers end and are tried again while one looks, so that it may take a moment until both agree. */
async function assertNoLeaks(when: string): Promise<void> {
  let leaks: readonly string[] = []
  await eventually('nothing is left over', SETTLE_MS, async () => {
    leaks = [...await hostLeaks(lab, 1, api), ...await strangers()]
    return leaks.length === 0 ? true : undefined
  }).catch(() => assert.deepEqual(leaks, [], `${when}, left over or missing; what was done:\n${history(leaks)}`))
}

test(`seed ${seed}: ${kills} kills`, { skip, timeout: 60_000 + kills * 10_000 }, async t => {
  const random = new SeededRandom(seed)
  workers = Array.from({ length: WORKERS }, (_, at) => new Worker(api, new SeededRandom(seed * 31 + at), `w${at}`, sourcesOf(at)))
  const beganMs = performance.now()
  const spent = new Map<string, number>()
  const timed = async <T>(what: string, promise: Promise<T>): Promise<T> => {
    const fromMs = performance.now()
    const value = await promise
    spent.set(what, (spent.get(what) ?? 0) + performance.now() - fromMs)
    return value
  }
  let kill = 0
  let nextLeakCheck = LEAK_CHECK_EVERY
  while (kill < kills && performance.now() - beganMs < budgetMs) {
    let isOver = false
    const working = Promise.allSettled(workers.map(worker => worker.work(() => isOver)))
    await timed('work', workFor(random.next() < 0.25 ? 0 : randomInt(random, OPERATIONS_MAX)))
    await timed('work', sleep(randomInt(random, MOMENT_MS_MAX)))
    await timed('kill', host.kill())
    kill++
    isOver = true
    const refusals = (await working).flatMap(outcome => outcome.status === 'rejected' ? [String(outcome.reason)] : [])
    assert.deepEqual(refusals, [], `before kill ${kill}`)
    for (; random.next() < 0.2; kill++) await timed('kill while starting', host.killWhileStarting(100 + randomInt(random, 900)))
    await timed('start', host.start())
    const wrong = (await timed('check', Promise.all(workers.map(worker => worker.check())))).flat()
    assert.deepEqual(wrong, [], `after kill ${kill}; what was done:\n${history(wrong)}\nthe end of the daemon's log:\n${lab.log(1).split('\n').filter(line => !line.includes('the daemon is ready')).slice(-25).map(line => line.slice(0, 600)).join('\n')}`)
    if (kill < nextLeakCheck) continue
    nextLeakCheck = kill + LEAK_CHECK_EVERY
    await timed('leaks', assertNoLeaks(`after kill ${kill}`))
  }
  await timed('leaks', assertNoLeaks('at the end'))
  assert.ok(kill >= Math.min(kills, KILLS_MIN), `only ${kill} kills within ${budgetMs / 1000} s: the machine is too slow or the daemon does not come up in time`)
  t.diagnostic(`${kill} kills in ${Math.round((performance.now() - beganMs) / 1000)} s (${[...spent].map(([what, ms]) => `${what} ${Math.round(ms / 1000)}`).join(', ')}); done: ${sums(workers.map(worker => worker.done))}; cut off: ${sums(workers.map(worker => worker.cut))}`)
})

test(`seed ${seed}: what is removed leaves nothing`, { skip, timeout: 120_000 }, async () => {
  for (const worker of workers) await worker.removeAll()
  // An import or load that was cut off may have made its image and not named it yet.
  await api.post('/images/prune')
  await assertNoLeaks('after all is removed')
  assert.equal((await api.get<readonly unknown[]>('/containers/json?all=1')).length, 0)
  assert.equal((await api.get<readonly unknown[]>('/images/json?all=1')).length, 1)
  // Halves are kept for whoever pulls again (D-302), until a prune.
  assert.deepEqual(readdirSync(join(lab.folder, 'h1/data/downloads')), [])
})

/** What the workers did with the containers whose ids or names are in these lines. */
function history(leaks: readonly string[]): string {
  const ids = new Set(leaks.flatMap(leak => leak.match(/\b[0-9a-f]{24,64}\b|\bw\d+-[a-z]\d+\b/g) ?? []).map(id => id.slice(0, 24)))
  return workers.flatMap(({ trace }) => trace.flatMap((line, at) => [...ids].some(id => line.includes(id)) ? [line, ...(trace[at + 1]?.startsWith('...') === true ? [trace[at + 1]] : [])] : [])).join('\n')
}

function sums(counts: readonly ReadonlyMap<string, number>[]): string {
  const names = [...new Set(counts.flatMap(each => [...each.keys()]))].sort()
  return names.map(name => `${name} ${counts.reduce((sum, each) => sum + (each.get(name) ?? 0), 0)}`).join(', ')
}
