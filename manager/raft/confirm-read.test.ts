import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock, Timer } from '../../src/base/clock.ts'
import { RaftCluster, type Host } from '../../test/support/raft-cluster.ts'

/** The clock of a process that can be stopped, as SIGSTOP does: its timers are late by as long. */
class StoppableClock implements Clock {
  readonly #clock: Clock
  #held: (() => void)[] | undefined

  constructor(clock: Clock) { this.#clock = clock }

  nowMs(): number { return this.#clock.nowMs() }
  monotonicMs(): number { return this.#clock.monotonicMs() }
  sleep(delayMs: number, signal?: AbortSignal): Promise<void> { return this.#clock.sleep(delayMs, signal) }
  after(delayMs: number, callback: () => void): Timer {
    return this.#clock.after(delayMs, () => this.#held === undefined ? callback() : void this.#held.push(callback))
  }

  stop(): void { this.#held = [] }
  go(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const callback of held) callback()
  }
}

/** What a linearizable read finds. */
const read = async (cluster: RaftCluster, host: Host): Promise<readonly string[]> => {
  await cluster.running(host.raft.confirmRead())
  return cluster.names(host)
}

test('a leader with a quorum confirms a read, and everything acknowledged before is there', async () => {
  const cluster = new RaftCluster()
  const [a] = await cluster.three()
  await cluster.write(a, 'web')
  assert.deepEqual(await read(cluster, a), ['web'])
  await cluster.stopAll()
})

test('a single manager confirms by itself, without time passing', async () => {
  const cluster = new RaftCluster()
  const a = await cluster.bootstrap('a')
  await cluster.write(a, 'web')
  await a.raft.confirmRead()
  await cluster.stopAll()
})

test('who does not lead confirms nothing, and says who leads', async () => {
  const cluster = new RaftCluster()
  const [, b] = await cluster.three()
  await assert.rejects(b.raft.confirmRead(), { code: 'not-leader', message: /a:1/ })
  await cluster.stopAll()
})

test('a leader that was stopped while the others elected a new one still believes in itself, but confirms no read', async () => {
  const cluster = new RaftCluster()
  const clock = new StoppableClock(cluster.clock)
  const a = await cluster.boot('a', { clock })
  await a.raft.bootstrap()
  await cluster.until(() => a.raft.isLeader)
  const [b, c] = [await cluster.join('b', 'a'), await cluster.join('c', 'a')]
  await cluster.write(a, 'old')
  clock.stop()
  cluster.faults.partition([['a'], ['b', 'c']])
  await cluster.until(() => b.raft.isLeader || c.raft.isLeader)
  const leader = b.raft.isLeader ? b : c
  await cluster.write(leader, 'new')
  // It wakes up, and is asked before it has heard of anything.
  const asked = a.raft.confirmRead()
  assert.deepEqual([a.raft.isLeader, cluster.names(a)], [true, ['old']])
  cluster.faults.healAll()
  clock.go()
  await assert.rejects(cluster.running(asked), { code: 'not-leader' })
  assert.deepEqual(await read(cluster, leader), ['new', 'old'])
  await cluster.stopAll()
})

test('a leader that is cut off rejects its reads when it steps down, within two election timeouts', async () => {
  const cluster = new RaftCluster()
  const [a] = await cluster.three()
  cluster.faults.partition([['a'], ['b', 'c']])
  const asked = a.raft.confirmRead()
  const beganMs = cluster.clock.monotonicMs()
  await assert.rejects(cluster.running(asked), { code: 'not-leader' })
  assert.ok(cluster.clock.monotonicMs() - beganMs <= 2_100)
  await assert.rejects(a.raft.confirmRead(), { code: 'no-leader' })
  await cluster.stopAll()
})

test('a caller that gives up waits no longer, and a manager that stops leaves nobody waiting', async () => {
  const cluster = new RaftCluster()
  const [a] = await cluster.three()
  cluster.faults.partition([['a'], ['b', 'c']])
  const caller = new AbortController()
  const given = a.raft.confirmRead(caller.signal)
  caller.abort(new Error('enough'))
  await assert.rejects(given, { message: 'enough' })
  const left = assert.rejects(a.raft.confirmRead(), { code: 'not-leader' })
  await cluster.stop('a')
  await left
  await cluster.stopAll()
})
