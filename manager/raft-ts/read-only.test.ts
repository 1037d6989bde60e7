import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMessage } from './create-message.ts'
import { ReadOnlyQueue } from './read-only.ts'

const voters = { incoming: new Set([1, 2, 3]), outgoing: new Set<number>() }
const request = createMessage({ type: 'MsgReadIndex' })

test('a read is confirmed by a quorum that answered its round or a later one', () => {
  const queue = new ReadOnlyQueue()
  assert.equal(queue.heartbeatContext(), undefined)
  queue.add(request, 7)
  const first = queue.heartbeatContext() as Uint8Array
  queue.add(request, 9)
  const second = queue.heartbeatContext() as Uint8Array
  queue.acknowledge(1, second)
  assert.deepEqual(queue.takeConfirmed(voters), [])
  queue.acknowledge(2, first)
  assert.deepEqual(queue.takeConfirmed(voters).map(({ index }) => index), [7])
  queue.acknowledge(3, second)
  assert.deepEqual(queue.takeConfirmed(voters).map(({ index }) => index), [9])
  assert.equal(queue.heartbeatContext(), undefined)
})

test('answers of strangers and foreign contexts confirm nothing', () => {
  const queue = new ReadOnlyQueue()
  queue.add(request, 7)
  const context = queue.heartbeatContext() as Uint8Array
  queue.acknowledge(8, context)
  queue.acknowledge(9, context)
  queue.acknowledge(1, context)
  queue.acknowledge(2, Uint8Array.of(1))
  assert.deepEqual(queue.takeConfirmed(voters), [])
})
