import { invariant } from './invariant.ts'
import type { Entry, Snapshot } from './message.ts'
import type { RaftLogger } from './raft-config.ts'

/**
 * The part of the log that is not known to be on disk: an optional snapshot, and entries from `offset` on. Those below `offsetInProgress` were
 * handed out to be written; they stay here until the write is confirmed, so that a read never meets a half-written tail.
 */
export class UnstableLog {
  readonly #logger: RaftLogger
  #snapshot: Snapshot | undefined
  #isSnapshotInProgress = false
  #entries: Entry[] = []
  #offset: number
  #offsetInProgress: number

  constructor(offset: number, logger: RaftLogger) {
    this.#offset = offset
    this.#offsetInProgress = offset
    this.#logger = logger
  }

  get offset(): number { return this.#offset }
  get offsetInProgress(): number { return this.#offsetInProgress }
  get count(): number { return this.#entries.length }
  get snapshot(): Snapshot | undefined { return this.#snapshot }
  get firstIndex(): number | undefined { return this.#snapshot === undefined ? undefined : this.#snapshot.metadata.index + 1 }
  get lastIndex(): number | undefined {
    return this.#entries.length > 0 ? this.#offset + this.#entries.length - 1 : this.#snapshot?.metadata.index
  }

  /** Term of an index held here. */
  term(index: number): number | undefined {
    if (index >= this.#offset) return this.#entries[index - this.#offset]?.term
    return this.#snapshot?.metadata.index === index ? this.#snapshot.metadata.term : undefined
  }

  /** What was not yet handed out to be written. */
  nextEntries(): readonly Entry[] { return this.#entries.slice(this.#offsetInProgress - this.#offset) }
  get hasNextEntries(): boolean { return this.#entries.length > this.#offsetInProgress - this.#offset }
  nextSnapshot(): Snapshot | undefined { return this.#isSnapshotInProgress ? undefined : this.#snapshot }

  /** All that is here is being written from now on. */
  acceptInProgress(): void {
    this.#offsetInProgress = Math.max(this.#offsetInProgress, this.#offset + this.#entries.length)
    if (this.#snapshot !== undefined) this.#isSnapshotInProgress = true
  }

  /** Entries up to this one are on disk and no write under way can replace them. A term that differs tells of an entry replaced since: ignored. */
  stableTo(index: number, term: number): void {
    const held = this.term(index)
    if (held === undefined) {
      this.#logger.info(`entry at index ${index} missing from unstable log; ignoring`)
    } else if (index < this.#offset) {
      this.#logger.info(`entry at index ${index} matched unstable snapshot; ignoring`)
    } else if (held !== term) {
      this.#logger.info(`entry at (index,term)=(${index},${term}) mismatched with entry at (${index},${held}) in unstable log; ignoring`)
    } else {
      this.#entries = this.#entries.slice(index + 1 - this.#offset)
      this.#offset = index + 1
      this.#offsetInProgress = Math.max(this.#offsetInProgress, this.#offset)
    }
  }

  stableSnapshotTo(index: number): void {
    if (this.#snapshot?.metadata.index !== index) return
    this.#snapshot = undefined
    this.#isSnapshotInProgress = false
  }

  restore(snapshot: Snapshot): void {
    this.#offset = snapshot.metadata.index + 1
    this.#offsetInProgress = this.#offset
    this.#entries = []
    this.#snapshot = snapshot
    this.#isSnapshotInProgress = false
  }

  /** Appends, replacing whatever stood from the first new index on. */
  truncateAndAppend(entries: readonly Entry[]): void {
    const from = (entries[0] as Entry).index
    const end = this.#offset + this.#entries.length
    if (from === end) {
      this.#entries.push(...entries)
    } else if (from <= this.#offset) {
      this.#logger.info(`replace the unstable entries from index ${from}`)
      this.#entries = [...entries]
      this.#offset = from
      this.#offsetInProgress = from
    } else {
      this.#logger.info(`truncate the unstable entries before index ${from}`)
      this.#entries = [...this.slice(this.#offset, from), ...entries]
      this.#offsetInProgress = Math.min(this.#offsetInProgress, from)
    }
  }

  /** Entries in [low, high), all of which must be here. */
  slice(low: number, high: number): readonly Entry[] {
    invariant(this.#offset <= low && low <= high && high <= this.#offset + this.#entries.length,
      () => `unstable.slice[${low},${high}) out of bound [${this.#offset},${this.#offset + this.#entries.length}]`)
    return this.#entries.slice(low - this.#offset, high - this.#offset)
  }
}
