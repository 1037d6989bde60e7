import { entriesSizeBytes, limitEntries } from './entry-size.ts'
import { invariant } from './invariant.ts'
import type { Entry, Snapshot } from './message.ts'
import type { RaftLogger } from './raft-config.ts'
import { RaftError, type Storage } from './storage.ts'
import { UnstableLog } from './unstable-log.ts'

/** Names one entry; logs that agree on it agree on all before it. */
export interface EntryId { readonly term: number; readonly index: number }

/** The whole log, stable and unstable, with its marks: applied <= applying <= committed <= lastIndex. */
export class RaftLog {
  readonly storage: Storage
  readonly unstable: UnstableLog
  readonly #logger: RaftLogger
  /** Highest index known to be held by a quorum. */
  committed: number
  #applying: number
  #applied: number
  readonly #applyingBytesMax: number
  #applyingBytes = 0
  #isApplyingPaused = false

  constructor(storage: Storage, logger: RaftLogger, applyingBytesMax: number) {
    this.storage = storage
    this.#logger = logger
    this.#applyingBytesMax = applyingBytesMax
    this.unstable = new UnstableLog(storage.lastIndex() + 1, logger)
    this.committed = this.#applying = this.#applied = storage.firstIndex() - 1
  }

  /** Highest index handed out to be applied. */
  get applying(): number { return this.#applying }
  /** Highest index the state machine has applied. */
  get applied(): number { return this.#applied }
  get firstIndex(): number { return this.unstable.firstIndex ?? this.storage.firstIndex() }
  get lastIndex(): number { return this.unstable.lastIndex ?? this.storage.lastIndex() }
  get hasSnapshotPending(): boolean { return this.unstable.snapshot !== undefined }

  /** Term of an entry; undefined if it is compacted away or not there yet. */
  term(index: number): number | undefined {
    const held = this.unstable.term(index)
    if (held !== undefined) return held
    if (index + 1 < this.firstIndex || index > this.lastIndex) return undefined
    return orUndefined(() => this.storage.term(index), 'compacted', 'unavailable')
  }

  lastEntryId(): EntryId {
    const index = this.lastIndex
    const term = this.term(index)
    invariant(term !== undefined, () => `the last entry, ${index}, has no term`)
    return { term, index }
  }

  matchesTerm({ term, index }: EntryId): boolean { return this.term(index) === term }

  /** Whether a log that ends in `their` has everything that this one could have committed (paper 5.4.1). */
  isUpToDate(their: EntryId): boolean {
    const our = this.lastEntryId()
    return their.term > our.term || (their.term === our.term && their.index >= our.index)
  }

  /**
   * Takes over a leader's entries that follow `previous`. Entries already here stay; a conflicting tail is replaced.
   * @returns the last index now known to be the leader's; undefined if `previous` is not in this log
   */
  maybeAppend(previous: EntryId, entries: readonly Entry[], committed: number): number | undefined {
    if (!this.matchesTerm(previous)) return undefined
    const lastNew = previous.index + entries.length
    const conflict = this.#findConflict(entries)
    if (conflict !== undefined) {
      invariant(conflict > this.committed, () => `entry ${conflict} conflict with committed entry [committed(${this.committed})]`)
      this.append(entries.slice(conflict - previous.index - 1))
    }
    this.commitTo(Math.min(committed, lastNew))
    return lastNew
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0]
    if (first === undefined) return
    invariant(first.index > this.committed, () => `append at ${first.index} would overwrite committed entries [committed(${this.committed})]`)
    this.unstable.truncateAndAppend(entries)
  }

  /**
   * Where two logs could still agree, when all that is known of the other is one entry: the highest index up to `index` whose term here is at most
   * `term` (0 if its term is unknown). Skips whole terms, so that a long divergent tail costs one round trip per term.
   */
  findConflictByTerm(index: number, term: number): EntryId {
    for (let at = index; at > 0; at--) {
      const ours = this.term(at)
      if (ours === undefined) return { index: at, term: 0 }
      if (ours <= term) return { index: at, term: ours }
    }
    return { index: 0, term: 0 }
  }

  commitTo(index: number): void {
    if (index <= this.committed) return
    invariant(index <= this.lastIndex, () => `tocommit(${index}) is out of range [lastIndex(${this.lastIndex})]. Was the raft log corrupted, truncated, or lost?`)
    this.committed = index
  }

  /** Commits up to `at`, but only if that entry is of the given term: earlier terms' entries commit by what follows them (paper 5.4.2). */
  maybeCommit(at: EntryId): boolean {
    if (at.term === 0 || at.index <= this.committed || !this.matchesTerm(at)) return false
    this.commitTo(at.index)
    return true
  }

  restore(snapshot: Snapshot): void {
    this.#logger.info(`log [${this.describe()}] starts to restore snapshot [index: ${snapshot.metadata.index}, term: ${snapshot.metadata.term}]`)
    this.committed = snapshot.metadata.index
    this.unstable.restore(snapshot)
  }

  snapshot(): Snapshot | undefined {
    return this.unstable.snapshot ?? orUndefined(() => this.storage.snapshot(), 'snapshot-temporarily-unavailable')
  }

  /** Entries from `low` to the end, as many as fit; undefined if they are compacted away. */
  entriesFrom(low: number, bytesMax: number): readonly Entry[] | undefined {
    return low > this.lastIndex ? [] : this.slice(low, this.lastIndex + 1, bytesMax)
  }

  /** Entries in [low, high), at least one, as many as fit; undefined if they are compacted away. */
  slice(low: number, high: number, bytesMax: number): readonly Entry[] | undefined {
    invariant(low <= high && high <= this.lastIndex + 1, () => `slice[${low},${high}) out of bound [${this.firstIndex},${this.lastIndex}]`)
    if (low < this.firstIndex) return undefined
    if (low === high) return []
    const offset = this.unstable.offset
    if (low >= offset) return limitEntries(this.unstable.slice(low, high), bytesMax)
    const cut = Math.min(high, offset)
    const stable = orUndefined(() => this.storage.entries(low, cut, bytesMax), 'compacted')
    if (stable === undefined || high <= offset || stable.length < cut - low) return stable
    const left = bytesMax - entriesSizeBytes(stable)
    if (left <= 0) return stable
    const unstable = limitEntries(this.unstable.slice(offset, high), left)
    return entriesSizeBytes(unstable) > left ? stable : [...stable, ...unstable]
  }

  /** Committed entries that may be handed out now. `allowUnstable`: also those whose own write has not been confirmed. */
  nextCommitted(allowUnstable: boolean): readonly Entry[] {
    if (!this.hasNextCommitted(allowUnstable)) return []
    const entries = this.slice(this.#applying + 1, this.#appliableIndex(allowUnstable) + 1, this.#applyingBytesMax - this.#applyingBytes)
    invariant(entries !== undefined, () => `committed entries from ${this.#applying + 1} on were compacted before they were applied`)
    return entries
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    return !this.#isApplyingPaused && !this.hasSnapshotPending && this.#applying < this.#appliableIndex(allowUnstable)
  }

  /** Entries up to `index`, of this size, were handed out. */
  acceptApplying(index: number, bytes: number, allowUnstable: boolean): void {
    invariant(index <= this.committed, () => `applying(${index}) is out of range [prevApplying(${this.#applying}), committed(${this.committed})]`)
    this.#applying = index
    this.#applyingBytes += bytes
    // Fewer than there are means that the size limit cut them short.
    this.#isApplyingPaused = this.#applyingBytes >= this.#applyingBytesMax || index < this.#appliableIndex(allowUnstable)
  }

  appliedTo(index: number, bytes: number): void {
    invariant(index <= this.committed && index >= this.#applied,
      () => `applied(${index}) is out of range [prevApplied(${this.#applied}), committed(${this.committed})]`)
    this.#applied = index
    this.#applying = Math.max(this.#applying, index)
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes)
    this.#isApplyingPaused = this.#applyingBytes >= this.#applyingBytesMax
  }

  describe(): string {
    const { offset, offsetInProgress, count } = this.unstable
    return `committed=${this.committed}, applied=${this.#applied}, applying=${this.#applying}, unstable.offset=${offset}, unstable.offsetInProgress=${offsetInProgress}, len(unstable.Entries)=${count}`
  }

  #appliableIndex(allowUnstable: boolean): number {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1)
  }

  /** Index of the first entry that is new or differs from the one here. */
  #findConflict(entries: readonly Entry[]): number | undefined {
    for (const entry of entries) {
      if (this.matchesTerm(entry)) continue
      if (entry.index <= this.lastIndex) {
        this.#logger.info(`found conflict at index ${entry.index} [existing term: ${this.term(entry.index) ?? 0}, conflicting term: ${entry.term}]`)
      }
      return entry.index
    }
    return undefined
  }
}

function orUndefined<T>(read: () => T, ...codes: readonly RaftError['code'][]): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof RaftError && codes.includes(error.code)) return undefined
    throw error
  }
}
