import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../../src/base/errors.ts'
import type { MessageChannel, MessageChannelEvents, MessageDialer } from '../../src/base/message-channel.ts'
import type { RpcClient } from '../../src/base/rpc.ts'
import { CLUSTER_ID, RaftCluster, type Host } from '../../test/support/raft-cluster.ts'

/** Well below the election timeout of 1,000 ms. */
const EARLY_MS = 600
const follows = (host: Host, leader: Host): boolean => host.raft.leadership.leaderId === leader.raft.raftId
const forgot = (cluster: RaftCluster): number => cluster.logger.lines.filter(({ message }) => message.startsWith('the leader is gone')).length

/** A way to one address that can be made to refuse, as by a packet filter: open connections break, new ones find nobody. */
class RefusingDialer implements MessageDialer {
  readonly #inner: MessageDialer
  readonly #addr: string
  readonly #live = new Map<MessageChannel, MessageChannelEvents>()
  #isRefusing = false

  constructor(inner: MessageDialer, addr: string) {
    this.#inner = inner
    this.#addr = addr
  }

  refuse(): void {
    this.#isRefusing = true
    for (const [channel, events] of this.#live) {
      channel[Symbol.dispose]()
      events.onClosed(new ShoalError('unavailable', 'rpc-unavailable', 'the connection was reset'))
    }
    this.#live.clear()
  }
  admit(): void { this.#isRefusing = false }

  dial(addr: string): RpcClient { return this.#inner.dial(addr) }

  openMessages(addr: string, path: string, events: MessageChannelEvents): MessageChannel {
    const isRefused = this.#isRefusing && addr === this.#addr
    const channel = this.#inner.openMessages(isRefused ? 'nobody:1' : addr, path, events)
    if (addr === this.#addr && !isRefused) this.#live.set(channel, events)
    return channel
  }
}

for (const size of [3, 5]) {
  test(`of ${size} managers another leads long before the election timeout when the leader's process ends, in the next term`, async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const cluster = new RaftCluster({ seed })
      const a = await cluster.bootstrap('a')
      const others: Host[] = []
      for (const name of ['b', 'c', 'd', 'e'].slice(0, size - 1)) others.push(await cluster.join(name, 'a'))
      await cluster.until(() => others.every(host => follows(host, a)))
      const { term } = a.raft.leadership
      cluster.crash('a')
      await cluster.until(() => others.some(host => host.raft.isLeader), EARLY_MS)
      const leader = await cluster.leader()
      assert.equal(leader.raft.leadership.term, term + 1, `seed ${seed}: one election was enough`)
      await cluster.write(leader, 'after')
      await cluster.stopAll()
    }
  })
}

test('a leader that is cut off or stopped is not taken for one whose process ended', async () => {
  const cluster = new RaftCluster()
  const [a, b, c] = await cluster.three()
  cluster.faults.stop('a')
  await cluster.until(() => b.raft.isLeader || c.raft.isLeader)
  const leader = await cluster.leader()
  cluster.faults.goOn('a')
  await cluster.until(() => follows(a, leader))
  assert.equal(forgot(cluster), 0)
  await cluster.stopAll()
})

test('a leader that others still hear stays leader, in its term, however often its address refuses one follower', async () => {
  const cluster = new RaftCluster()
  const [a, b] = await cluster.three()
  const { term } = a.raft.leadership
  await cluster.stop('c')
  const way = new RefusingDialer(cluster.network.createDialer({ identity: { nodeId: 'c', role: 'manager', clusterId: CLUSTER_ID } }), a.raft.addr)
  const c = await cluster.boot('c', { dialer: way })
  await cluster.until(() => follows(c, a) && c.store.appliedIndex === a.store.appliedIndex)
  for (let round = 0; round < 3; round++) {
    way.refuse()
    await cluster.clock.advance(2_000)
    way.admit()
    await cluster.clock.advance(3_000)
  }
  assert.deepEqual([a, b, c].map(host => [follows(host, a), host.raft.status()?.term]), [[true, term], [true, term], [true, term]])
  assert.equal(forgot(cluster), 1, 'once in a term')
  await cluster.stopAll()
})

test('a manager that came back a moment ago is answered at once, however long the others found nobody there', async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const cluster = new RaftCluster({ seed })
    const [a, b] = await cluster.three()
    cluster.crash('c')
    await cluster.clock.advance(10_000)
    const c = await cluster.boot('c')
    await cluster.until(() => follows(c, a) && c.store.appliedIndex === a.store.appliedIndex)
    cluster.crash('a')
    await cluster.until(() => b.raft.isLeader || c.raft.isLeader, EARLY_MS)
    await cluster.stopAll()
  }
})

test('two managers of which one ended elect nobody, raise no term, and have a leader soon after it is back', async () => {
  const cluster = new RaftCluster()
  await cluster.bootstrap('a')
  const b = await cluster.join('b', 'a')
  const { term } = b.raft.leadership
  cluster.crash('a')
  await cluster.clock.advance(10_000)
  assert.deepEqual([b.raft.leadership.leaderId, b.raft.status()?.term], [0, term])
  await cluster.boot('a')
  await cluster.leader()
  await cluster.stopAll()
})

test('a spare voter whose log is behind can not win when the leader is cut off: the one it asks for votes stands at once', async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const cluster = new RaftCluster({ seed })
    const [a, b, c] = await cluster.three()
    await cluster.write(a, 'before')
    await cluster.until(() => [b, c].every(host => host.store.appliedIndex === a.store.appliedIndex))
    // What c lacks, b has: nobody else can be elected.
    cluster.faults.cutOneWay('a', 'c')
    await cluster.write(a, 'kept')
    cluster.faults.partition([['a'], ['b', 'c']])
    let candidateAtMs: number | undefined
    await cluster.until(() => {
      if (candidateAtMs === undefined && c.raft.status()?.role !== 'follower') candidateAtMs = cluster.clock.monotonicMs()
      return b.raft.isLeader
    })
    if (candidateAtMs !== undefined) assert(cluster.clock.monotonicMs() - candidateAtMs < EARLY_MS, `seed ${seed}: ${cluster.clock.monotonicMs() - candidateAtMs} ms after the first candidate`)
    assert.deepEqual(cluster.names(b), ['before', 'kept'])
    await cluster.stopAll()
  }
})
