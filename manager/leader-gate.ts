import { abortable } from '../src/base/abort.ts'
import type { Clock } from '../src/base/clock.ts'
import type { LeaderWork } from './leader-work.ts'
import { noLeader } from './raft/not-leader.ts'

/** An election takes one to two seconds; a caller who waits a little longer sees none of it. */
const WAIT_MS = 5_000

/** Who does the leader's work: this manager, or another one at an address. */
export type Leader = { readonly kind: 'self'; readonly work: LeaderWork } | { readonly kind: 'other'; readonly address: string }

/** Knows the leader, and lets calls wait for one. */
export class LeaderGate {
  readonly #clock: Clock
  #leader: Leader | undefined
  #change = createLatch()

  constructor(clock: Clock) { this.#clock = clock }

  get current(): Leader | undefined { return this.#leader }

  set(leader: Leader | undefined): void {
    this.#leader = leader
    const change = this.#change
    this.#change = createLatch()
    change.open()
  }

  /** The leader, now or within some seconds. @throws ShoalError `no-leader` (unavailable) */
  async leader(signal: AbortSignal): Promise<Leader> {
    return this.#leader ?? this.#waitFor(() => this.#leader, signal)
  }

  /** The leader after `gone`, which does not answer any more. @throws ShoalError `no-leader` (unavailable) */
  async leaderAfter(gone: Leader, signal: AbortSignal): Promise<Leader> {
    const other = (): Leader | undefined => (this.#leader === gone ? undefined : this.#leader)
    return other() ?? this.#waitFor(other, signal)
  }

  async #waitFor(find: () => Leader | undefined, signal: AbortSignal): Promise<Leader> {
    const timeout = new AbortController()
    const timer = this.#clock.after(WAIT_MS, () => timeout.abort(noLeader()))
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
