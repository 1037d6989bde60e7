import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY_CONF_STATE } from './cluster-config.ts'
import { RaftInvariantError } from './invariant.ts'
import { testEntry } from './test-peer.ts'
import { UnstableLog } from './unstable-log.ts'

const logger = { debug() {}, info() {}, warn() {}, error() {} }
const SNAPSHOT = { metadata: { index: 4, term: 2, confState: EMPTY_CONF_STATE }, data: new Uint8Array() }

/** Entries of these terms from index 5 on; those up to `inProgress` are being written. */
function unstable(terms: readonly number[], inProgress = 0): UnstableLog {
  const log = new UnstableLog(5, logger)
  const entries = terms.map((term, i) => testEntry(5 + i, term))
  if (inProgress > 0) {
    log.truncateAndAppend(entries.slice(0, inProgress))
    log.acceptInProgress()
  }
  if (entries.length > inProgress) log.truncateAndAppend(entries.slice(inProgress))
  return log
}

const picture = (log: UnstableLog): unknown => [log.offset, log.offsetInProgress, Array.from({ length: log.count }, (_, i) => log.term(log.offset + i))]

test('appending goes on at the end, replaces a tail, or replaces everything', () => {
  const table: readonly (readonly [terms: readonly number[], inProgress: number, from: number, appended: readonly number[], expected: unknown])[] = [
    [[1], 0, 6, [1, 1], [5, 5, [1, 1, 1]]],
    [[1], 1, 6, [1, 1], [5, 6, [1, 1, 1]]],
    [[1], 0, 5, [2, 2], [5, 5, [2, 2]]],
    [[1], 1, 5, [2, 2], [5, 5, [2, 2]]],
    [[1, 1], 2, 4, [2, 2], [4, 4, [2, 2]]],
    [[1, 1, 1], 0, 6, [2, 2], [5, 5, [1, 2, 2]]],
    [[1, 1, 1], 1, 6, [2, 2], [5, 6, [1, 2, 2]]],
    [[1, 1, 1], 3, 6, [2, 2], [5, 6, [1, 2, 2]]],
    [[1, 1, 1], 3, 7, [2], [5, 7, [1, 1, 2]]],
  ]
  for (const [terms, inProgress, from, appended, expected] of table) {
    const log = unstable(terms, inProgress)
    log.truncateAndAppend(appended.map((term, i) => testEntry(from + i, term)))
    assert.deepEqual(picture(log), expected, JSON.stringify([terms, inProgress, from, appended]))
  }
})

test('what is written is let go up to the entry that the write ended with, if it is still the same', () => {
  const table: readonly (readonly [terms: readonly number[], index: number, term: number, expected: unknown])[] = [
    [[1, 1, 1], 5, 1, [6, 8, [1, 1]]],
    [[1, 1, 1], 7, 1, [8, 8, []]],
    [[1, 2, 2], 6, 1, [5, 8, [1, 2, 2]]],
    [[1, 2, 2], 4, 1, [5, 8, [1, 2, 2]]],
    [[1, 2, 2], 9, 2, [5, 8, [1, 2, 2]]],
  ]
  for (const [terms, index, term, expected] of table) {
    const log = unstable(terms, terms.length)
    log.stableTo(index, term)
    assert.deepEqual(picture(log), expected, JSON.stringify([terms, index, term]))
  }
})

test('what is handed out to be written is not handed out again, unless it was replaced', () => {
  const log = unstable([1, 1])
  assert.deepEqual(log.nextEntries().map(({ index }) => index), [5, 6])
  log.acceptInProgress()
  assert.deepEqual([log.nextEntries().length, log.hasNextEntries], [0, false])
  log.truncateAndAppend([testEntry(6, 2)])
  assert.deepEqual(log.nextEntries().map(({ index, term }) => [index, term]), [[6, 2]])
})

test('a snapshot takes the place of all entries, and stands for the log\'s begin until it is durable', () => {
  const log = unstable([3, 3], 2)
  log.restore(SNAPSHOT)
  assert.deepEqual([log.firstIndex, log.lastIndex, log.term(4), log.term(5), log.count], [5, 4, 2, undefined, 0])
  assert.equal(log.nextSnapshot(), SNAPSHOT)
  log.acceptInProgress()
  assert.deepEqual([log.nextSnapshot(), log.snapshot], [undefined, SNAPSHOT])
  log.stableSnapshotTo(3)
  assert.equal(log.snapshot, SNAPSHOT)
  log.truncateAndAppend([testEntry(5, 3)])
  log.stableTo(4, 2)
  assert.equal(log.count, 1)
  log.stableSnapshotTo(4)
  assert.deepEqual([log.snapshot, log.firstIndex, log.lastIndex], [undefined, undefined, 5])
})

test('entries that are not here are not read', () => {
  const log = unstable([1, 1])
  for (const [low, high] of [[4, 6], [5, 8], [6, 5]] as const) assert.throws(() => log.slice(low, high), RaftInvariantError)
})
