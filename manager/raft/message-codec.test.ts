import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMessage } from 'raft-ts/create-message'
import { decodeMessage, encodeMessage } from './message-codec.ts'

const full = createMessage({
  type: 'MsgApp', to: 2 ** 52, from: 127, term: 128, logTerm: 300, index: 2 ** 40 + 1, commit: 9, vote: 3, rejectHint: 7, reject: true, context: Uint8Array.of(1, 2),
  entries: [
    { term: 1, index: 2, type: 'normal', data: new Uint8Array() },
    { term: 3, index: 4, type: 'conf-change-v2', data: Uint8Array.from({ length: 1000 }, (_, i) => i & 0xff) },
  ],
})

test('a message comes back as it was', () => {
  assert.deepEqual(decodeMessage(encodeMessage(full)), full)
  const heartbeat = createMessage({ type: 'MsgHeartbeat', to: 1, from: 2, term: 3 })
  assert.deepEqual(decodeMessage(encodeMessage(heartbeat)), heartbeat)
})

test('a snapshot travels as its metadata', () => {
  const confState = { voters: [1, 2], learners: [3], votersOutgoing: [4], learnersNext: [5], autoLeave: true }
  const message = createMessage({ type: 'MsgSnap', to: 1, from: 2, term: 3, snapshot: { metadata: { index: 10, term: 2, confState }, data: new Uint8Array() } })
  assert.deepEqual(decodeMessage(encodeMessage(message)), message)
})

test('bytes that were cut anywhere, and unknown formats and types, are refused', () => {
  const bytes = encodeMessage(full)
  for (let length = 0; length < bytes.length; length++) assert.throws(() => decodeMessage(bytes.subarray(0, length)), { code: 'malformed-message' }, `length ${length}`)
  assert.throws(() => decodeMessage(Uint8Array.of(2, ...bytes.subarray(1))), { code: 'malformed-message' })
  assert.throws(() => decodeMessage(Uint8Array.of(1, 99, ...bytes.subarray(2))), { code: 'malformed-message' })
})

test('what never leaves a node can not be sent', () => {
  assert.throws(() => encodeMessage(createMessage({ type: 'MsgHup' })), { code: 'malformed-message' })
})
