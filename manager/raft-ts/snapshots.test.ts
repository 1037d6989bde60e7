/** What a leader does for a member whose next entries are compacted away, and what that member does with a snapshot. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY_CONF_STATE } from './cluster-config.ts'
import type { ConfState, Snapshot } from './message.ts'
import { RaftError } from './storage.ts'
import { only, TestPeer, type TestPeerOptions } from './test-peer.ts'
import { TestNetwork } from './test-network.ts'

const BEGIN = { index: 11, term: 11 }

/** A leader of two in term 12 whose log begins behind entry 11; member 2 needs what is before that. */
function leaderAhead(options: TestPeerOptions = {}): TestPeer {
  const peer = new TestPeer({ voters: [1, 2], snapshot: BEGIN, hardState: { term: 11 }, ...options })
  peer.lead()
  peer.step('MsgHeartbeatResp')
  return peer
}

const refuse = (peer: TestPeer): ReturnType<TestPeer['step']> => peer.step('MsgAppResp', { index: 11, reject: true, rejectHint: 0 })

function snapshotOf(index: number, term: number, confState: Partial<ConfState> = {}): Snapshot {
  return { metadata: { index, term, confState: { ...EMPTY_CONF_STATE, voters: [1, 2, 3], ...confState } }, data: new Uint8Array() }
}

test('a member that needs compacted entries is sent the snapshot, once, and nothing else while it is under way', () => {
  const peer = leaderAhead()
  const sent = refuse(peer)
  assert.deepEqual(sent.map(({ type, to, snapshot }) => [type, to, snapshot?.metadata.index]), [['MsgSnap', 2, 11]])
  const progress = peer.progress(2)
  assert.deepEqual([progress.state, progress.pendingSnapshot, progress.next, progress.isPaused], ['snapshot', 11, 12, true])
  assert.deepEqual(peer.propose('x').filter(({ to }) => to === 2), [])
  assert.deepEqual(only('MsgApp', peer.step('MsgHeartbeatResp')), [])
  // Heartbeats go on: it must not campaign meanwhile.
  assert.equal(only('MsgHeartbeat', peer.tick()).length, 1)
})

test('a member that was not heard lately is sent no snapshot', () => {
  const peer = new TestPeer({ voters: [1, 2, 3], snapshot: BEGIN, hardState: { term: 11 } })
  peer.lead()
  const progress = peer.progress(3)
  progress.next = 5
  progress.isFlowPaused = false
  progress.isRecentlyActive = false
  assert.deepEqual(only('MsgSnap', peer.propose('x')), [])
  assert.deepEqual(only('MsgSnap', peer.step('MsgHeartbeatResp', { from: 3 })).map(({ to }) => to), [3])
})

test('a snapshot that failed is sent again when the member is heard, from where it stood before', () => {
  const peer = leaderAhead()
  refuse(peer)
  peer.node.reportSnapshot(2, 'failed')
  const progress = peer.progress(2)
  assert.deepEqual([progress.state, progress.pendingSnapshot, progress.next, progress.isPaused], ['probe', 0, 1, true])
  assert.deepEqual(only('MsgSnap', peer.work()), [])
  assert.deepEqual(only('MsgSnap', peer.step('MsgHeartbeatResp')).map(({ to }) => to), [2])
})

test('a snapshot that has arrived lets the member be probed right behind it, once it is heard', () => {
  const peer = leaderAhead()
  refuse(peer)
  peer.node.reportSnapshot(2, 'finished')
  const progress = peer.progress(2)
  assert.deepEqual([progress.state, progress.pendingSnapshot, progress.next, progress.isPaused], ['probe', 0, 12, true])
  assert.deepEqual(only('MsgApp', peer.step('MsgHeartbeatResp')).map(({ index, entries }) => [index, entries.map(entry => entry.index)]), [[11, [12]]])
  peer.acknowledge([2], 12)
  assert.deepEqual([progress.state, peer.committed], ['replicate', 12])
})

test('a member that comes level by other means ends the wait for its snapshot', () => {
  const peer = leaderAhead()
  refuse(peer)
  assert.deepEqual(only('MsgSnap', peer.step('MsgAppResp', { index: 10 })), [])
  assert.equal(peer.progress(2).state, 'snapshot')
  peer.step('MsgAppResp', { index: 11 })
  assert.deepEqual([peer.progress(2).state, peer.progress(2).match, peer.progress(2).next], ['replicate', 11, 13])
  // The report that comes too late changes nothing.
  peer.node.reportSnapshot(2, 'failed')
  assert.deepEqual([peer.progress(2).state, peer.progress(2).match, peer.progress(2).next], ['replicate', 11, 13])
})

test('a report, or that the member cannot be reached, concerns only who has a snapshot under way', () => {
  const peer = leaderAhead()
  refuse(peer)
  peer.node.reportUnreachable(2)
  assert.equal(peer.progress(2).state, 'snapshot')
  const other = leaderAhead()
  other.node.reportSnapshot(2, 'finished')
  assert.equal(other.progress(2).isPaused, true)
  assert.equal(other.progress(2).state, 'probe')
})

test('while the storage has no snapshot to give the member waits, and gets it later', () => {
  const peer = leaderAhead()
  const give = peer.storage.snapshot.bind(peer.storage)
  peer.storage.snapshot = () => { throw new RaftError('snapshot-temporarily-unavailable', 'not yet') }
  assert.deepEqual(refuse(peer), [])
  assert.equal(peer.progress(2).state, 'probe')
  peer.storage.snapshot = give
  assert.deepEqual(only('MsgSnap', peer.step('MsgHeartbeatResp')).map(({ to }) => to), [2])
})

test('a follower replaces log and configuration by a snapshot, and answers when it is durable', () => {
  const peer = new TestPeer({ terms: [1, 1], hardState: { term: 2 } })
  const answers = peer.step('MsgSnap', { snapshot: snapshotOf(11, 2, { voters: [1, 2], learners: [4] }) })
  assert.deepEqual(answers.map(({ type, to, index, reject }) => [type, to, index, reject]), [['MsgAppResp', 2, 11, false]])
  assert.deepEqual([peer.committed, peer.lastIndex, peer.terms, peer.storage.firstIndex()], [11, 11, [], 12])
  assert.deepEqual(peer.node.raft.tracker.ids, [1, 2, 4])
  assert.equal(peer.applied.length, 0)
  peer.step('MsgApp', { index: 11, logTerm: 2, entries: [{ index: 12, term: 2, type: 'normal', data: Uint8Array.of(1) }], commit: 12 })
  assert.deepEqual(peer.applied.map(entry => entry.index), [12])
})

test('a snapshot of what is committed already is answered with how far this node is', () => {
  const peer = new TestPeer({ terms: [1, 1, 1], hardState: { term: 1, commit: 2 } })
  assert.deepEqual(peer.step('MsgSnap', { snapshot: snapshotOf(2, 1) }).map(({ type, index }) => [type, index]), [['MsgAppResp', 2]])
  assert.deepEqual([peer.terms, peer.committed], [[1, 1, 1], 2])
})

test('a snapshot of what the log holds only moves the commit index; the entries stay', () => {
  const peer = new TestPeer({ terms: [1, 1, 1], hardState: { term: 1 } })
  peer.step('MsgSnap', { snapshot: snapshotOf(2, 1) })
  assert.deepEqual([peer.terms, peer.committed, peer.applied.length], [[1, 1, 1], 2, 2])
  const other = new TestPeer({ terms: [1, 1, 1], hardState: { term: 2 } })
  other.step('MsgSnap', { snapshot: snapshotOf(2, 2) })
  assert.deepEqual([other.terms, other.committed, other.storage.firstIndex()], [[], 2, 3])
})

test('a node does not take a snapshot of a cluster that it is no part of, and takes one in which it is a learner or about to leave', () => {
  const take = (confState: Partial<ConfState>): number => {
    const peer = new TestPeer({ hardState: { term: 1 } })
    peer.step('MsgSnap', { snapshot: snapshotOf(5, 1, confState) })
    return peer.committed
  }
  assert.equal(take({ voters: [2, 3] }), 0)
  assert.equal(take({ voters: [2, 3], learners: [1] }), 5)
  assert.equal(take({ voters: [2, 3], votersOutgoing: [1, 2] }), 5)
})

test('nobody campaigns on a snapshot that is not yet durable', () => {
  const peer = new TestPeer({ hardState: { term: 1 }, asyncStorageWrites: true })
  peer.node.step({ type: 'MsgSnap', from: 2, to: 1, term: 1, logTerm: 0, index: 0, entries: [], commit: 0, vote: 0, reject: false, rejectHint: 0, responses: [], snapshot: snapshotOf(5, 1) })
  const [append] = only('MsgStorageAppend', peer.node.ready().messages)
  peer.node.campaign()
  assert.equal(peer.role, 'follower')
  if (append?.snapshot !== undefined) peer.storage.applySnapshot(append.snapshot)
  for (const response of append?.responses ?? []) if (response.to === 1) peer.node.step(response)
  peer.node.campaign()
  assert.equal(peer.role, 'candidate')
})

test('a member that slept while the log was compacted is brought level by a snapshot and goes on by entries', () => {
  const network = new TestNetwork([1, 2, 3])
  network.act(1, peer => peer.campaign())
  network.isolate(3)
  for (const text of ['a', 'b', 'c']) network.act(1, peer => peer.propose(text))
  network.peer(1).compact()
  network.heal()
  network.tick(2, [1])
  assert.equal(network.peer(1).progress(3).state, 'replicate')
  assert.equal(network.log.filter(({ type }) => type === 'MsgSnap').length, 1)
  network.act(1, peer => peer.propose('d'))
  assert.deepEqual([network.peer(3).committed, network.peer(3).appliedTexts], [network.peer(1).committed, ['d']])
})
