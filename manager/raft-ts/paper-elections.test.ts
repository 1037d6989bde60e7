/** The sentences of the Raft paper (Ongaro and Ousterhout, extended version) about terms, elections and votes: 5.1, 5.2, 5.4.1. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMessage } from './create-message.ts'
import type { Message, MessageType } from './message.ts'
import { only, TEST_ELECTION_TICKS, TestPeer, testEntry, type TestPeerOptions } from './test-peer.ts'
import { TestNetwork } from './test-network.ts'

type Role = 'follower' | 'candidate' | 'leader'

function peerAs(role: Role, options: TestPeerOptions = {}): TestPeer {
  const peer = new TestPeer(options)
  if (role === 'candidate') peer.campaign()
  if (role === 'leader') peer.lead()
  assert.equal(peer.role, role)
  return peer
}

const ROLES: readonly Role[] = ['follower', 'candidate', 'leader']
/** Those a peer sends, so that the rules about terms are for all of them. */
const PEER_MESSAGES: readonly MessageType[] = ['MsgApp', 'MsgAppResp', 'MsgVote', 'MsgVoteResp', 'MsgHeartbeat', 'MsgHeartbeatResp']

for (const role of ROLES) {
  test(`5.1: a ${role} that sees a larger term takes it over and follows`, () => {
    for (const type of PEER_MESSAGES) {
      const peer = peerAs(role)
      const term = peer.term + 3
      peer.step(type, { term })
      assert.deepEqual([peer.role, peer.term], ['follower', term], type)
    }
  })

  test(`5.1: a ${role} forgets its vote when the term changes, and knows a leader only from a leader's message`, () => {
    const heard = peerAs(role)
    heard.step('MsgApp', { term: heard.term + 1, from: 3 })
    assert.deepEqual([heard.vote, heard.leader], [0, 3])
    const told = peerAs(role)
    told.step('MsgAppResp', { term: told.term + 1, from: 3 })
    assert.deepEqual([told.vote, told.leader], [0, 0])
  })

  test(`5.1: a ${role} rejects what comes from an older term`, () => {
    for (const type of PEER_MESSAGES) {
      const peer = peerAs(role, { hardState: { term: 4 }, terms: [1] })
      const before = { role: peer.role, term: peer.term, vote: peer.vote, leader: peer.leader, lastIndex: peer.lastIndex, committed: peer.committed }
      const entries = type === 'MsgApp' ? [testEntry(1, 2)] : []
      peer.step(type, { term: 3, index: 0, commit: 1, entries })
      assert.deepEqual({ role: peer.role, term: peer.term, vote: peer.vote, leader: peer.leader, lastIndex: peer.lastIndex, committed: peer.committed }, before, type)
    }
  })
}

test('5.2: a server begins as a follower, also one that led when it went down', () => {
  assert.equal(new TestPeer().role, 'follower')
  const restarted = new TestPeer({ hardState: { term: 5, vote: 1 }, terms: [5] })
  assert.deepEqual([restarted.role, restarted.term, restarted.vote, restarted.leader], ['follower', 5, 1, 0])
})

test('5.2: a leader sends heartbeats to all, at the heartbeat\'s interval', () => {
  const peer = peerAs('leader', { heartbeatTicks: 3, electionTicks: 10 })
  assert.deepEqual(only('MsgHeartbeat', peer.tick(2)), [])
  const beats = only('MsgHeartbeat', peer.tick())
  assert.deepEqual(beats.map(({ to, term, entries }) => [to, term, entries.length]), [[2, 1, 0], [3, 1, 0]])
  assert.equal(only('MsgHeartbeat', peer.tick(6)).length, 4)
})

for (const role of ['follower', 'candidate'] as const) {
  test(`5.2: a ${role} that hears nothing increments its term, votes for itself and asks all others for their votes`, () => {
    const peer = peerAs(role, { voters: [1, 2, 3, 4, 5] })
    const term = peer.term + 1
    assert.deepEqual(peer.tick(TEST_ELECTION_TICKS - 1), [])
    const asked = peer.tick()
    assert.deepEqual([peer.role, peer.term, peer.vote], ['candidate', term, 1])
    assert.deepEqual(asked.map(({ type, to, term: asking }) => [type, to, asking]), [2, 3, 4, 5].map(to => ['MsgVote', to, term]))
  })

  test(`5.2: the election timeouts of a ${role} are spread over [T, 2T)`, () => {
    const seen = new Set<number>()
    for (let i = 0; i < TEST_ELECTION_TICKS; i++) {
      const peer = peerAs(role, { random: () => (i + 0.5) / TEST_ELECTION_TICKS })
      const term = peer.term
      let ticks = 0
      while (peer.term === term) {
        peer.tick()
        ticks++
      }
      seen.add(ticks)
    }
    assert.deepEqual([...seen].sort((a, b) => a - b), Array.from({ length: TEST_ELECTION_TICKS }, (_, i) => TEST_ELECTION_TICKS + i))
  })
}

test('5.2: hearing from the leader puts the timeout off, for appends and heartbeats', () => {
  for (const type of ['MsgApp', 'MsgHeartbeat'] as const) {
    const peer = new TestPeer({ hardState: { term: 1 } })
    peer.tick(TEST_ELECTION_TICKS - 1)
    peer.step(type)
    peer.tick(TEST_ELECTION_TICKS - 1)
    assert.equal(peer.role, 'follower', type)
    peer.tick()
    assert.equal(peer.role, 'candidate', type)
  }
})

test('5.2: granting a vote puts the timeout off, refusing one does not', () => {
  const granting = new TestPeer({ hardState: { term: 1 } })
  granting.tick(TEST_ELECTION_TICKS - 1)
  granting.step('MsgVote', { term: 1 })
  granting.tick()
  assert.equal(granting.role, 'follower')
  const refusing = new TestPeer({ terms: [1, 1], hardState: { term: 1, vote: 3 } })
  refusing.tick(TEST_ELECTION_TICKS - 1)
  refusing.step('MsgVote', { term: 1, index: 2, logTerm: 1 })
  refusing.tick()
  assert.equal(refusing.role, 'candidate')
})

/** The state of a candidate after these answers; its own vote is there already. */
const ELECTIONS: readonly (readonly [size: number, votes: readonly boolean[], outcome: Role])[] = [
  [1, [], 'leader'],
  [2, [], 'candidate'], [2, [true], 'leader'], [2, [false], 'follower'],
  [3, [true], 'leader'], [3, [false], 'candidate'], [3, [false, false], 'follower'], [3, [false, true], 'leader'],
  [4, [true], 'candidate'], [4, [true, true], 'leader'], [4, [true, false, false], 'follower'],
  [5, [true], 'candidate'], [5, [true, true], 'leader'], [5, [false, false], 'candidate'], [5, [true, false, false, false], 'follower'], [5, [false, true, false, true], 'leader'],
]
test('5.2: a candidate wins with the votes of a majority, and gives up when it cannot get them', () => {
  for (const [size, votes, outcome] of ELECTIONS) {
    const peer = new TestPeer({ voters: Array.from({ length: size }, (_, i) => i + 1) })
    peer.campaign()
    votes.forEach((granted, i) => peer.step('MsgVoteResp', { from: i + 2, term: 1, reject: !granted }))
    assert.deepEqual([peer.role, peer.term], [outcome, 1], `${size} voters, ${JSON.stringify(votes)}`)
  }
})

test('5.2: a voter\'s second answer changes nothing, nor does one from outside', () => {
  const peer = new TestPeer({ voters: [1, 2, 3, 4, 5], learners: [6] })
  peer.campaign()
  for (let i = 0; i < 3; i++) peer.step('MsgVoteResp', { from: 2 })
  peer.step('MsgVoteResp', { from: 6 })
  assert.equal(peer.role, 'candidate')
  peer.step('MsgVoteResp', { from: 2, reject: true })
  peer.step('MsgVoteResp', { from: 3 })
  assert.equal(peer.role, 'leader')
})

test('5.2: a server votes for one candidate in a term, first come first served', () => {
  const table: readonly (readonly [voted: number, asking: number, granted: boolean])[] = [[0, 2, true], [0, 3, true], [2, 2, true], [3, 3, true], [2, 3, false], [3, 2, false]]
  for (const [vote, from, granted] of table) {
    const peer = new TestPeer({ hardState: { term: 1, vote } })
    const [answer] = peer.step('MsgVote', { from, term: 1 })
    assert.deepEqual([answer?.type, answer?.to, answer?.reject, peer.vote], ['MsgVoteResp', from, !granted, granted ? from : vote])
  }
})

test('5.2: a leader and a candidate have voted for themselves', () => {
  for (const role of ['candidate', 'leader'] as const) {
    const peer = peerAs(role)
    const [answer] = only('MsgVoteResp', peer.step('MsgVote', { from: 3, term: peer.term, index: 9, logTerm: 9 }))
    assert.deepEqual([answer?.reject, peer.role], [true, role])
  }
})

test('5.2: who follows a leader already votes for no other in its term', () => {
  const peer = new TestPeer({ hardState: { term: 1 } })
  peer.step('MsgHeartbeat', { from: 2 })
  assert.deepEqual(peer.step('MsgVote', { from: 3, term: 1 }).map(({ reject }) => reject), [true])
  assert.equal(peer.vote, 0)
})

test('5.2: a candidate that hears of a leader of its term or a later one follows it', () => {
  for (const term of [2, 3]) {
    for (const type of ['MsgApp', 'MsgHeartbeat'] as const) {
      const peer = peerAs('candidate', { hardState: { term: 1 } })
      peer.step(type, { term })
      assert.deepEqual([peer.role, peer.term, peer.leader], ['follower', term, 2])
    }
  }
})

test('5.2: a split vote ends with the next timeouts', () => {
  const network = new TestNetwork([1, 2, 3, 4], id => ({ random: () => id / 5 }))
  network.lose(({ type, from, to }) => type === 'MsgVote' && (from < 3) !== (to < 3))
  network.act(1, peer => peer.campaign())
  network.act(3, peer => peer.campaign())
  assert.deepEqual([network.peer(1).role, network.peer(3).role], ['candidate', 'candidate'])
  network.heal()
  network.tick(2 * TEST_ELECTION_TICKS)
  assert.equal([...network.peers.values()].filter(peer => peer.role === 'leader').length, 1)
  assert.equal(new Set([...network.peers.values()].map(peer => peer.leader)).size, 1)
})

test('5.4.1: a request for a vote tells where the candidate\'s log ends', () => {
  const peer = new TestPeer({ terms: [1, 2, 2], hardState: { term: 3 } })
  const asked = peer.campaign()
  assert.deepEqual(asked.map(({ to, term, index, logTerm }) => [to, term, index, logTerm]), [[2, 4, 3, 2], [3, 4, 3, 2]])
})

/** A voter's log, and where the candidate's ends. */
const VOTERS: readonly (readonly [terms: readonly number[], logTerm: number, index: number, granted: boolean])[] = [
  [[], 0, 0, true],
  [[1], 1, 1, true], [[1], 1, 2, true], [[1, 1], 1, 1, false], [[1], 0, 0, false],
  [[1], 2, 1, true], [[1, 1], 2, 1, true], [[1, 1, 1], 2, 2, true],
  [[2], 1, 1, false], [[2], 1, 9, false], [[1, 2], 1, 3, false], [[1, 2], 2, 2, true],
]
test('5.4.1: a voter refuses a candidate whose log is less up to date than its own', () => {
  for (const type of ['MsgVote', 'MsgPreVote'] as const) {
    for (const [terms, logTerm, index, granted] of VOTERS) {
      const peer = new TestPeer({ terms, hardState: { term: 2 } })
      const [answer] = peer.step(type, { term: 3, logTerm, index })
      assert.equal(answer?.reject, !granted, `${type}: own ${JSON.stringify(terms)}, theirs ends ${logTerm}/${index}`)
      assert.equal(peer.vote, granted && type === 'MsgVote' ? 2 : 0)
    }
  }
})

test('5.4.1: only who has all committed entries is elected, whoever asks first', () => {
  const network = new TestNetwork([1, 2, 3], id => ({ terms: id === 3 ? [1] : [1, 1], hardState: { term: 1, commit: id === 3 ? 1 : 2 } }))
  network.act(3, peer => peer.campaign())
  assert.equal(network.leaderId, 0)
  network.act(2, peer => peer.campaign())
  assert.equal(network.leaderId, 2)
  assert.deepEqual(network.peer(3).terms, [1, 1, 3])
})

test('a vote is given again to the same candidate after a restart, and to no other', () => {
  const before = new TestPeer({ id: 2 })
  before.step('MsgVote', { from: 1, term: 1 })
  const { hardState } = before.storage.initialState()
  const ask = (from: number): Message | undefined => new TestPeer({ id: 2, hardState }).step('MsgVote', { from, term: 1 })[0]
  assert.deepEqual([ask(1)?.reject, ask(3)?.reject], [false, true])
})

test('a vote is to be flushed before it is answered, also in a term that was known already', () => {
  const peer = new TestPeer({ hardState: { term: 1 } })
  peer.node.step(createMessage({ type: 'MsgVote', from: 2, to: 1, term: 1 }))
  const { hardState, mustSync, messages } = peer.node.ready()
  assert.deepEqual([hardState, mustSync, messages.map(({ type }) => type)], [{ term: 1, vote: 2, commit: 0 }, true, ['MsgVoteResp']])
})
