import type { Random } from './random.ts'

/** Exponential back-off: each call of next() gives the delay before the next try. */
export class Backoff {
  readonly #baseMs: number
  readonly #maxMs: number
  readonly #random: Random
  #lastMs = 0

  constructor(options: { readonly baseMs: number; readonly maxMs: number; readonly random: Random }) {
    this.#baseMs = options.baseMs
    this.#maxMs = options.maxMs
    this.#random = options.random
  }

  /** base + 2 × last, capped, of which a random half to whole is taken. */
  next(): number {
    this.#lastMs = Math.min(this.#maxMs, this.#baseMs + 2 * this.#lastMs)
    return this.#lastMs * (0.5 + this.#random.next() / 2)
  }

  reset(): void { this.#lastMs = 0 }
}
