import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeConfChange, encodeConfChange, LEAVE_JOINT } from './conf-change-codec.ts'
import type { ConfChange } from './message.ts'

const changes: readonly ConfChange[] = [
  LEAVE_JOINT,
  { transition: 'auto', changes: [{ type: 'add-node', nodeId: 1 }] },
  { transition: 'joint-explicit', changes: [] },
  { transition: 'joint-implicit', changes: [{ type: 'remove-node', nodeId: 127 }, { type: 'update-node', nodeId: 128 }, { type: 'add-learner-node', nodeId: Number.MAX_SAFE_INTEGER - 2 }] },
  { transition: 'auto', changes: [{ type: 'add-node', nodeId: 300 }], context: Uint8Array.of(1, 0, 255) },
]

test('a membership change survives encoding', () => {
  for (const change of changes) assert.deepEqual(decodeConfChange(encodeConfChange(change)), change)
})

test('leaving a joint configuration is encoded as nothing, so that no size limit can refuse it', () => {
  assert.equal(encodeConfChange(LEAVE_JOINT).length, 0)
})

test('damaged bytes are refused', () => {
  const whole = encodeConfChange(changes[3] as ConfChange)
  for (let length = 1; length < whole.length; length++) assert.throws(() => decodeConfChange(whole.slice(0, length)), RangeError)
  assert.throws(() => decodeConfChange(Uint8Array.of(9, 0)), RangeError)
  assert.throws(() => decodeConfChange(Uint8Array.of(0, 1, 7, 1)), RangeError)
  assert.throws(() => decodeConfChange(Uint8Array.of(0, ...new Array<number>(9).fill(0xff))), RangeError)
})
