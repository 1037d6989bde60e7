/** Twenty faults, one after another, on a cluster of five hosts under the stock CLI. SEED=n makes another run. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lab, eventually } from '../support/lab.ts'
import { ChaosCluster, type Container } from './chaos-cluster.ts'
import { describeStep, mayReplaceTasks, planChaos, type Step } from './chaos-model.ts'

const HOSTS = 5
const MANAGERS = 3
const seed = Number(process.env['SEED'] ?? 7)
const steps = planChaos(seed, MANAGERS, HOSTS).slice(0, Number(process.env['STEPS'] ?? 100))
/** Resident memory of one host's daemon and manager together may grow by this much in a run: caches of V8 warm up; a leak of a few kB a task or write does not fit. */
const MEMORY_GROWTH_BYTES = 100 * 2 ** 20

let lab: Lab
let cluster: ChaosCluster
let tracesBefore: readonly (readonly string[])[] = []
let memoryBefore: readonly number[] = []
before(async () => { lab = await Lab.up('shoallong', HOSTS) })
after(async () => { await lab?.[Symbol.asyncDispose]() })

test(`seed ${seed}: a cluster of five with a page and a global service`, async () => {
  await lab.form(HOSTS, MANAGERS)
  cluster = new ChaosCluster(lab, HOSTS, MANAGERS)
  await cluster.createPage('first', { replicas: 5, round: '0', mode: 'replicated' }, 8081)
  await eventually('the first service runs everywhere', 60_000, async () => (/5\/5/.test(await lab.ok(1, 'service', 'ls', '--format', '{{.Replicas}}')) ? true : undefined))
  await lab.ok(1, 'service', 'rm', 'first')
  cluster.promised.delete('first')
  await eventually('its containers are gone', 60_000, async () => ((await cluster.containers()).length === 0 ? true : undefined))
  tracesBefore = await eventually('and so are their traces', 60_000, async () => {
    const all = await Promise.all(cluster.hosts.map(async host => cluster.traces(host)))
    return all.flat().some(line => /^(mount overlay|cgroup)/.test(line)) ? undefined : all
  })
  if (process.env['VERBOSE'] !== undefined) console.log(tracesBefore.flat().join('\n'))
  await cluster.createPage('web', { replicas: 6, round: '0', mode: 'replicated' }, 8080)
  await cluster.createPage('everywhere', { replicas: 0, round: '0', mode: 'global' }, undefined)
  await cluster.settled()
  memoryBefore = cluster.hosts.map(host => cluster.memory(host))
})

for (const [index, step] of steps.entries()) {
  test(`seed ${seed}, fault ${index + 1} of ${steps.length}: ${describeStep(step)}`, async t => {
    const containersBefore = await cluster.containers()
    const { silent, heal } = await cluster.inflict(step.fault)
    const healed = heal()
    const wish = step.wish === 'nothing' ? undefined : await cluster.wish(step.wish, index, silent)
    await healed
    await cluster.settleUnsure()
    const settledMs = await cluster.settled()
    assertContinued(step, containersBefore, await cluster.containers())
    t.diagnostic(`${wish === undefined ? '' : `${step.wish} ${wish}, `}settled ${settledMs} ms after healing`)
  })
}

test(`seed ${seed}: removing the services leaves nothing, and memory has not grown`, async t => {
  const memoryAfter = cluster.hosts.map(host => cluster.memory(host))
  t.diagnostic(`MiB before ${memoryBefore.map(mebibytes).join(' ')}, after ${memoryAfter.map(mebibytes).join(' ')}`)
  await lab.ok(1, 'service', 'rm', ...cluster.promised.keys())
  await eventually('no container is left', 60_000, async () => {
    const left = (await Promise.all(cluster.hosts.map(async host => lab.ok(host, 'ps', '-aq')))).join('')
    return left === '' ? true : undefined
  })
  for (const host of cluster.hosts) {
    let more: readonly string[] = []
    await eventually(`h${host} holds what it held before`, 60_000, async () => {
      const allowed = [...tracesBefore[host - 1] ?? []]
      more = (await cluster.traces(host)).filter(line => { const index = allowed.indexOf(line); if (index >= 0) allowed.splice(index, 1); return index < 0 })
      return more.length === 0 ? true : undefined
    }).catch(() => assert.deepEqual(more, [], `left behind on h${host}`))
  }
  for (const [index, bytes] of memoryAfter.entries()) assert.ok(bytes - (memoryBefore[index] ?? 0) < MEMORY_GROWTH_BYTES, `h${index + 1} grew from ${mebibytes(memoryBefore[index] ?? 0)} to ${mebibytes(bytes)} MiB`)
})

/** No fault of ours ends a container, but a kill of it, an update, a scale down and a long absence. */
function assertContinued(step: Step, old: readonly Container[], now: readonly Container[]): void {
  const key = ({ host, task, pid }: Container): string => `${task}@h${host} pid ${pid}`
  if (mayReplaceTasks(step)) {
    const pids = new Map(now.map(container => [container.task, container.pid]))
    assert.deepEqual(old.filter(each => pids.has(each.task) && pids.get(each.task) !== each.pid).map(key), [], 'a container of a task that goes on has another process')
    return
  }
  const there = new Set(now.map(key))
  assert.deepEqual(old.map(key).filter(each => !there.has(each)), [], 'containers that should have gone on')
}
function mebibytes(bytes: number): number { return Math.round(bytes / 2 ** 20) }
