import { abortable } from '../src/base/abort.ts'
import type { Clock } from '../src/base/clock.ts'
import type { ShoalError } from '../src/base/errors.ts'
import type { LeaderWork } from './leader-work.ts'

/** An election takes one to two seconds; a caller who waits a little longer sees none of it. Who comes later than this after the leader went is answered at once. */
const WAIT_MS = 5_000

/** Who does the leader's work: this manager, or another one at an address. */
export type Leader = { readonly kind: 'self'; readonly work: LeaderWork } | { readonly kind: 'other'; readonly address: string }

/** Knows the leader, and lets calls wait for one. */
export class LeaderGate {
  readonly #clock: Clock
  readonly #noLeader: () => ShoalError
  #leader: Leader | undefined
  #lostAtMs: number
  #change = createLatch()

  /** @param noLeader makes the error of calls that find no leader: `no-leader` (unavailable) */
  constructor(clock: Clock, noLeader: () => ShoalError) {
    this.#clock = clock
    this.#noLeader = noLeader
    this.#lostAtMs = clock.monotonicMs()
  }

  get current(): Leader | undefined { return this.#leader }
  /** For how long there has been no leader that this manager knows of; 0 while there is one. */
  get leaderlessMs(): number { return this.#leader === undefined ? this.#clock.monotonicMs() - this.#lostAtMs : 0 }

  set(leader: Leader | undefined): void {
    if (this.#leader !== undefined && leader === undefined) this.#lostAtMs = this.#clock.monotonicMs()
    this.#leader = leader
    const change = this.#change
    this.#change = createLatch()
    change.open()
  }

  /** The leader, now or within some seconds after the last one went. @throws ShoalError `no-leader` (unavailable) */
  async leader(signal: AbortSignal): Promise<Leader> {
    return this.#leader ?? this.#waitFor(() => this.#leader, WAIT_MS - this.leaderlessMs, signal)
  }

  /** The leader after `gone`, which does not answer any more. @throws ShoalError `no-leader` (unavailable) */
  async leaderAfter(gone: Leader, signal: AbortSignal): Promise<Leader> {
    const other = (): Leader | undefined => (this.#leader === gone ? undefined : this.#leader)
    return other() ?? this.#waitFor(other, WAIT_MS - this.leaderlessMs, signal)
  }

  async #waitFor(find: () => Leader | undefined, waitMs: number, signal: AbortSignal): Promise<Leader> {
    signal.throwIfAborted()
    if (waitMs <= 0) throw this.#noLeader()
    const timeout = new AbortController()
    const timer = this.#clock.after(waitMs, () => timeout.abort(this.#noLeader()))
    try {
      const either = AbortSignal.any([signal, timeout.signal])
      for (;;) {
        await abortable(this.#change.opened, either)
        const found = find()
        if (found !== undefined) return found
      }
    } finally {
      timer.cancel()
    }
  }
}

interface Latch { readonly opened: Promise<void>; readonly open: () => void }

function createLatch(): Latch {
  let open = (): void => {}
  const opened = new Promise<void>(resolve => { open = resolve })
  return { opened, open }
}
