import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY_CONF_STATE } from './cluster-config.ts'
import { RaftInvariantError } from './invariant.ts'
import { MemoryStorage } from './memory-storage.ts'
import type { Entry } from './message.ts'
import { RaftLog } from './raft-log.ts'

const logger = { debug() {}, info() {}, warn() {}, error() {} }
const entry = (index: number, term: number, size = 0): Entry => ({ index, term, type: 'normal', data: new Uint8Array(size) })

/** Stored entries of these terms from index 1 on, then unstable ones. */
function createLog(stored: readonly number[], unstable: readonly number[] = [], bytesMax = Infinity): RaftLog {
  const storage = new MemoryStorage()
  storage.append(stored.map((term, i) => entry(i + 1, term)))
  const log = new RaftLog(storage, logger, bytesMax)
  log.append(unstable.map((term, i) => entry(stored.length + i + 1, term)))
  return log
}

const terms = (log: RaftLog): number[] => (log.entriesFrom(log.firstIndex, Infinity) ?? []).map(each => each.term)

test('a leader\'s entries replace a conflicting tail and keep what agrees', () => {
  const log = createLog([1, 1, 2], [2])
  assert.equal(log.maybeAppend({ term: 1, index: 1 }, [entry(2, 1), entry(3, 3)], 0), 3)
  assert.deepEqual(terms(log), [1, 1, 3])
})

test('entries already here are not cut by an older message', () => {
  const log = createLog([1, 1, 2], [2])
  assert.equal(log.maybeAppend({ term: 1, index: 1 }, [entry(2, 1)], 4), 2)
  assert.deepEqual(terms(log), [1, 1, 2, 2])
  assert.equal(log.committed, 2)
})

test('entries that do not follow are refused', () => {
  const log = createLog([1, 1])
  assert.equal(log.maybeAppend({ term: 2, index: 2 }, [entry(3, 2)], 3), undefined)
  assert.equal(log.maybeAppend({ term: 1, index: 5 }, [entry(6, 2)], 3), undefined)
})

test('a committed entry is never replaced', () => {
  const log = createLog([1, 1, 1])
  log.commitTo(3)
  assert.throws(() => log.maybeAppend({ term: 1, index: 1 }, [entry(2, 2)], 0), RaftInvariantError)
  assert.throws(() => log.commitTo(9), RaftInvariantError)
})

test('an entry of an earlier term does not commit by being counted', () => {
  const log = createLog([1, 2, 2])
  assert.equal(log.maybeCommit({ term: 3, index: 3 }), false)
  log.append([entry(4, 3)])
  assert.equal(log.maybeCommit({ term: 3, index: 4 }), true)
  assert.equal(log.committed, 4)
})

test('a log is up to date by last term first and length second', () => {
  const log = createLog([1, 2, 2])
  assert.equal(log.isUpToDate({ term: 3, index: 1 }), true)
  assert.equal(log.isUpToDate({ term: 2, index: 3 }), true)
  assert.equal(log.isUpToDate({ term: 2, index: 2 }), false)
  assert.equal(log.isUpToDate({ term: 1, index: 9 }), false)
})

test('whole terms are skipped when logs are compared', () => {
  const log = createLog([1, 3, 3, 3, 5, 5])
  assert.deepEqual(log.findConflictByTerm(6, 2), { index: 1, term: 1 })
  assert.deepEqual(log.findConflictByTerm(6, 4), { index: 4, term: 3 })
  assert.deepEqual(log.findConflictByTerm(6, 0), { index: 0, term: 0 })
})

test('reading across stored and unstable entries respects the limit', () => {
  const log = createLog([1, 1, 1], [1, 1])
  assert.equal(log.entriesFrom(1, Infinity)?.length, 5)
  assert.equal(log.entriesFrom(2, 1)?.length, 1)
  assert.equal(log.entriesFrom(1, 12 * 4)?.length, 4)
  assert.deepEqual(log.entriesFrom(6, Infinity), [])
})

test('what is compacted away is told by undefined', () => {
  const log = createLog([1, 1, 1])
  log.commitTo(3);
  (log.storage as MemoryStorage).compact(2)
  assert.equal(log.term(1), undefined)
  assert.equal(log.term(2), 1)
  assert.equal(log.entriesFrom(2, Infinity), undefined)
})

test('committed entries are handed out in portions until they are applied', () => {
  const log = createLog([1, 1, 1], [], 24)
  log.commitTo(3)
  const first = log.nextCommitted(true)
  assert.deepEqual(first.map(({ index }) => index), [1, 2])
  log.acceptApplying(2, 24, true)
  assert.equal(log.hasNextCommitted(true), false)
  log.appliedTo(2, 24)
  assert.deepEqual(log.nextCommitted(true).map(({ index }) => index), [3])
})

test('entries that were replaced while they were written stay unstable', () => {
  const log = createLog([1], [1, 1])
  log.unstable.acceptInProgress()
  log.maybeAppend({ term: 1, index: 1 }, [entry(2, 2)], 0)
  log.unstable.stableTo(3, 1)
  log.unstable.stableTo(2, 1)
  assert.deepEqual(log.unstable.nextEntries().map(({ index, term }) => [index, term]), [[2, 2]])
  log.unstable.stableTo(2, 2)
  assert.equal(log.unstable.count, 0)
})

test('storage refuses an older snapshot, a gap and a second compaction, each with its code', () => {
  const storage = new MemoryStorage()
  storage.append([entry(1, 1), entry(2, 1), entry(3, 1)])
  storage.createSnapshot(2, EMPTY_CONF_STATE, new Uint8Array())
  assert.throws(() => storage.createSnapshot(2, EMPTY_CONF_STATE, new Uint8Array()), { code: 'snapshot-out-of-date' })
  storage.compact(2)
  assert.throws(() => storage.compact(2), { code: 'compacted' })
  assert.throws(() => storage.term(1), { code: 'compacted' })
  assert.throws(() => storage.term(4), { code: 'unavailable' })
  assert.throws(() => storage.append([entry(5, 1)]), RaftInvariantError)
  storage.append([entry(2, 1), entry(3, 2)])
  assert.equal(storage.term(3), 2)
})
