import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jointCommitted, jointIds, jointVote, majorityCommitted, majorityVote, type VoteResult } from './quorum.ts'

const ids = (size: number): ReadonlySet<number> => new Set(Array.from({ length: size }, (_, i) => i + 1))
const from = (indexes: readonly (number | undefined)[]) => (id: number): number | undefined => indexes[id - 1]
const ballot = (votes: string): ReadonlyMap<number, boolean> => new Map([...votes].flatMap((vote, i) => vote === '_' ? [] : [[i + 1, vote === 'y'] as const]))

test('a majority has the index that more than half have reached', () => {
  const table: readonly (readonly [indexes: readonly (number | undefined)[], committed: number])[] = [
    [[5], 5], [[undefined], 0], [[5, 9], 5], [[5, undefined], 0], [[1, 2, 3], 2], [[7, 7, undefined], 7], [[100, 101, undefined], 100],
    [[1, 2, 3, 4], 2], [[1, 1, 3, 4], 1], [[1, 2, 3, 4, 5], 3], [[undefined, undefined, 9, 9, 9], 9], [[9, 9, 9, 1, 1, 1], 1],
  ]
  for (const [indexes, committed] of table) assert.equal(majorityCommitted(ids(indexes.length), from(indexes)), committed, JSON.stringify(indexes))
})

test('the order in which voters stand does not matter', () => {
  const indexes = [4, 8, 1, 9, 3]
  const expected = majorityCommitted(ids(5), from(indexes))
  for (let turn = 1; turn < 5; turn++) assert.equal(majorityCommitted(ids(5), from([...indexes.slice(turn), ...indexes.slice(0, turn)])), expected)
})

test('a vote is won, lost or open', () => {
  const table: readonly (readonly [votes: string, result: VoteResult])[] = [
    ['', 'won'], ['y', 'won'], ['n', 'lost'], ['_', 'pending'], ['y_', 'pending'], ['yn', 'lost'], ['yy', 'won'],
    ['yy_', 'won'], ['yn_', 'pending'], ['nn_', 'lost'], ['yy__', 'pending'], ['yynn', 'lost'], ['yyy_', 'won'], ['nn__', 'lost'], ['yynn_', 'pending'], ['yynny', 'won'],
  ]
  for (const [votes, result] of table) assert.equal(majorityVote(ids(votes.length), ballot(votes)), result, votes)
})

test('two halves must agree; an empty half agrees to everything', () => {
  const voters = { incoming: new Set([1, 2, 3]), outgoing: new Set([3, 4, 5]) }
  assert.equal(jointCommitted(voters, from([9, 9, 1, 5, 5])), 5)
  assert.equal(jointCommitted({ incoming: voters.incoming, outgoing: new Set() }, from([9, 9, 1])), 9)
  for (const [votes, result] of [['yy_nn', 'lost'], ['yy_yy', 'won'], ['yy___', 'pending'], ['nn_yy', 'lost'], ['y_yy_', 'won'], ['__y__', 'pending']] as const) {
    assert.equal(jointVote(voters, ballot(votes)), result, votes)
  }
  assert.deepEqual(jointIds(voters), [1, 2, 3, 4, 5])
})
