import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messageOf, ShoalError } from './errors.ts'

test('a disk that takes no more is told in Docker\'s words, with the file and what to do', () => {
  const full = (code: string, path?: string): Error => Object.assign(new Error(`${code}: whatever node says, open`), { code, ...(path === undefined ? {} : { path }) })
  assert.match(messageOf(full('ENOSPC', '/var/lib/x/record.json.new')), /^no space left on device: \/var\/lib\/x\/record.json cannot be written; make room .* and try again$/)
  assert.match(messageOf(full('ENOSPC', '/proc/self/fd/35/big.tar')), /^no space left on device: big.tar cannot be written;/)
  assert.match(messageOf(full('EDQUOT')), /^no space left on device; make room/)
  assert.equal(messageOf(full('EACCES', '/x')), 'EACCES: whatever node says, open')
  assert.equal(messageOf(new ShoalError('internal', 'x', 'said so')), 'said so')
  assert.equal(messageOf(7), '7')
})
