import assert from 'node:assert/strict'
import { test } from 'node:test'
import { activatedSockets } from './activated-sockets.ts'

test('sockets of another process, or none, are no sockets', () => {
  assert.throws(() => activatedSockets('fd://', {}, 7), /no sockets found via socket activation/)
  assert.throws(() => activatedSockets('fd://', { LISTEN_PID: '8', LISTEN_FDS: '1' }, 7), /no sockets found via socket activation/)
  assert.throws(() => activatedSockets('fd://5', { LISTEN_PID: '7', LISTEN_FDS: '2' }, 7), /too few socket activated files/)
  assert.throws(() => activatedSockets('fd://docker', { LISTEN_PID: '7', LISTEN_FDS: '2' }, 7), /should be a number: docker/)
})
