import type { Clock, Timer } from '../../base/clock.ts'

interface Pending { readonly atMs: number; readonly sequence: number; readonly callback: () => void }

/** A clock that stands still until advance(). Timers fire in time order, ties in order of creation. */
export class FakeClock implements Clock {
  #nowMs: number
  #sequence = 0
  readonly #pending = new Set<Pending>()
  readonly #startMs: number

  constructor(startMs = 1_700_000_000_000) {
    this.#startMs = startMs
    this.#nowMs = startMs
  }

  nowMs(): number { return this.#nowMs }
  monotonicMs(): number { return this.#nowMs - this.#startMs }
  /** Number of timers not fired. */
  get pendingCount(): number { return this.#pending.size }

  after(delayMs: number, callback: () => void): Timer {
    const pending = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence++, callback }
    this.#pending.add(pending)
    return { cancel: () => { this.#pending.delete(pending) } }
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => { timer.cancel(); reject(signal?.reason as Error) }
      const timer = this.after(delayMs, () => { signal?.removeEventListener('abort', onAbort); resolve() })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Moves time on, firing what is due; lets promise callbacks run between timers. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs
    await settle()
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#pending.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.callback()
      await settle()
    }
    this.#nowMs = endMs
  }

  #next(untilMs: number): Pending | undefined {
    let best: Pending | undefined
    for (const p of this.#pending) {
      if (p.atMs <= untilMs && (best === undefined || p.atMs < best.atMs || (p.atMs === best.atMs && p.sequence < best.sequence))) best = p
    }
    return best
  }
}

/** Lets promise callbacks that are ready run; setImmediate comes after them all. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>(resolve => { setImmediate(resolve) })
}
