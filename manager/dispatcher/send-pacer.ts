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
    while (!this.tryTake()) await this.#clock.sleep(this.delayMs(), signal)
  }

  /** Takes leave to send now, if there is any. */
  tryTake(): boolean {
    this.#refill()
    if (this.#tokens === 0) return false
    this.#tokens--
    return true
  }

  /** How long until there is leave again, when there is none. */
  delayMs(): number { return Math.max(1, this.#refilledAtMs + SPACING_MS - this.#clock.monotonicMs()) }

  #refill(): void {
    const earned = Math.floor((this.#clock.monotonicMs() - this.#refilledAtMs) / SPACING_MS)
    if (earned <= 0) return
    this.#tokens = Math.min(BURST, this.#tokens + earned)
    this.#refilledAtMs += earned * SPACING_MS
  }
}
