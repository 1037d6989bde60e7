/** kill -9 of the daemon at random moments of a mixed workload through the stock API. KILLS=n and SEED=n repeat or lengthen a run. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { randomInt } from '../../src/base/random.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { EngineClient } from '../support/engine-client.ts'
import { hostLeaks } from '../support/host-leaks.ts'
import { eventually, Lab } from '../support/lab.ts'
import { CrashHost } from './kill-chaos/crash-host.ts'
import { Worker } from './kill-chaos/worker.ts'

const seed = Number(process.env['SEED'] ?? new Date().getTime() % 100_000)
const kills = Number(process.env['KILLS'] ?? 200)
const WORKERS = 4
const LEAK_CHECK_EVERY = 10
/** For what ends by itself: short programs, retries, removals. */
const SETTLE_MS = 30_000

let lab: Lab
let host: CrashHost
let api: EngineClient
let workers: readonly Worker[]
before(async () => {
  lab = await Lab.up('shoalkill', 1)
  host = new CrashHost(lab, 1)
  api = new EngineClient(lab.socket(1))
})
after(async () => { await lab?.[Symbol.asyncDispose]() })

/** Quick containers end and are tried again while one looks, so that it may take a moment until both agree. */
async function assertNoLeaks(when: string): Promise<void> {
  let leaks: readonly string[] = []
  await eventually('nothing is left over', SETTLE_MS, async () => {
    leaks = await hostLeaks(lab, 1, api)
    return leaks.length === 0 ? true : undefined
  }).catch(() => assert.deepEqual(leaks, [], `${when}, left over or missing; what was done:\n${history(leaks)}`))
}

test(`seed ${seed}: ${kills} kills`, { timeout: 60_000 + kills * 10_000 }, async t => {
  const random = new SeededRandom(seed)
  workers = Array.from({ length: WORKERS }, (_, at) => new Worker(api, new SeededRandom(seed * 31 + at), `w${at}`))
  const beganMs = performance.now()
  for (let kill = 0; kill < kills;) {
    let isOver = false
    const working = Promise.allSettled(workers.map(worker => worker.work(() => isOver)))
    await sleep(random.next() < 0.3 ? randomInt(random, 60) : randomInt(random, 700))
    await host.kill()
    kill++
    isOver = true
    const refusals = (await working).flatMap(outcome => outcome.status === 'rejected' ? [String(outcome.reason)] : [])
    assert.deepEqual(refusals, [], `before kill ${kill}`)
    for (; random.next() < 0.2; kill++) await host.killWhileStarting(100 + randomInt(random, 900))
    await host.start()
    const wrong = (await Promise.all(workers.map(worker => worker.check()))).flat()
    assert.deepEqual(wrong, [], `after kill ${kill}; the end of the daemon's log:\n${lab.log(1).split('\n').slice(-25).map(line => line.slice(0, 600)).join('\n')}`)
    if (kill % LEAK_CHECK_EVERY === 0) await assertNoLeaks(`after kill ${kill}`)
  }
  t.diagnostic(`${kills} kills in ${Math.round((performance.now() - beganMs) / 1000)} s; done: ${sums(workers.map(worker => worker.done))}; cut off: ${sums(workers.map(worker => worker.cut))}`)
})

test(`seed ${seed}: what is removed leaves nothing`, { timeout: 120_000 }, async () => {
  for (const worker of workers) await worker.removeAll()
  // An import or load that was cut off may have made its image and not named it yet.
  await api.post('/images/prune')
  await assertNoLeaks('after all is removed')
  assert.equal((await api.get<readonly unknown[]>('/containers/json?all=1')).length, 0)
  assert.equal((await api.get<readonly unknown[]>('/images/json?all=1')).length, 1)
})

/** What the workers did with the containers whose ids are in these lines. */
function history(leaks: readonly string[]): string {
  const ids = new Set(leaks.flatMap(leak => leak.match(/\b[0-9a-f]{24,64}\b/g) ?? []).map(id => id.slice(0, 24)))
  return workers.flatMap(({ trace }) => trace.flatMap((line, at) => [...ids].some(id => line.includes(id)) ? [line, ...(trace[at + 1]?.startsWith('...') === true ? [trace[at + 1]] : [])] : [])).join('\n')
}

function sums(counts: readonly ReadonlyMap<string, number>[]): string {
  const names = [...new Set(counts.flatMap(each => [...each.keys()]))].sort()
  return names.map(name => `${name} ${counts.reduce((sum, each) => sum + (each.get(name) ?? 0), 0)}`).join(', ')
}
