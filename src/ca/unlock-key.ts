import { ShoalError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'

const PREFIX = 'SWMKEY-1-'
const KEY_BYTES = 32

/** The key that unlocks managers, as users keep it: SWMKEY-1- and 32 random bytes in base64 without padding (K01). */
export function createUnlockKey(random: Random): string {
  return PREFIX + Buffer.from(random.bytes(KEY_BYTES)).toString('base64').replace(/=+$/, '')
}

/** The 32 bytes of such a text. @throws ShoalError `invalid-unlock-key` (invalid-argument) with Docker's text */
export function parseUnlockKey(text: string): Uint8Array {
  const [, encoded] = /^SWMKEY-1-([A-Za-z0-9+/]{43})$/.exec(text) ?? []
  const key = Uint8Array.from(Buffer.from(encoded ?? '', 'base64'))
  if (key.length !== KEY_BYTES) throw new ShoalError('invalid-argument', 'invalid-unlock-key', 'invalid key string')
  return key
}
