/** Linearizable reads without log entries (thesis 6.4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from './message.ts'
import { bytesOf, only, TEST_ELECTION_TICKS, TestPeer, textOf, type TestPeerOptions } from './test-peer.ts'
import { TestNetwork } from './test-network.ts'

const ask = (peer: TestPeer, text: string): readonly Message[] => {
  peer.node.readIndex(bytesOf(text))
  return peer.work()
}
const answers = (peer: TestPeer): readonly (readonly [string, number])[] => peer.reads.map(({ context, index }) => [textOf(context), index])

function settled(options: TestPeerOptions = {}): TestPeer {
  const peer = new TestPeer(options)
  peer.lead()
  peer.acknowledge([2])
  return peer
}

/** Answers a member's heartbeat as it would. */
const beat = (peer: TestPeer, from: number, sent: readonly Message[]): readonly Message[] => {
  const { context } = only('MsgHeartbeat', sent).find(({ to }) => to === from) as Message
  return peer.step('MsgHeartbeatResp', { from, ...context === undefined ? {} : { context } })
}

test('a read is answered with the commit index of its arrival, once a majority has confirmed the leader after it', () => {
  const peer = settled({ voters: [1, 2, 3, 4, 5] })
  peer.acknowledge([3])
  const index = peer.committed
  const sent = ask(peer, 'r')
  assert.equal(only('MsgHeartbeat', sent).length, 4)
  peer.propose('x')
  peer.acknowledge([2, 3, 4])
  beat(peer, 2, sent)
  assert.deepEqual(answers(peer), [])
  beat(peer, 2, sent)
  assert.deepEqual(answers(peer), [])
  beat(peer, 3, sent)
  assert.deepEqual(answers(peer), [['r', index]])
  assert.ok(index < peer.committed)
})

test('answers to heartbeats sent before the read confirm nothing', () => {
  const peer = settled()
  const before = peer.tick()
  ask(peer, 'r')
  beat(peer, 2, before)
  peer.step('MsgAppResp', { from: 2, index: peer.lastIndex })
  assert.deepEqual(answers(peer), [])
})

test('one round of heartbeats answers all reads that came before it', () => {
  const peer = settled()
  ask(peer, 'r1')
  ask(peer, 'r2')
  const sent = ask(peer, 'r3')
  beat(peer, 3, sent)
  assert.deepEqual(answers(peer).map(([text]) => text), ['r1', 'r2', 'r3'])
})

test('a read whose heartbeats were lost is confirmed by the next ones', () => {
  const peer = settled()
  ask(peer, 'r')
  beat(peer, 2, peer.tick())
  assert.deepEqual(answers(peer).map(([text]) => text), ['r'])
})

test('a learner\'s answer does not confirm a read', () => {
  const peer = settled({ learners: [4] })
  const sent = ask(peer, 'r')
  beat(peer, 4, sent)
  assert.deepEqual(answers(peer), [])
})

test('a new leader answers no read before it has committed an entry of its term', () => {
  for (const options of [{}, { readOnly: 'lease-based', checkQuorum: true }] as const) {
    const peer = new TestPeer({ terms: [1, 1], hardState: { term: 1, commit: 1 }, ...options })
    peer.lead()
    const sent = ask(peer, 'r')
    if (options.readOnly === undefined) assert.deepEqual(only('MsgHeartbeat', sent), [])
    for (const from of [2, 3]) peer.step('MsgHeartbeatResp', { from })
    assert.deepEqual(answers(peer), [])
    const released = peer.acknowledge([2])
    if (options.readOnly === undefined) beat(peer, 3, released)
    assert.deepEqual(answers(peer), [['r', 3]])
  }
})

test('a deposed leader answers none of the reads it had taken', () => {
  const peer = settled()
  const sent = ask(peer, 'r')
  peer.step('MsgHeartbeat', { from: 3, term: 2 })
  beat(peer, 2, sent)
  assert.deepEqual([peer.role, answers(peer)], ['follower', []])
})

test('a leader that is elected again does not answer with what it knew the first time', () => {
  const peer = settled()
  ask(peer, 'old')
  peer.step('MsgHeartbeat', { from: 3, term: 2 })
  peer.lead()
  peer.acknowledge([2])
  const sent = ask(peer, 'new')
  beat(peer, 2, sent)
  assert.deepEqual(answers(peer), [['new', peer.committed]])
})

test('reads that waited for the first commit are forgotten with the leadership, and do not come back with the next', () => {
  const peer = new TestPeer({ terms: [1], hardState: { term: 1 } })
  peer.lead()
  ask(peer, 'old')
  peer.step('MsgHeartbeat', { from: 3, term: 3 })
  peer.lead()
  const sent = peer.acknowledge([2])
  for (const message of only('MsgHeartbeat', sent)) assert.equal(message.context, undefined)
  peer.tick()
  assert.deepEqual(answers(peer), [])
})

test('a read that waits for a member is answered when that member is removed and its answer is needed no more', () => {
  const peer = settled({ voters: [1, 2] })
  const index = peer.committed
  ask(peer, 'r')
  peer.node.proposeConfChange({ transition: 'auto', changes: [{ type: 'remove-node', nodeId: 2 }] })
  peer.work()
  assert.deepEqual(answers(peer), [])
  peer.acknowledge([2])
  assert.deepEqual(peer.node.raft.tracker.voterIds, [1])
  assert.deepEqual(answers(peer), [['r', index]])
})

test('the only voter answers by itself, at once', () => {
  const peer = new TestPeer({ voters: [1] })
  peer.campaign()
  ask(peer, 'r')
  assert.deepEqual(answers(peer), [['r', 1]])
})

test('under a lease the leader answers without asking anybody, until its quorum is gone', () => {
  const peer = settled({ readOnly: 'lease-based', checkQuorum: true })
  const sent = ask(peer, 'r')
  assert.deepEqual([only('MsgHeartbeat', sent), answers(peer)], [[], [['r', 1]]])
  peer.tick(2 * TEST_ELECTION_TICKS)
  assert.equal(peer.role, 'follower')
  ask(peer, 'late')
  assert.deepEqual(answers(peer).length, 1)
})

test('a follower\'s read is answered through its leader', () => {
  const network = new TestNetwork([1, 2, 3])
  network.act(1, peer => peer.campaign())
  network.act(1, peer => peer.propose('a'))
  network.act(3, peer => ask(peer, 'r'))
  assert.deepEqual(answers(network.peer(3)), [['r', network.peer(1).committed]])
  assert.deepEqual(answers(network.peer(1)), [])
})

test('a read without a leader is dropped: whoever asked asks again', () => {
  const peer = new TestPeer()
  assert.deepEqual(ask(peer, 'r'), [])
  peer.tick(1)
  assert.deepEqual(answers(peer), [])
})

test('a leader that is cut off cannot answer a read, while the other side already writes', () => {
  const network = new TestNetwork([1, 2, 3])
  network.act(1, peer => peer.campaign())
  network.isolate(1)
  network.act(2, peer => peer.campaign())
  network.act(2, peer => peer.propose('new'))
  network.act(1, peer => ask(peer, 'r'))
  network.tick(2, [1])
  assert.equal(network.peer(1).role, 'leader')
  assert.deepEqual(answers(network.peer(1)), [])
})

test('in a joint configuration a read needs both majorities', () => {
  const peer = settled()
  peer.node.proposeConfChange({ transition: 'joint-explicit', changes: [{ type: 'add-node', nodeId: 4 }, { type: 'add-node', nodeId: 5 }, { type: 'remove-node', nodeId: 2 }, { type: 'remove-node', nodeId: 3 }] })
  peer.work()
  peer.acknowledge([2])
  const sent = ask(peer, 'r')
  beat(peer, 2, sent)
  beat(peer, 3, sent)
  assert.deepEqual(answers(peer), [])
  beat(peer, 5, sent)
  assert.deepEqual(answers(peer).map(([text]) => text), ['r'])
})
