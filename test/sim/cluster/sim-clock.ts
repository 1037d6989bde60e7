import type { Clock, Timer } from '../../../src/base/clock.ts'

const START_MS = 1_700_000_000_000

interface Pending { readonly atMs: number; readonly sequence: number; readonly callback: () => void; isCancelled: boolean }

/**
 * The one time of a simulated world. Stands still until run(); fires timers in time order, ties in order of creation, and lets promise callbacks
 * run between two instants.
 */
export class SimClock {
  #nowMs = 0
  #sequence = 0
  /** A binary heap, least first. */
  readonly #heap: Pending[] = []

  get nowMs(): number { return this.#nowMs }

  after(delayMs: number, callback: () => void): Timer {
    const pending = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence++, callback, isCancelled: false }
    this.#push(pending)
    return { cancel: () => { pending.isCancelled = true } }
  }

  /** Runs until `untilMs`, or until `isDone` says so, which is asked after each instant. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<void> {
    await settle()
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#nowMs = next.atMs
      this.#pop()
      if (next.isCancelled) continue
      next.callback()
      await settle()
      if (isDone()) return
    }
    this.#nowMs = untilMs
  }

  #push(pending: Pending): void {
    let at = this.#heap.push(pending) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(pending, this.#heap[parent] as Pending)) break
      this.#heap[at] = this.#heap[parent] as Pending
      at = parent
    }
    this.#heap[at] = pending
  }

  #pop(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#heap.length) break
      if (child + 1 < this.#heap.length && isBefore(this.#heap[child + 1] as Pending, this.#heap[child] as Pending)) child++
      if (!isBefore(this.#heap[child] as Pending, last)) break
      this.#heap[at] = this.#heap[child] as Pending
      at = child
    }
    this.#heap[at] = last
  }
}

function isBefore(a: Pending, b: Pending): boolean { return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence) }

/** Microtasks all run before the next macrotask. */
async function settle(): Promise<void> { await new Promise<void>(resolve => { setImmediate(resolve) }) }

/** Time as one process has it: stops for good when the process is killed. What waits for it then waits for ever, like the rest of a dead process. */
export class ProcessClock implements Clock {
  readonly #world: SimClock
  readonly #timers = new Set<Timer>()
  #isDead = false

  constructor(world: SimClock) { this.#world = world }

  nowMs(): number { return START_MS + this.#world.nowMs }
  monotonicMs(): number { return this.#world.nowMs }

  after(delayMs: number, callback: () => void): Timer {
    if (this.#isDead) return { cancel: () => {} }
    const timer = this.#world.after(delayMs, () => {
      this.#timers.delete(timer)
      callback()
    })
    this.#timers.add(timer)
    return { cancel: () => { timer.cancel(); this.#timers.delete(timer) } }
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => { timer.cancel(); reject(signal?.reason as Error) }
      const timer = this.after(delayMs, () => { signal?.removeEventListener('abort', onAbort); resolve() })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  kill(): void {
    this.#isDead = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}
