import assert from 'node:assert/strict'
import test from 'node:test'
import { isSpareVoter } from './spare-voter.ts'

const spares = (voters: readonly number[], silent: readonly number[] = []): readonly number[] =>
  [2, 3, 4, 5, 6].filter(raftId => isSpareVoter(raftId, { selfId: 1, voters, silentMs: voter => silent.includes(voter) ? 1000 : 0 }))

test('those beyond the majority are spare: the last in order', () => {
  assert.deepEqual(spares([1, 2]), [])
  assert.deepEqual(spares([1, 2, 3]), [3])
  assert.deepEqual(spares([1, 2, 3, 4]), [4])
  assert.deepEqual(spares([1, 2, 3, 4, 5]), [4, 5])
})

test('a member that is silent is counted on no more; without a majority nobody is spare', () => {
  assert.deepEqual(spares([1, 2, 3], [2]), [2])
  assert.deepEqual(spares([1, 2, 3, 4, 5], [2]), [2, 5])
  assert.deepEqual(spares([1, 2, 3, 4, 5], [2, 3]), [2, 3])
  assert.deepEqual(spares([1, 2, 3], [2, 3]), [])
})

test('learners are not spare: they are to catch up', () => {
  assert.deepEqual(spares([1, 2, 3, 4, 5]).includes(6), false)
})
