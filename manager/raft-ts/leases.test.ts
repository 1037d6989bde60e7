/** Pre-vote (thesis 9.6), check-quorum and the followers' side of the lease (thesis 4.2.3, 6.2), and forgetting a leader. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMessage } from './create-message.ts'
import { only, TEST_ELECTION_TICKS, TestPeer } from './test-peer.ts'
import { TestNetwork } from './test-network.ts'
import { TRANSFER_CONTEXT } from './transfer-context.ts'

const BOTH = { preVote: true, checkQuorum: true } as const

test('a pre-candidate raises no term and casts no vote until a majority would vote for it', () => {
  const peer = new TestPeer({ preVote: true, terms: [1], hardState: { term: 1, vote: 3 } })
  const asked = peer.campaign()
  assert.deepEqual(asked.map(({ type, to, term, index, logTerm }) => [type, to, term, index, logTerm]), [['MsgPreVote', 2, 2, 1, 1], ['MsgPreVote', 3, 2, 1, 1]])
  assert.deepEqual([peer.role, peer.term, peer.vote], ['pre-candidate', 1, 3])
  const votes = peer.step('MsgPreVoteResp', { term: 2 })
  assert.deepEqual(votes.map(({ type, term }) => [type, term]), [['MsgVote', 2], ['MsgVote', 2]])
  assert.deepEqual([peer.role, peer.term, peer.vote], ['candidate', 2, 1])
})

test('a pre-candidate that a majority refuses follows again, in its old term', () => {
  const peer = new TestPeer({ preVote: true, hardState: { term: 1 } })
  peer.campaign()
  peer.step('MsgPreVoteResp', { from: 2, reject: true })
  assert.equal(peer.role, 'pre-candidate')
  peer.step('MsgPreVoteResp', { from: 3, reject: true })
  assert.deepEqual([peer.role, peer.term], ['follower', 1])
})

test('late answers to a pre-vote elect nobody', () => {
  const peer = new TestPeer({ preVote: true, voters: [1, 2, 3, 4, 5] })
  peer.campaign()
  peer.step('MsgPreVoteResp', { from: 2, term: 1 })
  peer.step('MsgPreVoteResp', { from: 3, term: 1 })
  assert.equal(peer.role, 'candidate')
  for (const from of [2, 3, 4, 5]) peer.step('MsgPreVoteResp', { from, term: 1 })
  assert.equal(peer.role, 'candidate')
})

test('granting a pre-vote promises nothing: two may be told yes in the same term', () => {
  const peer = new TestPeer({ preVote: true, hardState: { term: 1, vote: 2 } })
  for (const from of [2, 3]) {
    assert.deepEqual(peer.step('MsgPreVote', { from, term: 2 }).map(({ type, term, reject }) => [type, term, reject]), [['MsgPreVoteResp', 2, false]])
  }
  assert.deepEqual([peer.term, peer.vote], [1, 2])
})

test('a pre-vote of an older term is refused with the present one, so that its sender catches up', () => {
  const peer = new TestPeer({ preVote: true, hardState: { term: 5 } })
  assert.deepEqual(peer.step('MsgPreVote', { from: 3, term: 4 }).map(({ type, term, reject }) => [type, term, reject]), [['MsgPreVoteResp', 5, true]])
})

test('a member that was cut off comes back without an election, and catches up', () => {
  const network = new TestNetwork([1, 2, 3], BOTH)
  network.act(1, peer => peer.campaign())
  network.isolate(3)
  network.tick(5 * TEST_ELECTION_TICKS)
  assert.deepEqual([network.peer(3).role, network.peer(3).term], ['pre-candidate', 1])
  network.act(1, peer => peer.propose('a'))
  network.heal()
  network.tick(3)
  assert.deepEqual([network.leaderId, network.peer(1).term, network.peer(3).role, network.peer(3).leader], [1, 1, 'follower', 1])
  assert.deepEqual(network.peer(3).appliedTexts, ['a'])
})

test('a member that flaps for long never deposes the leader', () => {
  const network = new TestNetwork([1, 2, 3], BOTH)
  network.act(1, peer => peer.campaign())
  for (let i = 0; i < 20; i++) {
    network.isolate(3)
    network.tick(TEST_ELECTION_TICKS + 3)
    network.heal()
    network.tick(1)
  }
  assert.deepEqual([network.leaderId, network.peer(1).term], [1, 1])
})

test('without a lease the same member would have deposed it: the tests above can fail', () => {
  const network = new TestNetwork([1, 2, 3])
  network.act(1, peer => peer.campaign())
  network.isolate(3)
  network.tick(2 * TEST_ELECTION_TICKS, [3])
  network.heal()
  network.tick(TEST_ELECTION_TICKS + 1, [3])
  assert.ok(network.peer(1).term > 1)
})

test('a leader that hears no quorum for an election timeout steps down', () => {
  const peer = new TestPeer({ ...BOTH, voters: [1, 2, 3, 4, 5] })
  peer.lead()
  for (let i = 0; i < 3; i++) {
    peer.tick(TEST_ELECTION_TICKS - 1)
    for (const from of [2, 3]) peer.step('MsgHeartbeatResp', { from })
    peer.tick()
    assert.equal(peer.role, 'leader')
  }
  peer.step('MsgHeartbeatResp', { from: 2 })
  peer.tick(TEST_ELECTION_TICKS)
  assert.deepEqual([peer.role, peer.term, peer.leader], ['follower', 1, 0])
})

test('a learner\'s answers keep no leader in office', () => {
  const peer = new TestPeer({ ...BOTH, learners: [4, 5] })
  peer.lead()
  peer.tick(TEST_ELECTION_TICKS - 1)
  for (const from of [4, 5]) peer.step('MsgHeartbeatResp', { from })
  assert.equal(peer.role, 'leader')
  peer.tick()
  assert.notEqual(peer.role, 'leader')
})

test('a follower that hears its leader ignores requests for votes of later terms, and grants them when the lease has ended', () => {
  for (const type of ['MsgVote', 'MsgPreVote'] as const) {
    const peer = new TestPeer({ ...BOTH, hardState: { term: 1 } })
    peer.step('MsgHeartbeat', { from: 2 })
    peer.tick(TEST_ELECTION_TICKS - 1)
    assert.deepEqual([peer.step(type, { from: 3, term: 2 }), peer.term], [[], 1])
    peer.step('MsgHeartbeat', { from: 2 })
    peer.tick(TEST_ELECTION_TICKS - 1)
    peer.node.raft.electionElapsed = TEST_ELECTION_TICKS
    assert.deepEqual(peer.step(type, { from: 3, term: 2 }).map(({ reject }) => reject), [false])
  }
})

test('the leader itself does not give way to a candidate either', () => {
  const peer = new TestPeer(BOTH)
  peer.lead()
  assert.deepEqual(peer.step('MsgVote', { from: 3, term: 9, index: 9, logTerm: 9 }), [])
  assert.deepEqual([peer.role, peer.term], ['leader', 1])
})

test('a request that comes from a transfer of leadership overrides the lease', () => {
  const peer = new TestPeer({ ...BOTH, hardState: { term: 1 } })
  peer.step('MsgHeartbeat', { from: 2 })
  assert.deepEqual(peer.step('MsgVote', { from: 3, term: 2, context: TRANSFER_CONTEXT }).map(({ reject }) => reject), [false])
  assert.equal(peer.vote, 3)
})

test('a member stuck in a later term frees itself by answering its leader\'s old one', () => {
  const peer = new TestPeer({ ...BOTH, hardState: { term: 5 } })
  for (const type of ['MsgHeartbeat', 'MsgApp'] as const) {
    assert.deepEqual(peer.step(type, { term: 4 }).map(sent => [sent.type, sent.to, sent.term]), [['MsgAppResp', 2, 5]])
  }
  const leader = new TestPeer(BOTH)
  leader.lead()
  leader.step('MsgAppResp', { from: 3, term: 5 })
  assert.deepEqual([leader.role, leader.term], ['follower', 5])
})

test('whatever its options, a node of a later term tells leaders of earlier ones: one that can not campaign, a learner, could not get rid of them otherwise', () => {
  const learner = new TestPeer({ id: 3, voters: [1, 2], learners: [3], hardState: { term: 6 } })
  for (const type of ['MsgHeartbeat', 'MsgApp'] as const) {
    assert.deepEqual(learner.step(type, { from: 1, term: 5 }).map(sent => [sent.type, sent.to, sent.term]), [['MsgAppResp', 1, 6]])
  }
})

test('without pre-votes a candidate of an older term is told the present one: nobody else may tell it, when its vote is not asked for', () => {
  const peer = new TestPeer({ hardState: { term: 27 } })
  const [answer, ...more] = peer.step('MsgVote', { from: 3, term: 22, index: 17, logTerm: 1 })
  assert.deepEqual([answer?.type, answer?.to, answer?.term, answer?.reject, more.length, peer.vote], ['MsgVoteResp', 3, 27, true, 0, 0])
  const behind = new TestPeer({ id: 3, hardState: { term: 21 } })
  behind.campaign()
  assert.deepEqual([behind.role, behind.term], ['candidate', 22])
  behind.step('MsgVoteResp', { from: 1, term: 27, reject: true })
  assert.deepEqual([behind.role, behind.term], ['follower', 27])
})

test('a follower that forgets its leader votes at once, in its term and the next, without campaigning itself', () => {
  const peer = new TestPeer({ ...BOTH, hardState: { term: 1 } })
  peer.step('MsgHeartbeat', { from: 2 })
  assert.deepEqual(peer.step('MsgPreVote', { from: 3, term: 2 }), [])
  peer.node.forgetLeader()
  assert.deepEqual([peer.leader, peer.role, peer.term], [0, 'follower', 1])
  assert.deepEqual(peer.step('MsgPreVote', { from: 3, term: 2 }).map(({ reject }) => reject), [false])
  peer.step('MsgHeartbeat', { from: 2 })
  assert.equal(peer.leader, 2)
})

test('who leads does not forget it, and where reads trust the lease nobody does', () => {
  const leader = new TestPeer()
  leader.lead()
  leader.node.forgetLeader()
  assert.equal(leader.leader, 1)
  const leased = new TestPeer({ ...BOTH, readOnly: 'lease-based', hardState: { term: 1 } })
  leased.step('MsgHeartbeat', { from: 2 })
  leased.node.forgetLeader()
  assert.equal(leased.leader, 2)
})

test('nobody campaigns who is a learner, is no member, or does not know yet who votes', () => {
  const learner = new TestPeer({ id: 4, learners: [4] })
  const stranger = new TestPeer({ id: 9 })
  for (const peer of [learner, stranger]) {
    peer.tick(3 * TEST_ELECTION_TICKS)
    peer.campaign()
    assert.deepEqual([peer.role, peer.term], ['follower', 0])
  }
  // The entry behind the applied ones may change the configuration.
  const late = new TestPeer({ terms: [1], hardState: { term: 1, commit: 1 } })
  late.storage.append([{ index: 1, term: 1, type: 'conf-change-v2', data: new Uint8Array() }])
  late.node.campaign()
  assert.equal(late.role, 'follower')
})

test('a learner votes when it is asked: it may have become a voter without having heard of it', () => {
  const learner = new TestPeer({ id: 4, learners: [4] })
  learner.node.step(createMessage({ type: 'MsgVote', from: 2, to: 4, term: 2, index: 5, logTerm: 1 }))
  assert.deepEqual(only('MsgVoteResp', learner.work()).map(({ reject }) => reject), [false])
})
