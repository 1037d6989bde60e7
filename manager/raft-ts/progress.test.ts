import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Inflights } from './inflights.ts'
import { RaftInvariantError } from './invariant.ts'
import { Progress } from './progress.ts'

const createProgress = (match: number, next: number, messagesMax = 4): Progress =>
  new Progress({ match, next, isLearner: false, isRecentlyActive: true, inflights: new Inflights(messagesMax, 100) })

test('a probe is paused after one message with entries until an answer comes', () => {
  const progress = createProgress(1, 2)
  progress.sentEntries(0, 0)
  assert.equal(progress.isPaused, false)
  progress.sentEntries(1, 10)
  assert.equal(progress.isPaused, true)
  progress.maybeUpdate(2)
  assert.equal(progress.isPaused, false)
})

test('replication runs ahead of the answers until the window is full', () => {
  const progress = createProgress(1, 2, 2)
  progress.becomeReplicate()
  progress.sentEntries(3, 10)
  progress.sentEntries(1, 10)
  assert.deepEqual([progress.next, progress.isPaused, progress.inflights.count], [6, true, 2])
  progress.maybeUpdate(4)
  progress.inflights.freeUpTo(4)
  assert.deepEqual([progress.match, progress.isPaused, progress.inflights.count], [4, false, 1])
})

test('a window of bytes may be passed by one message only', () => {
  const inflights = new Inflights(10, 100)
  inflights.add(1, 99)
  assert.equal(inflights.isFull, false)
  inflights.add(2, 500)
  assert.equal(inflights.isFull, true)
  assert.throws(() => inflights.add(3, 1), RaftInvariantError)
  inflights.freeUpTo(2)
  assert.equal(inflights.isFull, false)
})

test('an answer that is too old moves nothing back', () => {
  const replicating = createProgress(5, 6)
  replicating.becomeReplicate()
  assert.equal(replicating.maybeDecrease(5, 2), false)
  assert.equal(replicating.maybeDecrease(6, 2), true)
  assert.equal(replicating.next, 6)
  const probing = createProgress(2, 9)
  assert.equal(probing.maybeDecrease(5, 3), false)
  assert.equal(probing.maybeDecrease(8, 4), true)
  assert.equal(probing.next, 5)
})

test('next never falls to what is matched', () => {
  const progress = createProgress(3, 9)
  assert.equal(progress.maybeDecrease(8, 0), true)
  assert.equal(progress.next, 4)
})

test('after a snapshot the peer is probed behind it, after a failed one from where it was', () => {
  const progress = createProgress(3, 9)
  progress.becomeSnapshot(20)
  assert.equal(progress.isPaused, true)
  progress.becomeProbe()
  assert.equal(progress.next, 21)
  progress.becomeSnapshot(20)
  progress.pendingSnapshot = 0
  progress.becomeProbe()
  assert.equal(progress.next, 4)
})
