import type { Random } from '../../base/random.ts'

/** Repeatable randomness for tests (mulberry32, public domain). Not for keys. */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) { this.#state = seed >>> 0 }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => Math.floor(this.next() * 256))
  }
}
