import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMessage } from 'raft-ts/create-message'
import { RaftInvariantError } from 'raft-ts/invariant'
import { make } from '../../src/api/codec/codec.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { CLUSTER_ID, RaftCluster, type Host } from '../../test/support/raft-cluster.ts'
import type { Leadership } from './leadership.ts'
import { encodeMessage } from './message-codec.ts'

const LARGE_BYTES = 15 * 2 ** 20
const caughtUp = (a: Host, b: Host): boolean => a.store.appliedIndex === b.store.appliedIndex

test('a first member leads and commits, and its state is there after a restart', async () => {
  const cluster = new RaftCluster()
  const a = await cluster.bootstrap('a')
  await cluster.write(a, 'web')
  await cluster.stop('a')
  const again = await cluster.boot('a')
  assert.equal(again.raft.isStarted, true)
  await cluster.until(() => again.raft.isLeader)
  assert.deepEqual(cluster.names(again), ['web'])
  await cluster.stopAll()
})

test('joiners become voters with the state from a snapshot, and follow from then on', async () => {
  const cluster = new RaftCluster()
  const a = await cluster.bootstrap('a')
  await cluster.write(a, 'before')
  const b = await cluster.join('b', 'a')
  const c = await cluster.join('c', 'b')
  await cluster.write(a, 'after')
  await cluster.until(() => caughtUp(a, b) && caughtUp(a, c))
  for (const host of [a, b, c]) assert.deepEqual(cluster.names(host), ['after', 'before'])
  assert.deepEqual(c.raft.table.members.map(({ nodeId, addr, learner }) => ({ nodeId, addr, learner })).sort((x, y) => (x.nodeId < y.nodeId ? -1 : 1)),
    ['a', 'b', 'c'].map(name => ({ nodeId: name, addr: `${name}:1`, learner: false })))
  assert.equal(b.raft.leadership.leaderAddr, 'a:1')
  await cluster.stopAll()
})

test('when the leader crashes another takes over within a second, with everything that was acknowledged', async () => {
  const cluster = new RaftCluster()
  const [a, b, c] = await cluster.three()
  await cluster.write(a, 'kept')
  cluster.crash('a')
  await cluster.until(() => b.raft.isLeader || c.raft.isLeader, 1000)
  const leader = await cluster.leader()
  assert.deepEqual(cluster.names(leader), ['kept'])
  await cluster.write(leader, 'more')
  const again = await cluster.boot('a')
  await cluster.until(() => caughtUp(again, leader))
  assert.deepEqual(cluster.names(again), ['kept', 'more'])
  assert.equal(leader.raft.isLeader, true, 'the one that came back does not force an election')
  await cluster.stopAll()
})

test('a leader cut off from the others stops leading, its proposals are lost, and it follows when it is back', async () => {
  const cluster = new RaftCluster()
  const [a, b, c] = await cluster.three()
  cluster.faults.partition([['a'], ['b', 'c']])
  const lost = cluster.write(a, 'lost')
  await assert.rejects(lost, { code: 'proposal-lost' })
  await cluster.until(() => b.raft.isLeader || c.raft.isLeader)
  const leader = await cluster.leader()
  await cluster.write(leader, 'kept')
  await assert.rejects(cluster.write(a, 'refused'), { code: 'no-leader', message: /^The swarm does not have a leader/ })
  const { term } = leader.raft.leadership
  cluster.faults.healAll()
  await cluster.until(() => caughtUp(a, leader))
  assert.deepEqual(cluster.names(a), ['kept'])
  assert.equal(leader.raft.leadership.term, term, 'healing forces no election')
  await assert.rejects(cluster.write(a, 'elsewhere'), { code: 'not-leader', message: new RegExp(leader.raft.addr) })
  await cluster.stopAll()
})

test('a member that was down for long is brought up by a snapshot once the log is compacted', async () => {
  const cluster = new RaftCluster({ compaction: () => ({ entries: 20, kept: 5 }) })
  const [a, b] = await cluster.three()
  cluster.crash('c')
  for (let i = 0; i < 50; i++) await cluster.write(a, `s${String(i).padStart(2, '0')}`)
  const c = await cluster.boot('c')
  await cluster.until(() => caughtUp(a, c) && caughtUp(a, b))
  assert.equal(cluster.names(c).length, 50)
  await cluster.stop('c')
  const again = await cluster.boot('c')
  await cluster.until(() => caughtUp(a, again))
  assert.equal(cluster.names(again).length, 50)
  assert.deepEqual(again.raft.table.members, a.raft.table.members)
  await cluster.stopAll()
})

test('a restart after compaction finds state and members', async () => {
  const cluster = new RaftCluster({ compaction: () => ({ entries: 10, kept: 2 }) })
  const [a] = await cluster.three()
  for (let i = 0; i < 30; i++) await cluster.write(a, `s${i}`)
  const { members } = a.raft.table
  for (const name of ['a', 'b', 'c']) cluster.crash(name)
  for (const name of ['a', 'b', 'c']) await cluster.boot(name)
  const leader = await cluster.leader()
  assert.equal(cluster.names(leader).length, 30)
  assert.deepEqual(leader.raft.table.members, members)
  await cluster.stopAll()
})

test('a removed member is refused for good, and knows it', async () => {
  const cluster = new RaftCluster()
  const [a, , c] = await cluster.three()
  await cluster.running(a.client.leave('b:1', 'c'))
  assert.deepEqual(a.raft.table.members.map(member => member.nodeId).sort(), ['a', 'b'])
  assert.deepEqual(a.raft.table.removed, [c.raft.raftId])
  assert.deepEqual(await cluster.running(c.raft.stopped), { kind: 'removed' })
  await cluster.stop('c')
  const again = await cluster.boot('c')
  assert.deepEqual(await cluster.running(again.raft.stopped), { kind: 'removed' })
  await assert.rejects(cluster.running(again.client.join('a:1', { addr: 'c:1', raftId: c.raft.raftId })), { code: 'member-removed' })
  await cluster.stopAll()
})

test('a removal that would cost the quorum is refused', async () => {
  const cluster = new RaftCluster()
  const [a] = await cluster.three()
  cluster.crash('c')
  await cluster.clock.advance(500)
  await cluster.until(() => a.raft.silentMs(a.raft.table.members.find(member => member.nodeId === 'c')?.raftId ?? 0) > 2000)
  await assert.rejects(cluster.running(a.membership.remove('b')), { kind: 'failed-precondition', message: "can't remove member from the raft: this would result in a loss of quorum" })
  await cluster.running(a.membership.remove('c'))
  assert.equal(a.raft.table.members.length, 2)
  await cluster.stopAll()
})

test('the leader can be removed: it hands over first', async () => {
  const cluster = new RaftCluster()
  const [a, b, c] = await cluster.three()
  await cluster.write(a, 'kept')
  await cluster.running(b.client.leave('b:1', 'a'))
  assert.deepEqual(await cluster.running(a.raft.stopped), { kind: 'removed' })
  const leader = b.raft.isLeader ? b : c
  assert.deepEqual(leader.raft.table.members.map(member => member.nodeId).sort(), ['b', 'c'])
  await cluster.write(leader, 'more')
  await cluster.stopAll()
})

test('leadership is handed over on request', async () => {
  const cluster = new RaftCluster()
  const [a, b] = await cluster.three()
  await cluster.running(a.membership.transferLeadership('b'))
  await cluster.until(() => b.raft.isLeader)
  await cluster.write(b, 'by-b')
  await cluster.stopAll()
})

test('a voter that lost its disk comes back under a new id', async () => {
  const cluster = new RaftCluster()
  const [a, , c] = await cluster.three()
  await cluster.write(a, 'kept')
  cluster.crash('c')
  cluster.disks.delete('c')
  const fresh = await cluster.join('c', 'a')
  assert.notEqual(fresh.raft.raftId, c.raft.raftId)
  await cluster.until(() => caughtUp(a, fresh))
  assert.deepEqual(cluster.names(fresh), ['kept'])
  assert.equal(a.raft.table.members.length, 3)
  await cluster.stopAll()
})

test('a follower that moved tells its new address by itself, and so does a leader', async () => {
  const cluster = new RaftCluster()
  const [a] = await cluster.three()
  await cluster.stop('b')
  const b = await cluster.boot('b', { addr: 'b2:1' })
  await cluster.until(() => a.raft.table.members.find(member => member.nodeId === 'b')?.addr === 'b2:1')
  await cluster.write(a, 'after')
  await cluster.until(() => caughtUp(a, b))
  await cluster.stop('a')
  await cluster.stop('b')
  await cluster.stop('c')
  await cluster.boot('a', { addr: 'a2:1' })
  const c = await cluster.boot('c')
  await cluster.until(() => c.raft.table.members.find(member => member.nodeId === 'a')?.addr === 'a2:1')
  await cluster.stopAll()
})

test('a member with the address "any" gets the one it is seen at', async () => {
  const cluster = new RaftCluster()
  const [a] = await cluster.three()
  await cluster.stop('b')
  const moved = await cluster.boot('b', { addr: '0.0.0.0:1' })
  await cluster.running(moved.client.join('a:1', { addr: '0.0.0.0:1', raftId: moved.raft.raftId }))
  assert.equal(a.raft.table.members.find(member => member.nodeId === 'b')?.addr, 'b:1')
  await cluster.stopAll()
})

test('a joiner that can not be dialed is refused', async () => {
  const cluster = new RaftCluster()
  await cluster.bootstrap('a')
  const b = await cluster.boot('b')
  await assert.rejects(cluster.running(b.client.join('a:1', { addr: 'nowhere:1', raftId: 0 })), { code: 'member-unreachable' })
  await cluster.stopAll()
})

test('after a failed write nothing is acknowledged, and the node says why it stopped', async () => {
  const cluster = new RaftCluster()
  const a = await cluster.bootstrap('a')
  a.disk.faults.failure = new Error('no space left on device')
  await assert.rejects(cluster.write(a, 'lost'))
  const stop = await cluster.running(a.raft.stopped)
  assert.match(stop.kind === 'failed' ? String(stop.error) : '', /no space left on device/)
  await assert.rejects(cluster.write(a, 'later'), /no space left on device/)
  assert.equal(a.raft.isLeader, false)
  a.disk.faults.failure = undefined
  await cluster.stop('a')
  const again = await cluster.boot('a')
  await cluster.until(() => again.raft.isLeader)
  assert.deepEqual(cluster.names(again), [])
  await cluster.stopAll()
})

test('a joiner that can not write its first record stops, says why, and joins when it is started again', async () => {
  const cluster = new RaftCluster()
  const a = await cluster.bootstrap('a')
  const b = await cluster.boot('b')
  const joined = await cluster.running(b.client.join('a:1', { addr: b.raft.addr, raftId: 0 }))
  b.disk.faults.room = { bytes: 0 }
  await assert.rejects(b.raft.start(joined), { code: 'log-write-failed' })
  b.disk.faults.room = undefined
  await assert.rejects(b.raft.start(joined), { code: 'log-write-failed' }, 'what failed once is to be opened anew')
  const stop = await b.raft.stopped
  assert.match(stop.kind === 'failed' ? String(stop.error) : '', /no space left on device/)
  await cluster.stop('b')
  const again = await cluster.join('b', 'a')
  assert.equal(again.raft.raftId, joined.raftId)
  await cluster.write(a, 'kept')
  await cluster.until(() => caughtUp(a, again))
  await cluster.stopAll()
})

/** Draws well until it is broken: the core draws its election timeout whenever its role or term changes. */
class BreakingRandom extends SeededRandom {
  isBroken = false
  override next(): number {
    if (this.isBroken) throw new RaftInvariantError('planted')
    return super.next()
  }
}

test('a tick that breaks the core stops the node with a clear error, and the others go on without it', async () => {
  const cluster = new RaftCluster()
  const random = new BreakingRandom(7)
  const a = await cluster.boot('a', { random })
  await a.raft.bootstrap()
  await cluster.until(() => a.raft.isLeader)
  const b = await cluster.join('b', 'a')
  const c = await cluster.join('c', 'a')
  cluster.faults.partition([['a'], ['b', 'c']])
  random.isBroken = true
  const stop = await cluster.running(a.raft.stopped)
  assert(stop.kind === 'failed' && stop.error instanceof ShoalError, stop.kind)
  assert.equal(stop.error.code, 'raft-invariant')
  assert.match(stop.error.message, /planted$/)
  assert.equal(a.raft.isLeader, false)
  random.isBroken = false
  await assert.rejects(cluster.write(a, 'refused'), { code: 'raft-invariant' })
  cluster.faults.healAll()
  await cluster.until(() => b.raft.isLeader || c.raft.isLeader)
  await cluster.write(b.raft.isLeader ? b : c, 'kept')
  await cluster.stopAll()
})

test('a message that breaks the core stops the node before it answers', async () => {
  const cluster = new RaftCluster()
  const random = new BreakingRandom(7)
  const a = await cluster.bootstrap('a')
  const b = await cluster.boot('b', { random })
  await b.raft.start(await cluster.running(b.client.join('a:1', { addr: 'b:1', raftId: 0 })))
  await cluster.until(() => caughtUp(a, b) && a.raft.table.confState.voters.length === 2)
  const { term } = a.raft.leadership
  random.isBroken = true
  const message = encodeMessage(createMessage({ type: 'MsgHeartbeat', from: a.raft.raftId, to: b.raft.raftId, term: term + 1 }))
  b.raft.receive({ clusterId: CLUSTER_ID, from: a.raft.raftId, to: b.raft.raftId, message, fromAddr: 'a:1', forkId: '' }, message)
  const stop = await cluster.running(b.raft.stopped)
  assert(stop.kind === 'failed' && stop.error instanceof ShoalError, stop.kind)
  assert.equal(stop.error.code, 'raft-invariant')
  await cluster.clock.advance(500)
  assert.equal(a.raft.leadership.term, term, 'an answer of the higher term would have deposed the leader')
  await cluster.stopAll()
})

test('a leader that is deposed while it writes never says that it leads in the next term', async () => {
  const cluster = new RaftCluster()
  const [a, b] = await cluster.three()
  const { term } = a.raft.leadership
  const watch = new AbortController()
  const seen: Leadership[] = []
  const watching = (async () => { for await (const leadership of a.raft.onLeadership(watch.signal)) seen.push(leadership) })().catch(() => {})
  a.disk.faults.flushMsMax = 2000
  const lost = a.store.update(tx => tx.create('service', make('Service', { id: 'lost', spec: { annotations: { name: 'lost' } } }))).catch(() => {})
  await cluster.clock.advance(1)
  const message = encodeMessage(createMessage({ type: 'MsgHeartbeat', from: b.raft.raftId, to: a.raft.raftId, term: term + 1 }))
  a.raft.receive({ clusterId: CLUSTER_ID, from: b.raft.raftId, to: a.raft.raftId, message, fromAddr: 'b:1', forkId: '' }, message)
  await cluster.clock.advance(2000)
  assert(seen.some(leadership => leadership.term > term), 'the next term was seen')
  assert.deepEqual(seen.filter(leadership => leadership.isLeader && leadership.term > term), [])
  watch.abort()
  a.disk.faults.flushMsMax = 0
  await cluster.running(Promise.all([watching, lost]))
  await cluster.stopAll()
})

test('a lone survivor goes on as a new cluster, and the old members are refused', async () => {
  const cluster = new RaftCluster()
  const [a, b, c] = await cluster.three()
  await cluster.write(a, 'kept')
  await cluster.until(() => caughtUp(a, c))
  for (const name of ['a', 'b', 'c']) cluster.crash(name)
  const survivor = await cluster.boot('c', { forceNewCluster: true })
  await cluster.until(() => survivor.raft.isLeader)
  assert.deepEqual(cluster.names(survivor), ['kept'])
  assert.deepEqual(survivor.raft.table.members.map(member => member.nodeId), ['c'])
  assert.deepEqual([...survivor.raft.table.removed].sort(), [a.raft.raftId, b.raft.raftId].sort())
  await cluster.stop('c')
  const again = await cluster.boot('c')
  const old = await cluster.boot('b')
  assert.deepEqual(await cluster.running(old.raft.stopped), { kind: 'other-fork' })
  await cluster.until(() => again.raft.isLeader)
  await cluster.stopAll()
})

test('a forced new cluster is another fork: members that it never heard of are refused too, and joiners learn the fork', async () => {
  const cluster = new RaftCluster()
  const [a, b, c] = await cluster.three()
  await cluster.write(a, 'kept')
  await cluster.until(() => caughtUp(a, c))
  await cluster.stop('c')
  // The others go on without it, and take in one that it does not know.
  const stranger = await cluster.join('d', 'a')
  await cluster.until(() => caughtUp(a, stranger))
  const survivor = await cluster.boot('c', { forceNewCluster: true })
  await cluster.until(() => survivor.raft.isLeader)
  assert.notEqual(survivor.raft.forkId, '')
  const message = encodeMessage(createMessage({ type: 'MsgVote', to: survivor.raft.raftId, from: stranger.raft.raftId, term: 99, logTerm: 99, index: 99 }))
  assert.throws(() => survivor.raft.receive({ clusterId: CLUSTER_ID, from: stranger.raft.raftId, to: survivor.raft.raftId, message, fromAddr: 'd:1', forkId: stranger.raft.forkId }, message), { code: 'raft-other-fork' })
  assert(survivor.raft.isLeader)
  const joiner = await cluster.join('e', 'c')
  await cluster.until(() => caughtUp(survivor, joiner))
  assert.equal(joiner.raft.forkId, survivor.raft.forkId)
  assert.equal(b.raft.forkId, '')
  await cluster.stopAll()
})

test('another node\'s log is refused', async () => {
  const cluster = new RaftCluster()
  await cluster.bootstrap('a')
  await cluster.stop('a')
  await assert.rejects(cluster.boot('a', { nodeId: 'b' }), { code: 'raft-wrong-cluster' })
})

test('watchers of leadership see it come and go', async () => {
  const cluster = new RaftCluster()
  const [a] = await cluster.three()
  const changes = a.raft.onLeadership(new AbortController().signal)
  await cluster.running(a.membership.transferLeadership())
  const seen: boolean[] = []
  for await (const { isLeader } of changes) {
    seen.push(isLeader)
    if (!isLeader) break
  }
  assert.deepEqual(seen, [true, false])
  await cluster.stopAll()
})

test('an object of 5 MB and 20,000 objects at once are committed whole, on all members, also after a restart', async () => {
  const cluster = new RaftCluster()
  const a = await cluster.bootstrap('a')
  const b = await cluster.join('b', 'a')
  const large = make('Secret', { id: 'large', spec: { annotations: { name: 'large' }, data: new Uint8Array(5 * 1024 * 1024).fill(7) } })
  await cluster.running(a.store.update(tx => tx.create('secret', large)))
  await cluster.running(a.store.update(tx => { for (let i = 0; i < 20_000; i++) tx.create('secret', make('Secret', { id: `s${i}`, spec: { annotations: { name: `s${i}` }, data: new Uint8Array(64) } })) }))
  await cluster.until(() => b.store.view().list('secret').length === 20_001)
  assert.equal(b.store.view().get('secret', 'large')?.spec?.data.length, large.spec?.data.length)
  await cluster.stopAll()
})

test('a leader whose disk hangs for longer than an election timeout stops leading meanwhile, and follows with a whole log when it is over', async () => {
  const cluster = new RaftCluster()
  const [a, b, c] = await cluster.three()
  a.disk.faults.flushMsMax = 60_000
  const hanging = a.store.update(tx => tx.create('service', make('Service', { id: 'unknown', spec: { annotations: { name: 'unknown' } } })))
  const rejected = assert.rejects(cluster.running(hanging), { code: 'proposal-lost' })
  await cluster.until(() => b.raft.isLeader || c.raft.isLeader, 4_000)
  await cluster.until(() => !a.raft.isLeader, 1_000)
  await rejected
  const leader = await cluster.leader()
  assert.equal(a.raft.leadership.leaderAddr, leader.raft.addr)
  await assert.rejects(a.raft.confirmRead(), { code: 'not-leader' })
  await cluster.write(leader, 'kept')
  a.disk.faults.flushMsMax = 0
  await cluster.until(() => caughtUp(a, leader), 120_000)
  assert.ok(cluster.names(a).includes('kept'))
  assert.deepEqual(cluster.names(a), cluster.names(leader))
  await cluster.stopAll()
})

test('a single manager whose disk hangs goes on leading, and acknowledges when it has written', async () => {
  const cluster = new RaftCluster()
  const a = await cluster.bootstrap('a')
  a.disk.faults.flushMsMax = 20_000
  await cluster.write(a, 'web')
  assert.equal(a.raft.isLeader, true)
  a.disk.faults.flushMsMax = 0
  await cluster.stopAll()
})

test('a leader without a quorum holds no more than its limit of what clients propose, and refuses the rest with a reason', async () => {
  const cluster = new RaftCluster()
  const [a] = await cluster.three()
  cluster.faults.partition([['a'], ['b', 'c']])
  const large = (i: number): Parameters<typeof a.raft.propose>[0] => ({
    requestId: `r${i}`, after: '', requests: [], actions: [{ kind: 'create', object: { service: make('Service', { id: `s${i}`, spec: { annotations: { name: 'x'.repeat(LARGE_BYTES) } } }) } }],
  })
  const outcomes = Promise.all(Array.from({ length: 10 }, (_, i) => a.raft.propose(large(i)).then(() => 'taken', (error: ShoalError) => error.code)))
  await cluster.clock.advance(200)
  assert.equal(a.raft.isLeader, true)
  const codes = await cluster.running(outcomes)
  assert.deepEqual([...new Set(codes)].sort(), ['proposal-dropped', 'proposal-lost'])
  // As many as fit into 64 MiB.
  assert.equal(codes.filter(code => code === 'proposal-lost').length, 4)
  cluster.faults.healAll()
  await cluster.leader()
  await cluster.stopAll()
})
