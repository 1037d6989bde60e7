import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { ShoalError } from '../../base/errors.ts'

/** AES-256-GCM, NIST SP 800-38D: 96-bit nonces, random; far fewer groups than 2^32 are ever sealed with one key. */
const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** A key of 32 bytes and its public name, 32 hex digits. */
export interface LogKey { readonly id: string; readonly key: Uint8Array }

/** Seals `body` for its place: it can be opened nowhere else. */
export function seal(key: LogKey, body: Uint8Array, place: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key.key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(place))
  return Buffer.concat([nonce, cipher.update(body), cipher.final(), cipher.getAuthTag()])
}

/** @throws ShoalError `log-key-wrong` (failed-precondition) */
export function unseal(key: LogKey, sealed: Buffer, place: string): Buffer {
  try {
    const decipher = createDecipheriv(CIPHER, key.key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES }).setAAD(Buffer.from(place)).setAuthTag(sealed.subarray(-TAG_BYTES))
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch (cause) {
    throw new ShoalError('failed-precondition', 'log-key-wrong', 'the raft log cannot be opened with the key of this manager: its key file and its log are not of one time; restore both from the same backup', { cause })
  }
}
