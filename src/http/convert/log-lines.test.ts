import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make } from '../../api/codec/codec.ts'
import { logLine, logWarning } from './log-lines.ts'

const message = make('LogMessage', {
  stream: 'stderr', data: Buffer.from('boom\n'), timestamp: '2026-01-02T03:04:05.6Z', attributes: [{ key: 'zone', value: 'a b' }],
  context: { serviceId: 's', nodeId: 'n', taskId: 't' },
})
const plain = { stdout: true, stderr: true, timestamps: false, details: false, tty: false }
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

test('a line is framed with its stream and length', () => {
  assert.equal(text(logLine(message, plain)), '\x02\0\0\0\0\0\0\x05boom\n')
  assert.equal(text(logLine({ ...message, stream: 'stdout' }, plain)), '\x01\0\0\0\0\0\0\x05boom\n')
})

test('a terminal\'s line is raw', () => assert.equal(text(logLine(message, { ...plain, tty: true })), 'boom\n'))

test('a stream that is not wanted gives nothing', () => assert.equal(logLine(message, { ...plain, stderr: false }).length, 0))

test('timestamps have nine digits and details are sorted and escaped', () => {
  assert.equal(text(logLine(message, { ...plain, timestamps: true, details: true, tty: true })),
    '2026-01-02T03:04:05.600000000Z com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,com.docker.swarm.task.id=t,zone=a+b boom\n')
})

test('a warning comes on the channel of the daemon\'s errors', () => {
  assert.match(text(logWarning('incomplete', false)), /^\x03\0\0\0\0\0\0.Error grabbing logs: rpc error: code = Unknown desc = incomplete\n$/)
})
