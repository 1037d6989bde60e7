/** Leadership transfer (thesis 3.10). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from './message.ts'
import { only, TEST_ELECTION_TICKS, TestPeer, type TestPeerOptions } from './test-peer.ts'
import { TestNetwork } from './test-network.ts'
import { isTransferContext } from './transfer-context.ts'

function led(options: TestPeerOptions | ((id: number) => TestPeerOptions) = {}, ids: readonly number[] = [1, 2, 3]): TestNetwork {
  const network = new TestNetwork(ids, options)
  network.act(1, peer => peer.campaign())
  assert.equal(network.leaderId, 1)
  return network
}

const transfer = (to: number) => (peer: TestPeer): void => { peer.node.transferLeader(to) }
const timeoutNow = (messages: readonly Message[]): readonly number[] => only('MsgTimeoutNow', messages).map(({ to }) => to)

test('a member that is level takes over at once, also under a lease and with pre-vote', () => {
  const network = led({ preVote: true, checkQuorum: true })
  network.tick(1)
  network.act(1, transfer(2))
  assert.deepEqual([network.leaderId, network.peer(2).term, network.peer(1).role], [2, 2, 'follower'])
  assert.equal(network.log.some(({ type, term }) => type === 'MsgPreVote' && term === 2), false)
  assert.ok(only('MsgVote', network.log).filter(({ from }) => from === 2).every(({ context }) => isTransferContext(context)))
  network.act(2, transfer(1))
  assert.equal(network.leaderId, 1)
})

test('a member that lags is brought level first', () => {
  const network = led()
  network.isolate(3)
  network.act(1, peer => peer.propose('a'))
  network.heal()
  network.act(1, transfer(3))
  assert.deepEqual([network.leaderId, network.peer(3).appliedTexts], [3, ['a']])
})

test('a member that lags is asked to take over with its last answer, not before', () => {
  const peer = new TestPeer({ voters: [1, 2], maxSizePerMessageBytes: 1 })
  peer.lead()
  peer.acknowledge([2])
  peer.propose('a')
  peer.propose('b')
  peer.node.transferLeader(2)
  assert.deepEqual(timeoutNow(peer.work()), [])
  assert.deepEqual(timeoutNow(peer.acknowledge([2], 2)), [])
  assert.deepEqual(timeoutNow(peer.acknowledge([2], 3)), [2])
})

test('a member that needs a snapshot takes over once it has it', () => {
  const network = led()
  network.isolate(3)
  network.act(1, peer => peer.propose('a'))
  network.act(1, peer => peer.propose('b'))
  network.peer(1).compact()
  network.heal()
  network.act(1, transfer(3))
  network.tick(1, [1])
  assert.equal(only('MsgSnap', network.log).length, 1)
  assert.equal(network.leaderId, 3)
})

test('while it is under way proposals are dropped, and after an election timeout it is given up and they are taken again', () => {
  const network = led()
  network.tick(TEST_ELECTION_TICKS / 2, [1])
  network.isolate(3)
  network.act(1, transfer(3))
  assert.throws(() => network.peer(1).propose('x'), { code: 'proposal-dropped' })
  network.tick(TEST_ELECTION_TICKS - 1, [1])
  assert.equal(network.peer(1).node.status().leaderTransferee, 3)
  network.tick(1, [1])
  assert.deepEqual([network.leaderId, network.peer(1).node.status().leaderTransferee], [1, 0])
  network.act(1, peer => peer.propose('x'))
  assert.deepEqual(network.peer(2).appliedTexts, ['x'])
})

test('another request replaces the one under way, the same one does not prolong it', () => {
  const network = led()
  network.isolate(3)
  network.act(1, transfer(3))
  network.tick(TEST_ELECTION_TICKS / 2, [1])
  network.act(1, transfer(3))
  network.tick(TEST_ELECTION_TICKS / 2, [1])
  assert.equal(network.peer(1).node.status().leaderTransferee, 0)
  network.act(1, transfer(3))
  network.act(1, transfer(2))
  assert.equal(network.leaderId, 2)
})

test('a request to the leader itself ends the one under way', () => {
  const network = led()
  network.isolate(3)
  network.act(1, transfer(3))
  network.act(1, transfer(1))
  assert.deepEqual([network.leaderId, network.peer(1).node.status().leaderTransferee], [1, 0])
})

test('neither a learner nor a stranger is asked to take over', () => {
  const peer = new TestPeer({ learners: [4] })
  peer.lead()
  for (const id of [4, 9]) {
    peer.node.transferLeader(id)
    assert.deepEqual([timeoutNow(peer.work()), peer.node.status().leaderTransferee], [[], 0])
  }
  const learner = new TestPeer({ id: 4, learners: [4] })
  learner.step('MsgTimeoutNow', { term: 0 })
  assert.equal(learner.role, 'follower')
})

test('a follower passes the request on to its leader', () => {
  const network = led()
  network.act(2, transfer(3))
  assert.equal(network.leaderId, 3)
  const alone = new TestPeer()
  alone.node.transferLeader(2)
  assert.deepEqual(alone.work(), [])
})

test('a member that is removed or made a learner meanwhile is waited for no longer', () => {
  for (const type of ['remove-node', 'add-learner-node'] as const) {
    const peer = new TestPeer({ voters: [1, 2, 3] })
    peer.lead()
    peer.acknowledge([2])
    peer.node.proposeConfChange({ transition: 'auto', changes: [{ type, nodeId: 3 }] })
    peer.work()
    peer.node.transferLeader(3)
    peer.acknowledge([2])
    assert.equal(peer.node.status().leaderTransferee, 0, type)
  }
})

test('a leader deposed otherwise has no transfer left when it leads again', () => {
  const peer = new TestPeer()
  peer.lead()
  peer.node.transferLeader(3)
  peer.work()
  peer.step('MsgHeartbeat', { from: 2, term: 2 })
  peer.lead()
  assert.equal(peer.node.status().leaderTransferee, 0)
})

test('who is told to take over while it campaigns already goes on as it is', () => {
  const peer = new TestPeer()
  peer.campaign()
  peer.step('MsgTimeoutNow', { from: 2 })
  assert.deepEqual([peer.role, peer.term], ['candidate', 1])
})
