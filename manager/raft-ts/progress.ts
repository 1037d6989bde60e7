import type { Inflights } from './inflights.ts'
import { invariant } from './invariant.ts'

/**
 * probe: the end of the peer's log is not known; one message at a time. replicate: messages are pipelined, `next` moves ahead of the answers.
 * snapshot: the peer needs entries that are compacted away; nothing is sent until the snapshot has arrived.
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot'

/** What the leader believes about one member's log. Invariant: match < next. */
export class Progress {
  /** Highest index known to be equal to the leader's. */
  match: number
  /** Index of the next entry to send. */
  next: number
  state: ProgressState = 'probe'
  /** In state snapshot: index of the snapshot under way. */
  pendingSnapshot = 0
  /** Anything was heard from the peer since the last quorum check. */
  isRecentlyActive: boolean
  /** No entries are sent until an answer or a heartbeat's answer comes. */
  isFlowPaused = false
  isLearner: boolean
  readonly inflights: Inflights
  /** Highest commit index told to the peer and not withdrawn by a rejection. */
  #sentCommit = 0

  constructor(fields: { readonly match: number; readonly next: number; readonly isLearner: boolean; readonly isRecentlyActive: boolean; readonly inflights: Inflights }) {
    this.match = fields.match
    this.next = fields.next
    this.isLearner = fields.isLearner
    this.isRecentlyActive = fields.isRecentlyActive
    this.inflights = fields.inflights
  }

  get isPaused(): boolean { return this.state === 'snapshot' || this.isFlowPaused }

  becomeProbe(): void {
    // After a snapshot that was sent successfully the peer continues behind it.
    const floor = this.state === 'snapshot' ? this.pendingSnapshot : 0
    this.#enter('probe')
    this.next = Math.max(this.match, floor) + 1
    this.#withdrawCommit()
  }

  becomeReplicate(): void {
    this.#enter('replicate')
    this.next = this.match + 1
  }

  becomeSnapshot(index: number): void {
    this.#enter('snapshot')
    this.pendingSnapshot = index
    this.next = index + 1
    this.#sentCommit = index
  }

  /** Records that a MsgApp with `count` entries from `next` on was sent. */
  sentEntries(count: number, bytes: number): void {
    invariant(this.state !== 'snapshot', () => 'entries sent to a peer that waits for a snapshot')
    if (this.state === 'probe') {
      if (count > 0) this.isFlowPaused = true
      return
    }
    if (count > 0) {
      this.next += count
      this.inflights.add(this.next - 1, bytes)
    }
    this.isFlowPaused = this.inflights.isFull
  }

  sentCommit(commit: number): void { this.#sentCommit = commit }

  /** Whether telling this commit index could move the peer's, beyond what was told already. */
  canBumpCommit(commit: number): boolean { return commit > this.#sentCommit && this.#sentCommit < this.next - 1 }

  /** The peer has everything up to `index`. Returns false when that is no news. */
  maybeUpdate(index: number): boolean {
    if (index <= this.match) return false
    this.match = index
    this.next = Math.max(this.next, index + 1)
    this.isFlowPaused = false
    return true
  }

  /** The peer refused entries after `rejected` and guesses that logs agree up to `hint`. Returns false for an answer that is too old to count. */
  maybeDecrease(rejected: number, hint: number): boolean {
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false
      this.next = this.match + 1
      this.#withdrawCommit()
      return true
    }
    // Probes go one at a time, so only the answer to the last one counts.
    if (this.next - 1 !== rejected) return false
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1)
    this.#withdrawCommit()
    this.isFlowPaused = false
    return true
  }

  clone(): Progress {
    const copy = new Progress({ match: this.match, next: this.next, isLearner: this.isLearner, isRecentlyActive: this.isRecentlyActive, inflights: this.inflights.clone() })
    copy.state = this.state
    copy.pendingSnapshot = this.pendingSnapshot
    copy.isFlowPaused = this.isFlowPaused
    copy.#sentCommit = this.#sentCommit
    return copy
  }

  #enter(state: ProgressState): void {
    this.state = state
    this.isFlowPaused = false
    this.pendingSnapshot = 0
    this.inflights.reset()
  }

  #withdrawCommit(): void { this.#sentCommit = Math.min(this.#sentCommit, this.next - 1) }
}
