import { randomBytes, randomFillSync } from 'node:crypto'
import type { Random } from '../../base/random.ts'

/** Fetched at once for small requests: each asks the library, which costs more than the bytes. */
const POOL_BYTES = 1024

/** The operating system's randomness. */
export class CryptoRandom implements Random {
  readonly #pool = Buffer.alloc(POOL_BYTES)
  #used = POOL_BYTES

  next(): number { return this.#take(6).readUIntBE(0, 6) / 2 ** 48 }
  bytes(count: number): Uint8Array { return new Uint8Array(this.#take(count)) }

  #take(count: number): Buffer {
    if (count > POOL_BYTES / 4) return randomBytes(count)
    if (this.#used + count > POOL_BYTES) {
      randomFillSync(this.#pool)
      this.#used = 0
    }
    const part = this.#pool.subarray(this.#used, this.#used + count)
    this.#used += count
    const taken = Buffer.from(part)
    // A key must not lie here as well.
    part.fill(0)
    return taken
  }
}
