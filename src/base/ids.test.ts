import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHexId } from './ids.ts'
import type { Random } from './random.ts'

function fixed(byte: number): Random { return { bytes: length => new Uint8Array(length).fill(byte), next: () => 0 } }

test('an id is 64 hexadecimal characters of the bytes drawn', () => {
  assert.equal(createHexId(fixed(0xa7)), 'a7'.repeat(32))
})

test('an id never begins with twelve digits: as a host name they would be taken for an address', () => {
  assert.equal(createHexId(fixed(0x97)), `d7${'97'.repeat(31)}`)
  for (let byte = 0; byte < 256; byte++) assert.match(createHexId(fixed(byte)), /^(?!\d{12})[0-9a-f]{64}$/)
})
