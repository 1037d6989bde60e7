import { createCipheriv, createDecipheriv, createSecretKey, randomFillSync, type CipherGCM, type KeyObject } from 'node:crypto'
import { ShoalError } from '../../base/errors.ts'

/** AES-256-GCM, NIST SP 800-38D: 96-bit nonces, random; far fewer groups than 2^32 are ever sealed with one key. */
const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
const NONCES_BYTES = 256 * NONCE_BYTES

/** A key of 32 bytes and its public name, 32 hex digits. */
export interface LogKey { readonly id: string; readonly key: Uint8Array }
interface Ready { readonly place: string; readonly nonce: Buffer; readonly cipher: CipherGCM }

/** Seals one group after the other with one key, each for its place: it can be opened nowhere else. */
export class Sealer {
  readonly keyId: string
  readonly #key: KeyObject
  /** Random bytes for nonces, none used twice: to ask for twelve at a time costs as much as for all of these. */
  readonly #nonces = Buffer.alloc(NONCES_BYTES)
  #noncesAt = NONCES_BYTES
  #ready: Ready | undefined

  constructor({ id, key }: LogKey) {
    this.keyId = id
    this.#key = createSecretKey(key)
  }

  /** Gets ready for what is sealed next, if it will stand at this place: half of the work, done while nobody waits. */
  prepare(place: string): void {
    if (this.#ready?.place === place) return
    const nonce = this.#nonce()
    this.#ready = { place, nonce, cipher: createCipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(place)) }
  }

  seal(body: Uint8Array, place: string): Buffer {
    this.prepare(place)
    const { nonce, cipher } = this.#ready as Ready
    // A nonce is used once.
    this.#ready = undefined
    return Buffer.concat([nonce, cipher.update(body), cipher.final(), cipher.getAuthTag()])
  }

  #nonce(): Buffer {
    if (this.#noncesAt === NONCES_BYTES) {
      randomFillSync(this.#nonces)
      this.#noncesAt = 0
    }
    return Buffer.from(this.#nonces.subarray(this.#noncesAt, this.#noncesAt += NONCE_BYTES))
  }
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
