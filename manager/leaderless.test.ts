import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leaderlessReason } from './leaderless.ts'

const member = (raftId: number): { raftId: number; nodeId: string; addr: string; learner: boolean } => ({ raftId, nodeId: `n${raftId}`, addr: `10.0.0.${raftId}:2377`, learner: false })
const reason = (silentMs: Readonly<Record<number, number>>, count = 3): string => leaderlessReason({
  members: Array.from({ length: count }, (_, i) => member(i + 1)), selfId: 1, silentMs: id => silentMs[id] ?? Infinity, silenceMaxMs: 2_000, hostnameOf: id => (id === 'n2' ? 'h2' : undefined),
})

test('who is missing is named, by hostname where it is known, with how many are needed', () => {
  assert.equal(reason({ 2: 12_000 }), '1 of 3 managers are up as seen from here, and 2 are needed. Missing: h2 (10.0.0.2:2377, silent for 12 s), n3 (10.0.0.3:2377).')
})

test('with enough managers an election is under way and nobody is blamed', () => {
  assert.equal(reason({ 2: 100 }), '2 of 3 managers are up as seen from here, and 2 are needed: they are electing one.')
})

test('a manager that knows no members says nothing', () => {
  assert.equal(reason({}, 0), '')
})
