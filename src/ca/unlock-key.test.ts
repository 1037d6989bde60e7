import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../platform/clock/seeded-random.ts'
import { createUnlockKey, parseUnlockKey } from './unlock-key.ts'

test('an unlock key is 32 random bytes in Docker\'s form, and is read back', () => {
  const random = new SeededRandom(1)
  const key = createUnlockKey(random)
  assert.match(key, /^SWMKEY-1-[A-Za-z0-9+/]{43}$/)
  assert.equal(parseUnlockKey(key).length, 32)
  assert.notEqual(createUnlockKey(random), key)
  // As dockerd 20.10 printed it.
  assert.equal(Buffer.from(parseUnlockKey('SWMKEY-1-EiTiKi2Md0CAU846hCpar+b5MmJgAwhmuVBQeK/SOio')).toString('hex').slice(0, 8), '1224e22a')
})

test('what is no unlock key is refused as by Docker', () => {
  for (const text of ['', 'SWMKEY-1-', 'SWMKEY-1-x', 'SWMKEY-2-EiTiKi2Md0CAU846hCpar+b5MmJgAwhmuVBQeK/SOio', 'EiTiKi2Md0CAU846hCpar+b5MmJgAwhmuVBQeK/SOio', 'SWMKEY-1-EiTiKi2Md0CAU846hCpar+b5MmJgAwhmuVBQeK/SOio=']) {
    assert.throws(() => parseUnlockKey(text), { code: 'invalid-unlock-key', message: 'invalid key string' }, text)
  }
})
