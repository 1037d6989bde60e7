/** Time as an argument. The real one is src/platform/clock/system-clock.ts, the twin fake-clock.ts beside it. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch: for timestamps that people read. May jump. */
  nowMs(): number
  /** Monotonic milliseconds: for delays, deadlines and ages. */
  monotonicMs(): number
  /** Resolves after `delayMs`; rejects with `signal.reason` at once when aborted. Leaves no timer and no listener. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
  /** Calls `callback` once after `delayMs` unless cancelled. */
  after(delayMs: number, callback: () => void): Timer
}

/** A callback that is due once. cancel() may be called at any time, any number of times. */
export interface Timer { cancel(): void }
