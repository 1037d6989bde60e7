import type { Clock } from '../../src/base/clock.ts'

/** Messages a reader may get at once before they are spaced out. */
const BURST = 10
/** Spacing under load: changes of this long go into one message (P07). */
const SPACING_MS = 100

/** Sends the first changes at once, so that an idle cluster reacts in milliseconds, and gathers them under load. */
export class SendPacer {
  readonly #clock: Clock
  #tokens = BURST
  #refilledAtMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#refilledAtMs = clock.monotonicMs()
  }

  /** Resolves when the next message may go out. */
  async wait(signal: AbortSignal): Promise<void> {
    this.#refill()
    if (this.#tokens === 0) {
      await this.#clock.sleep(Math.max(1, this.#refilledAtMs + SPACING_MS - this.#clock.monotonicMs()), signal)
      this.#refill()
    }
    this.#tokens = Math.max(0, this.#tokens - 1)
  }

  #refill(): void {
    const earned = Math.floor((this.#clock.monotonicMs() - this.#refilledAtMs) / SPACING_MS)
    if (earned <= 0) return
    this.#tokens = Math.min(BURST, this.#tokens + earned)
    this.#refilledAtMs += earned * SPACING_MS
  }
}
