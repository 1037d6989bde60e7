import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { SeededRandom } from '../platform/clock/seeded-random.ts'
import { openManagerKeys } from './manager-keys.ts'

const root = mkdtempSync(join(tmpdir(), 'shoal-manager-keys-'))
after(() => rmSync(root, { recursive: true }))

test('the key is made once, for root alone, and is the same after a restart', () => {
  const path = join(root, 'keys.json')
  const [made] = openManagerKeys(path, new SeededRandom(1))
  assert.equal(made.key.length, 32)
  assert.match(made.id, /^[0-9a-f]{32}$/)
  assert.deepEqual(openManagerKeys(path, new SeededRandom(2)), [made])
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('a damaged key file is an error, never a new key', () => {
  const path = join(root, 'damaged.json')
  writeFileSync(path, '{')
  assert.throws(() => openManagerKeys(path, new SeededRandom(1)), { code: 'state-file-damaged' })
})
