import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make } from '../codec/codec.ts'
import { chooseSurvivor } from './choose-survivor.ts'
import type { SurveyedManager } from './recovery.ts'

const manager = (raftId: number, end?: readonly [lastTerm: number, lastIndex: number], learner = false): SurveyedManager => make('SurveyedManager', {
  member: { raftId, nodeId: `n${raftId}`, addr: `10.0.0.${raftId}:2377`, learner }, hostname: `h${raftId}`, ...end === undefined ? { error: 'no answer' } : { logEnd: { raftId, lastTerm: end[0], lastIndex: end[1] } },
})
const chosen = (...managers: readonly SurveyedManager[]): string | undefined => {
  const choice = chooseSurvivor(managers)
  return choice.kind === 'recover' ? choice.newest.hostname : choice.kind
}

test('the newest survivor is the one with the later term, then with the longer log', () => {
  assert.equal(chosen(manager(1, [3, 90]), manager(2, [4, 80]), manager(3), manager(4), manager(5)), 'h2')
  assert.equal(chosen(manager(1, [4, 81]), manager(2, [4, 80]), manager(3), manager(4), manager(5)), 'h1')
})

test('where more than half answer nothing is to be recovered, and learners are no votes', () => {
  assert.equal(chosen(manager(1, [3, 90]), manager(2, [3, 90]), manager(3)), 'has-quorum')
  assert.equal(chosen(manager(1, [3, 90]), manager(2), manager(3, [3, 80], true)), 'h1')
  assert.equal(chosen(manager(1, [3, 90]), manager(2)), 'h1')
})

test('a learner that is as new as a voter comes after it, and a newer one before', () => {
  assert.equal(chosen(manager(2, [3, 90], true), manager(1, [3, 90]), manager(3), manager(4)), 'h1')
  assert.equal(chosen(manager(2, [3, 91], true), manager(1, [3, 90]), manager(3), manager(4)), 'h2')
})

test('nobody answers', () => { assert.equal(chosen(manager(1), manager(2)), 'nobody') })
