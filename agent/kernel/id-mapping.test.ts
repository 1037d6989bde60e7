import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mapText, rootOf, toContainer, toHost, type IdMapping } from './id-mapping.ts'

const IDS: IdMapping = { uids: [{ container: 0, host: 100_000, size: 1000 }, { container: 1000, host: 500_000, size: 10 }], gids: [{ container: 0, host: 7, size: 3 }] }

test('an owner goes to the host and back, range by range', () => {
  assert.deepEqual(rootOf(IDS), { uid: 100_000, gid: 7 })
  for (const owner of [{ uid: 0, gid: 0 }, { uid: 999, gid: 2 }, { uid: 1009, gid: 1 }]) assert.deepEqual(toContainer(IDS, toHost(IDS, owner)), owner)
  assert.deepEqual(toHost(IDS, { uid: 1000, gid: 2 }), { uid: 500_000, gid: 9 })
})

test('whoever is outside of the ranges is refused on the way out and nobody on the way in', () => {
  assert.throws(() => toHost(IDS, { uid: 1010, gid: 0 }), { code: 'unmapped-id', message: 'Container ID 1010 cannot be mapped to a host ID' })
  assert.throws(() => toHost(IDS, { uid: 0, gid: 3 }), { code: 'unmapped-id' })
  assert.deepEqual(toContainer(IDS, { uid: 0, gid: 10 }), { uid: 65_534, gid: 65_534 })
})

test('a map is written as the kernel reads it', () => {
  assert.equal(mapText(IDS.uids), '0 100000 1000\n1000 500000 10\n')
})
