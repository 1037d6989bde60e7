/** Learners, changes one at a time (thesis 4.1) and joint consensus (thesis 4.3), as a whole cluster sees them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfChangeError } from './confchange.ts'
import type { ConfChange, ConfChangeType } from './message.ts'
import { only, TestPeer, type TestPeerOptions } from './test-peer.ts'
import { TestNetwork } from './test-network.ts'

const change = (...changes: readonly (readonly [ConfChangeType, number])[]): ConfChange => ({ transition: 'auto', changes: changes.map(([type, nodeId]) => ({ type, nodeId })) })
const LEAVE = change()
const explicit = (...changes: readonly (readonly [ConfChangeType, number])[]): ConfChange => ({ ...change(...changes), transition: 'joint-explicit' })

/** A leader, with all it has committed. */
function led(options: TestPeerOptions = {}): TestPeer {
  const peer = new TestPeer(options)
  peer.lead()
  peer.acknowledge((options.voters ?? [1, 2, 3]).filter(id => id !== 1))
  return peer
}

const offer = (peer: TestPeer, asked: ConfChange): void => {
  peer.node.proposeConfChange(asked)
  peer.work()
}
const voters = (peer: TestPeer): readonly (readonly number[])[] => {
  const { incoming, outgoing } = peer.node.status().config.voters
  return [[...incoming].sort(), [...outgoing].sort()]
}
/** Type of the entry that was made of a change. */
const lastType = (peer: TestPeer): string | undefined => peer.node.raft.log.entriesFrom(peer.lastIndex, Infinity)?.[0]?.type

test('a change is in force when it is applied, and not before it is committed', () => {
  const peer = led()
  offer(peer, change(['add-node', 4]))
  assert.deepEqual(voters(peer), [[1, 2, 3], []])
  peer.acknowledge([2])
  assert.deepEqual(voters(peer), [[1, 2, 3, 4], []])
  // Three of four from now on.
  peer.propose('x')
  peer.acknowledge([2])
  assert.ok(peer.committed < peer.lastIndex)
  peer.acknowledge([4])
  assert.equal(peer.committed, peer.lastIndex)
})

test('one change at a time: another before it is applied becomes an empty entry', () => {
  const peer = led()
  offer(peer, change(['add-node', 4]))
  offer(peer, change(['add-node', 5]))
  assert.equal(lastType(peer), 'normal')
  peer.acknowledge([2])
  assert.deepEqual(voters(peer), [[1, 2, 3, 4], []])
  offer(peer, change(['add-node', 5]))
  assert.equal(lastType(peer), 'conf-change-v2')
})

test('a new leader proposes no change before it has applied what it inherited, for there may be one', () => {
  const peer = new TestPeer({ terms: [1], hardState: { term: 1 } })
  peer.lead()
  offer(peer, change(['add-node', 4]))
  assert.equal(lastType(peer), 'normal')
  peer.acknowledge([2])
  offer(peer, change(['add-node', 4]))
  assert.equal(lastType(peer), 'conf-change-v2')
})

test('to leave without being joint, and any other change while joint, is refused when it is proposed', () => {
  const peer = led()
  offer(peer, LEAVE)
  assert.equal(lastType(peer), 'normal')
  offer(peer, explicit(['add-node', 4], ['remove-node', 2]))
  peer.acknowledge([2, 3])
  assert.deepEqual(voters(peer), [[1, 3, 4], [1, 2, 3]])
  offer(peer, change(['add-node', 5]))
  assert.equal(lastType(peer), 'normal')
})

test('without that check a change that does not fit is refused when it is applied, and leaves everything as it was', () => {
  const peer = led({ disableConfChangeValidation: true })
  offer(peer, LEAVE)
  assert.equal(lastType(peer), 'conf-change-v2')
  const before = peer.node.raft.tracker.membership
  assert.throws(() => peer.node.applyConfChange(LEAVE), ConfChangeError)
  assert.throws(() => peer.node.applyConfChange(change(['remove-node', 1], ['remove-node', 2], ['remove-node', 3])), ConfChangeError)
  assert.equal(peer.node.raft.tracker.membership, before)
})

test('a learner gets everything, counts for nothing, and counts once it is promoted', () => {
  const peer = led({ voters: [1, 2, 3, 4] })
  offer(peer, change(['add-learner-node', 5]))
  peer.acknowledge([2, 3, 5])
  assert.equal(only('MsgApp', peer.propose('x')).some(({ to }) => to === 5), true)
  peer.acknowledge([2, 5])
  assert.ok(peer.committed < peer.lastIndex)
  peer.acknowledge([3])
  offer(peer, change(['add-node', 5]))
  peer.acknowledge([2, 3, 5])
  assert.equal(peer.progress(5).isLearner, false)
  peer.propose('y')
  peer.acknowledge([2, 5])
  assert.equal(peer.committed, peer.lastIndex)
})

test('a voter that is made a learner stops counting', () => {
  const peer = led()
  offer(peer, change(['add-learner-node', 3]))
  peer.acknowledge([2])
  assert.deepEqual([voters(peer), peer.progress(3).isLearner], [[[1, 2], []], true])
  peer.propose('x')
  peer.acknowledge([3])
  assert.ok(peer.committed < peer.lastIndex)
})

test('several changes go through a joint configuration, which is left by itself', () => {
  const network = new TestNetwork([1, 2, 3, 4, 5], { voters: [1, 2, 3] })
  network.act(1, peer => peer.campaign())
  network.act(1, peer => peer.node.proposeConfChange(change(['add-node', 4], ['add-node', 5], ['remove-node', 2])))
  assert.deepEqual(voters(network.peer(1)), [[1, 3, 4, 5], []])
  const joint = network.peer(1).applied.filter(({ type }) => type === 'conf-change-v2')
  assert.deepEqual(joint.map(({ data }) => data.length > 0), [true, false])
  network.act(1, peer => peer.propose('x'))
  network.tick(1)
  for (const id of [1, 3, 4, 5]) assert.deepEqual([id, network.peer(id).appliedTexts], [id, ['x']])
})

test('the leaving is proposed once, whatever is applied before it', () => {
  const peer = led({ maxCommittedBytesPerReady: 1 })
  offer(peer, change(['add-node', 4], ['add-node', 5]))
  peer.propose('x')
  peer.propose('y')
  const before = peer.lastIndex
  peer.acknowledge([2])
  assert.equal(peer.lastIndex, before + 1)
  peer.acknowledge([2, 4, 5])
  assert.deepEqual([voters(peer), peer.lastIndex], [[[1, 2, 3, 4, 5], []], before + 1])
})

test('a joint configuration that is entered explicitly stays until it is left explicitly', () => {
  const peer = led()
  offer(peer, explicit(['add-node', 4]))
  peer.acknowledge([2, 3, 4])
  peer.propose('x')
  peer.acknowledge([2, 3, 4])
  assert.deepEqual(voters(peer), [[1, 2, 3, 4], [1, 2, 3]])
  offer(peer, LEAVE)
  peer.acknowledge([2, 3, 4])
  assert.deepEqual(voters(peer), [[1, 2, 3, 4], []])
})

test('an implicit one is left by itself even for one change', () => {
  const peer = led()
  offer(peer, { ...change(['add-node', 4]), transition: 'joint-implicit' })
  peer.acknowledge([2, 3, 4])
  assert.deepEqual(voters(peer), [[1, 2, 3, 4], [1, 2, 3]])
  peer.acknowledge([2, 3, 4])
  assert.deepEqual(voters(peer), [[1, 2, 3, 4], []])
})

test('while joint, entries and elections need a majority of both halves', () => {
  const peer = led()
  offer(peer, explicit(['remove-node', 2], ['remove-node', 3], ['add-node', 4], ['add-node', 5]))
  peer.acknowledge([2])
  assert.deepEqual(voters(peer), [[1, 4, 5], [1, 2, 3]])
  peer.propose('x')
  peer.acknowledge([2, 3])
  assert.ok(peer.committed < peer.lastIndex)
  peer.acknowledge([4])
  assert.equal(peer.committed, peer.lastIndex)
  peer.step('MsgHeartbeat', { from: 2, term: 2 })
  peer.campaign()
  for (const from of [2, 3]) peer.step('MsgVoteResp', { from })
  assert.equal(peer.role, 'candidate')
  peer.step('MsgVoteResp', { from: 5 })
  assert.equal(peer.role, 'leader')
})

test('a voter of the outgoing half that becomes a learner goes on counting there until the end', () => {
  const peer = led()
  offer(peer, explicit(['add-learner-node', 3], ['add-node', 4]))
  peer.acknowledge([2])
  assert.deepEqual([peer.progress(3).isLearner, [...peer.node.status().config.learnersNext]], [false, [3]])
  offer(peer, LEAVE)
  peer.acknowledge([2, 3, 4])
  assert.deepEqual([peer.progress(3).isLearner, [...peer.node.status().config.learners]], [true, [3]])
})

test('a new leader leaves the joint configuration that its predecessor died in', () => {
  const peer = new TestPeer({ voters: [1, 3, 4], confState: { votersOutgoing: [1, 2, 3], autoLeave: true } })
  peer.campaign()
  for (const from of [3, 4]) peer.step('MsgVoteResp', { from })
  assert.deepEqual([peer.role, voters(peer)], ['leader', [[1, 3, 4], [1, 2, 3]]])
  peer.acknowledge([3])
  assert.equal(lastType(peer), 'conf-change-v2')
  peer.acknowledge([3])
  assert.deepEqual(voters(peer), [[1, 3, 4], []])
})

test('a leadership transfer that is in the way only postpones the leaving', () => {
  const peer = led()
  peer.node.proposeConfChange(change(['add-node', 4], ['remove-node', 2]))
  peer.work()
  peer.node.transferLeader(3)
  peer.acknowledge([2])
  assert.deepEqual(voters(peer), [[1, 3, 4], [1, 2, 3]])
  peer.tick(10)
  peer.propose('x')
  peer.acknowledge([2, 3, 4])
  peer.acknowledge([2, 3, 4])
  assert.deepEqual(voters(peer), [[1, 3, 4], []])
})

for (const [type, what] of [['remove-node', 'removed'], ['add-learner-node', 'made a learner']] as const) {
  test(`a leader that is ${what} stops leading when that is applied`, () => {
    const peer = led({ stepDownOnRemoval: true })
    offer(peer, change([type, 1]))
    assert.equal(peer.role, 'leader')
    peer.acknowledge([2])
    assert.deepEqual([peer.role, peer.node.raft.isPromotable], ['follower', false])
  })

  test(`without that option a leader that is ${what} leads on, without counting itself, and takes no proposals if it is gone`, () => {
    const peer = led()
    offer(peer, change([type, 1]))
    peer.acknowledge([2])
    assert.equal(peer.role, 'leader')
    if (type === 'remove-node') return assert.throws(() => peer.propose('x'), { code: 'proposal-dropped' })
    peer.propose('x')
    peer.acknowledge([2])
    assert.ok(peer.committed < peer.lastIndex)
  })
}

test('a removed member disturbs nobody who has a leader', () => {
  const network = new TestNetwork([1, 2, 3], { preVote: true, checkQuorum: true })
  network.act(1, peer => peer.campaign())
  network.tick(1)
  network.isolate(3)
  network.act(1, peer => peer.node.proposeConfChange(change(['remove-node', 3])))
  network.heal()
  network.tick(20)
  assert.deepEqual([network.leaderId, network.peer(1).term], [1, 1])
})

test('removing one that lags commits at once what only its vote was missing for', () => {
  const peer = led({ voters: [1, 2, 3, 4] })
  offer(peer, change(['remove-node', 4]))
  peer.propose('x')
  peer.acknowledge([2], 3)
  assert.equal(peer.committed, 1)
  peer.acknowledge([3], 2)
  assert.deepEqual([voters(peer), peer.committed], [[[1, 2, 3], []], 3])
})

test('a new member is given an election timeout before it counts as silent', () => {
  const peer = led({ voters: [1], checkQuorum: true })
  offer(peer, change(['add-node', 2]))
  assert.deepEqual(voters(peer), [[1, 2], []])
  peer.tick(10)
  assert.equal(peer.role, 'leader')
  peer.tick(10)
  assert.equal(peer.role, 'follower')
})
