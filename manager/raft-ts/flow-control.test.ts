/** How much a leader has under way, keeps uncommitted and hands out: raft-config.ts names the limits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from './message.ts'
import { only, TestPeer, type TestPeerOptions } from './test-peer.ts'

/** As entry-size.ts counts an entry's framing. */
const OVERHEAD = 12

/** A leader of two that replicates to the other. */
function replicating(options: TestPeerOptions = {}): TestPeer {
  const peer = new TestPeer({ voters: [1, 2], ...options })
  peer.lead()
  peer.acknowledge([2])
  assert.equal(peer.progress(2).state, 'replicate')
  return peer
}

/** Ranges of entries that were sent to member 2, one for each message. */
const ranges = (messages: readonly Message[]): readonly (readonly number[])[] => only('MsgApp', messages).filter(({ to }) => to === 2).map(({ entries }) => entries.map(({ index }) => index))

test('replication does not wait for answers until the window of messages is full', () => {
  const peer = replicating({ maxInflightMessages: 3 })
  assert.deepEqual(ranges(['a', 'b', 'c', 'd', 'e'].flatMap(text => peer.propose(text))), [[2], [3], [4]])
  assert.equal(peer.progress(2).isPaused, true)
})

test('an answer frees the messages up to its index, and what waited goes out', () => {
  const peer = replicating({ maxInflightMessages: 3 })
  for (const text of ['a', 'b', 'c', 'd', 'e', 'f']) peer.propose(text)
  // The third is answered first: it says that the two before it have arrived as well.
  assert.deepEqual(ranges(peer.step('MsgAppResp', { index: 4 })).flat(), [5, 6, 7])
  assert.equal(peer.progress(2).inflights.count, 1)
  // The late answers to the other two free nothing twice.
  peer.step('MsgAppResp', { index: 2 })
  peer.step('MsgAppResp', { index: 3 })
  assert.equal(peer.progress(2).inflights.count, 1)
})

test('a full window lets one empty message out for each heartbeat that is answered, by whose answer it learns what arrived', () => {
  const peer = replicating({ maxInflightMessages: 2 })
  for (const text of ['a', 'b', 'c']) peer.propose(text)
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(ranges(peer.tick()), [])
    assert.deepEqual(ranges(peer.step('MsgHeartbeatResp')), [[]])
    assert.equal(peer.progress(2).inflights.count, 2)
  }
  assert.deepEqual(ranges(peer.step('MsgAppResp', { index: 3 })), [[4]])
})

test('the window is also one of bytes, which one message may pass', () => {
  const peer = replicating({ maxInflightBytes: 10, maxSizePerMessageBytes: 1 })
  assert.deepEqual(ranges(['123456', '123456', '1', '2'].flatMap(text => peer.propose(text))), [[2], [3]])
  assert.deepEqual(ranges(peer.step('MsgAppResp', { index: 3 })), [[4], [5]])
})

test('a member that lost a message is probed, with one message at a time, from where it stands', () => {
  const peer = replicating()
  for (const text of ['a', 'b', 'c']) peer.propose(text)
  const probes = ranges(peer.step('MsgAppResp', { index: 3, reject: true, rejectHint: 1, logTerm: 1 }))
  assert.deepEqual(probes, [[2, 3, 4]])
  assert.deepEqual([peer.progress(2).state, peer.progress(2).isPaused], ['probe', true])
  assert.deepEqual(ranges(peer.propose('d')), [])
  assert.deepEqual(ranges(peer.step('MsgAppResp', { index: 4 })), [[5]])
  assert.equal(peer.progress(2).state, 'replicate')
})

test('a member that cannot be reached is probed once for each heartbeat that it answers', () => {
  const peer = replicating()
  peer.propose('a')
  peer.node.reportUnreachable(2)
  peer.work()
  assert.equal(peer.progress(2).state, 'probe')
  assert.deepEqual(ranges(peer.propose('b')), [[2, 3]])
  assert.deepEqual(ranges(peer.propose('c')), [])
  assert.deepEqual(ranges(peer.tick()), [])
  assert.deepEqual(ranges(peer.step('MsgHeartbeatResp')), [[2, 3, 4]])
})

test('a member that has everything and is only probed gets an empty message, whose answer brings it back to replication', () => {
  const peer = replicating()
  peer.node.reportUnreachable(2)
  assert.deepEqual(ranges(peer.step('MsgHeartbeatResp')), [[]])
  peer.step('MsgAppResp', { index: peer.lastIndex })
  assert.equal(peer.progress(2).state, 'replicate')
})

test('a member that was paused when an entry was committed is told of it as soon as it answers', () => {
  const peer = replicating({ voters: [1, 2, 3], maxInflightMessages: 1 })
  peer.acknowledge([3])
  peer.propose('x')
  assert.deepEqual(only('MsgApp', peer.acknowledge([3])).map(({ to, commit }) => [to, commit]), [[3, 2]])
  assert.deepEqual(only('MsgApp', peer.acknowledge([2])).map(({ to, commit, entries }) => [to, commit, entries.length]), [[2, 2, 0]])
})

test('entries are cut into messages of a size, and a larger one travels alone', () => {
  const limit = 3 * (OVERHEAD + 1)
  const peer = new TestPeer({ voters: [1, 2], maxSizePerMessageBytes: limit, maxInflightMessages: 20 })
  peer.lead()
  const large = 'x'.repeat(2 * limit)
  for (const text of ['a', 'b', 'c', 'd', large, 'e', 'f']) peer.propose(text)
  assert.deepEqual(ranges(peer.acknowledge([2], 1)), [[2, 3, 4], [5], [6], [7, 8]])
})

test('a leader that cannot commit refuses proposals beyond its limit, takes them again when it can, and counts each once', () => {
  const peer = replicating({ maxUncommittedBytes: 8 })
  peer.propose('1234')
  peer.propose('5678')
  assert.throws(() => peer.propose('9'), { code: 'proposal-dropped' })
  assert.equal(peer.lastIndex, 3)
  // What holds nothing always passes: the entry that leaves a joint configuration must not be stuck.
  peer.propose('')
  peer.acknowledge([2])
  assert.deepEqual(peer.appliedTexts, ['1234', '5678'])
  peer.propose('12345678')
  assert.throws(() => peer.propose('9'), { code: 'proposal-dropped' })
})

test('the first proposal passes whatever its size, or nothing could ever be committed', () => {
  const peer = replicating({ maxUncommittedBytes: 2 })
  peer.propose('far too long')
  // With the limit passed already, what holds nothing still goes through.
  peer.propose('')
  assert.throws(() => peer.propose('9'), { code: 'proposal-dropped' })
  peer.acknowledge([2])
  assert.deepEqual(peer.appliedTexts, ['far too long'])
})

test('what a leader inherits uncommitted is not counted against its clients', () => {
  const peer = new TestPeer({ voters: [1, 2], terms: Array.from({ length: 20 }, () => 1), hardState: { term: 1 }, maxUncommittedBytes: 4 })
  peer.lead()
  peer.propose('1234')
  peer.acknowledge([2])
  assert.equal(peer.committed, 22)
  // Applying the inherited ones must not make the count negative either.
  peer.propose('1234')
  assert.throws(() => peer.propose('5'), { code: 'proposal-dropped' })
})

test('committed entries are handed out in portions, each of them after the one before it is applied', () => {
  const { node, storage } = new TestPeer({ terms: [1, 1, 1, 1, 1], hardState: { term: 1, commit: 5 }, maxCommittedBytesPerReady: 2 * (OVERHEAD + 1) })
  const portions: number[][] = []
  while (node.hasReady()) {
    const ready = node.ready()
    storage.append(ready.entries)
    portions.push(ready.committedEntries.map(({ index }) => index))
    if (ready.committedEntries.length > 0) assert.equal(node.hasReady(), false)
    node.advance()
  }
  assert.deepEqual(portions, [[1, 2], [3, 4], [5]])
})

test('with asynchronous writes the portions that are being applied count together', () => {
  const peer = new TestPeer({ terms: [1, 1, 1, 1, 1], hardState: { term: 1, commit: 5 }, maxCommittedBytesPerReady: 2 * (OVERHEAD + 1), asyncStorageWrites: true })
  const [apply] = only('MsgStorageApply', peer.node.ready().messages)
  assert.deepEqual(apply?.entries.map(({ index }) => index), [1, 2])
  assert.equal(peer.node.hasReady(), false)
  for (const response of apply?.responses ?? []) peer.node.step(response)
  assert.deepEqual(only('MsgStorageApply', peer.node.ready().messages)[0]?.entries.map(({ index }) => index), [3, 4])
})
