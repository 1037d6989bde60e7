import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { SeededRandom } from '../platform/clock/seeded-random.ts'
import { KeyRing } from '../platform/storage/key-ring.ts'
import { forgetManagerKeys, openManagerKeys, resealManagerKeys, rotateManagerKeys } from './manager-keys.ts'

const root = mkdtempSync(join(tmpdir(), 'shoal-manager-keys-'))
after(() => rmSync(root, { recursive: true }))

test('the key is made once, for root alone, and is the same after a restart', () => {
  const path = join(root, 'keys.json')
  const [made] = openManagerKeys(path, new SeededRandom(1), new KeyRing())
  assert.equal(made.key.length, 32)
  assert.match(made.id, /^[0-9a-f]{32}$/)
  assert.deepEqual(openManagerKeys(path, new SeededRandom(2), new KeyRing()), [made])
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('a damaged key file is an error, never a new key', () => {
  const path = join(root, 'damaged.json')
  writeFileSync(path, '{')
  assert.throws(() => openManagerKeys(path, new SeededRandom(1), new KeyRing()), { code: 'state-file-damaged' })
})

test('with autolock the keys are sealed, also those that were there before, and open again when it is turned off', () => {
  const path = join(root, 'sealed.json')
  const [made] = openManagerKeys(path, new SeededRandom(1), new KeyRing())
  const ring = new KeyRing()
  ring.use({ keys: [{ id: 'ab', key: new Uint8Array(32) }], isSealing: true })
  assert.deepEqual(openManagerKeys(path, new SeededRandom(2), ring), [made])
  assert(!readFileSync(path, 'utf8').includes(made.id))
  assert.throws(() => openManagerKeys(path, new SeededRandom(2), new KeyRing()), { code: 'seal-key-missing' })
  ring.use({ ...ring.state, isSealing: false })
  resealManagerKeys(path, ring)
  assert.deepEqual(openManagerKeys(path, new SeededRandom(2), new KeyRing()), [made])
})

test('a rotation puts a new key first and keeps the old ones until nothing needs them', () => {
  const path = join(root, 'rotated.json')
  const ring = new KeyRing()
  const [first] = openManagerKeys(path, new SeededRandom(1), ring)
  const [second] = rotateManagerKeys(path, new SeededRandom(2), ring)
  const [third, ...older] = rotateManagerKeys(path, new SeededRandom(3), ring)
  assert.deepEqual(older, [second, first])
  assert.deepEqual(openManagerKeys(path, new SeededRandom(4), ring), [third, second, first])
  forgetManagerKeys(path, ring, [first.id])
  assert.deepEqual(openManagerKeys(path, new SeededRandom(4), ring), [third, first])
  forgetManagerKeys(path, ring, [])
  assert.deepEqual(openManagerKeys(path, new SeededRandom(4), ring), [third])
})
