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

/** A host's clocks: how fast they run, what its wall clock is off by, and whether its processes are stopped, as by SIGSTOP. */
export class HostTime {
  rate = 1
  wallOffsetMs = 0
  #waiting: (() => void)[] | undefined

  get isStopped(): boolean { return this.#waiting !== undefined }

  stop(): void { this.#waiting ??= [] }

  /** Everything that fell due meanwhile happens now, one after the other, before any message arrives. */
  goOn(world: SimClock): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const callback of waiting) world.after(0, callback)
  }

  /** Now, or once the host goes on. */
  whenRunning(callback: () => void): void {
    if (this.#waiting === undefined) callback()
    else this.#waiting.push(callback)
  }
}

/** Time as one process has it: stops for good when the process is killed. What waits for it then waits for ever, like the rest of a dead process. */
export class ProcessClock implements Clock {
  readonly #world: SimClock
  readonly #host: HostTime
  readonly #timers = new Set<Timer>()
  #isDead = false

  constructor(world: SimClock, host = new HostTime()) {
    this.#world = world
    this.#host = host
  }

  nowMs(): number { return START_MS + Math.round(this.#host.wallOffsetMs + this.monotonicMs()) }
  monotonicMs(): number { return this.#world.nowMs * this.#host.rate }

  after(delayMs: number, callback: () => void): Timer {
    if (this.#isDead) return { cancel: () => {} }
    let isOver = false
    const fire = (): void => {
      this.#timers.delete(timer)
      if (!isOver) callback()
      isOver = true
    }
    const due = this.#world.after(delayMs / this.#host.rate, () => this.#host.whenRunning(fire))
    const timer = { cancel: () => { isOver = true; due.cancel(); this.#timers.delete(timer) } }
    this.#timers.add(timer)
    return timer
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
    for (const timer of [...this.#timers]) timer.cancel()
    this.#timers.clear()
  }
}
