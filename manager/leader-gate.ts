import { abortable } from '../src/base/abort.ts'
import type { Clock } from '../src/base/clock.ts'
import { ShoalError } from '../src/base/errors.ts'
import type { LeaderWork } from './leader-work.ts'

/** An election takes one to two seconds; a caller who waits a little longer sees none of it. Who comes later than this after the leader went is answered at once. */
const WAIT_MS = 5_000

/** A leader that was replaced may have answered already, and one that lives says at once that it leads no more; a frozen or cut off one says nothing (D-700). */
const LAST_WORDS_MS = 1_000

/** Who does the leader's work: this manager, or another one at an address. */
export type Leader = { readonly kind: 'self'; readonly work: LeaderWork } | { readonly kind: 'other'; readonly address: string }

/** Knows the leader, and lets calls wait for one. */
export class LeaderGate {
  readonly #clock: Clock
  readonly #noLeader: () => ShoalError
  #leader: Leader | undefined
  #lostAtMs: number
  #change = createLatch()
  /** Who waits for an answer of the present leader. */
  #waiting = new Set<GiveUp>()

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
    if (this.#waiting.size > 0) this.#giveUpSoon()
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

  /** Calls `giveUp` once, a moment after `leader` was replaced or lost (soon, if it is already). @returns ends that: for when the answer is there */
  whileLed(leader: Leader, giveUp: GiveUp): () => void {
    if (leader !== this.#leader) {
      const timer = this.#clock.after(LAST_WORDS_MS, () => giveUp(gaveUp()))
      return () => timer.cancel()
    }
    const waiting = this.#waiting
    // The same function may wait for several answers.
    const mine: GiveUp = error => giveUp(error)
    waiting.add(mine)
    return () => { waiting.delete(mine) }
  }

  #giveUpSoon(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    this.#clock.after(LAST_WORDS_MS, () => { for (const giveUp of waiting) giveUp(gaveUp()) })
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

type GiveUp = (error: ShoalError) => void

/** As of a connection that broke: callers know that the outcome is unknown. */
function gaveUp(): ShoalError { return new ShoalError('unavailable', 'rpc-unavailable', 'the leader went while it was asked; what was asked for may or may not have been done') }

interface Latch { readonly opened: Promise<void>; readonly open: () => void }

function createLatch(): Latch {
  let open = (): void => {}
  const opened = new Promise<void>(resolve => { open = resolve })
  return { opened, open }
}
