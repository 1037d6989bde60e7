/** Storage work as messages: the log is written and the state machine fed while the core goes on (RawNodeConfig.asyncStorageWrites). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMessage } from './create-message.ts'
import { RaftInvariantError } from './invariant.ts'
import type { Message } from './message.ts'
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD } from './message-kind.ts'
import { bytesOf, only, TestPeer, testEntry, type TestPeerOptions } from './test-peer.ts'

/** A node whose two threads do their work when the test says so. */
class AsyncPeer {
  readonly peer: TestPeer
  readonly sent: Message[] = []
  readonly appends: Message[] = []
  readonly applies: Message[] = []

  constructor(options: TestPeerOptions = {}) { this.peer = new TestPeer({ ...options, asyncStorageWrites: true }) }

  /** Takes what is ready; storage work waits in its thread. */
  take(): this {
    while (this.peer.node.hasReady()) {
      for (const message of this.peer.node.ready().messages) {
        if (message.to === LOCAL_APPEND_THREAD) this.appends.push(message)
        else if (message.to === LOCAL_APPLY_THREAD) this.applies.push(message)
        else this.sent.push(message)
      }
    }
    return this
  }

  step(fields: Parameters<typeof createMessage>[0]): this {
    this.peer.node.step(createMessage({ from: 2, to: this.peer.id, term: this.peer.term, ...fields }))
    return this.take()
  }

  /** Writes the oldest that waits, and delivers what waited for it. */
  flush(): this {
    const work = this.appends.shift()
    assert.ok(work !== undefined, 'nothing to write')
    if (work.snapshot !== undefined) this.peer.storage.applySnapshot(work.snapshot)
    this.peer.storage.append(work.entries)
    if (work.term !== 0) this.peer.storage.setHardState({ term: work.term, vote: work.vote, commit: work.commit })
    return this.#deliver(work.responses)
  }

  apply(): this {
    const work = this.applies.shift()
    assert.ok(work !== undefined, 'nothing to apply')
    this.peer.applied.push(...work.entries)
    return this.#deliver(work.responses)
  }

  #deliver(responses: readonly Message[]): this {
    for (const response of responses) {
      if (response.to === this.peer.id) this.peer.node.step(response)
      else this.sent.push(response)
    }
    return this.take()
  }
}

function led(voters: readonly number[] = [1, 2, 3]): AsyncPeer {
  const node = new AsyncPeer({ voters })
  node.peer.node.campaign()
  node.take().flush()
  if (voters.length > 1) node.step({ type: 'MsgVoteResp' })
  assert.equal(node.peer.role, 'leader')
  return node
}

test('a vote travels only when it is durable', () => {
  const node = new AsyncPeer()
  node.step({ type: 'MsgVote', term: 1 })
  assert.deepEqual(node.sent, [])
  assert.deepEqual(node.appends.map(({ term, vote }) => [term, vote]), [[1, 2]])
  node.flush()
  assert.deepEqual(node.sent.map(({ type, reject }) => [type, reject]), [['MsgVoteResp', false]])
})

test('a candidate\'s own vote counts only when it is durable', () => {
  const node = new AsyncPeer()
  node.peer.node.campaign()
  node.take()
  assert.equal(only('MsgVote', node.sent).length, 2)
  node.step({ type: 'MsgVoteResp' })
  assert.equal(node.peer.role, 'candidate')
  node.flush()
  assert.equal(node.peer.role, 'leader')
})

test('a candidate asks for votes only when the entries that it speaks of are durable: after a restart it might stand again in the same term without them', () => {
  const node = new AsyncPeer({ hardState: { term: 1 } })
  node.step({ type: 'MsgApp', entries: [testEntry(1, 1)] })
  node.peer.node.campaign()
  node.take()
  assert.deepEqual(only('MsgVote', node.sent), [])
  node.flush().flush()
  assert.deepEqual(only('MsgVote', node.sent).map(({ index, term }) => [index, term]), [[1, 2], [1, 2]])
})

test('a follower acknowledges entries only when they are durable, and each write\'s acknowledgement by itself', () => {
  const node = new AsyncPeer({ hardState: { term: 1 } })
  node.step({ type: 'MsgApp', entries: [testEntry(1, 1)] })
  node.step({ type: 'MsgApp', index: 1, logTerm: 1, entries: [testEntry(2, 1)] })
  assert.equal(only('MsgAppResp', node.sent).length, 0)
  node.flush()
  assert.deepEqual(only('MsgAppResp', node.sent).map(({ index }) => index), [1])
  node.flush()
  assert.deepEqual(only('MsgAppResp', node.sent).map(({ index }) => index), [1, 2])
})

test('a leader replicates while it writes, and counts itself when it has written', () => {
  const node = led()
  node.peer.node.propose(bytesOf('x'))
  node.take()
  assert.ok(only('MsgApp', node.sent).length > 0)
  const alone = led([1])
  alone.flush()
  alone.peer.node.propose(bytesOf('x'))
  alone.take()
  assert.equal(alone.peer.committed, 1)
  while (alone.appends.length > 0) alone.flush()
  assert.equal(alone.peer.committed, 2)
})

test('a quorum of others commits what the leader has not written yet, and it applies only what it has', () => {
  const node = led()
  node.flush().step({ type: 'MsgAppResp', index: 1 }).apply()
  node.peer.node.propose(bytesOf('x'))
  node.take()
  node.step({ type: 'MsgAppResp', index: 2 }).step({ type: 'MsgAppResp', from: 3, index: 2 })
  assert.deepEqual([node.peer.committed, node.applies.length], [2, 0])
  while (node.appends.length > 0) node.flush()
  assert.deepEqual(node.applies.map(({ entries }) => entries.map(({ index }) => index)), [[2]])
})

test('entries that were replaced while they were written are not taken for durable by the old write\'s answer', () => {
  const node = new AsyncPeer({ hardState: { term: 1 } })
  node.step({ type: 'MsgApp', entries: [testEntry(1, 1), testEntry(2, 1)] })
  node.step({ type: 'MsgApp', term: 2, entries: [testEntry(1, 2)] })
  node.flush()
  assert.equal(node.peer.node.raft.log.unstable.count, 1)
  node.flush()
  assert.equal(node.peer.node.raft.log.unstable.count, 0)
  assert.deepEqual([node.peer.storage.lastIndex(), node.peer.storage.term(1)], [1, 2])
})

test('entries replaced and put back (A, B, A) are released only by a write of the present term', () => {
  const node = new AsyncPeer({ hardState: { term: 1 } })
  node.step({ type: 'MsgApp', entries: [testEntry(1, 1)] })
  node.step({ type: 'MsgApp', term: 2, entries: [testEntry(1, 2)] })
  node.step({ type: 'MsgApp', term: 3, entries: [testEntry(1, 1), testEntry(2, 3)] })
  node.flush()
  assert.equal(node.peer.node.raft.log.unstable.count, 2)
  node.flush()
  assert.equal(node.peer.node.raft.log.unstable.count, 2)
  node.flush()
  assert.equal(node.peer.node.raft.log.unstable.count, 0)
  assert.deepEqual([1, 2].map(index => node.peer.storage.term(index)), [1, 3])
})

test('a snapshot is answered when it is durable, and a change of term meanwhile does not lose it', () => {
  const node = new AsyncPeer({ hardState: { term: 1 } })
  const snapshot = { metadata: { index: 5, term: 1, confState: { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false } }, data: new Uint8Array() }
  node.step({ type: 'MsgSnap', snapshot })
  node.step({ type: 'MsgHeartbeat', term: 2, from: 3 })
  assert.equal(only('MsgAppResp', node.sent).length, 0)
  node.flush()
  assert.deepEqual(only('MsgAppResp', node.sent).map(({ index }) => index), [5])
  assert.deepEqual([node.peer.node.raft.log.hasSnapshotPending, node.peer.node.raft.log.applied], [false, 5])
})

test('advance() belongs to synchronous writes only', () => {
  assert.throws(() => new AsyncPeer().peer.node.advance(), RaftInvariantError)
  const sync = new TestPeer()
  sync.node.campaign()
  sync.node.ready()
  assert.throws(() => sync.node.ready(), RaftInvariantError)
})
