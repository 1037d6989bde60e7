import { EMPTY_CONF_STATE } from './cluster-config.ts'
import { limitEntries } from './entry-size.ts'
import { invariant } from './invariant.ts'
import type { ConfState, Entry, HardState, Snapshot } from './message.ts'
import { RaftError, type Storage } from './storage.ts'

const EMPTY_SNAPSHOT: Snapshot = { metadata: { index: 0, term: 0, confState: EMPTY_CONF_STATE }, data: new Uint8Array() }

/** The stable log in memory: the cache that a driver keeps over its disk, and all there is in tests. Entries follow the point of compaction. */
export class MemoryStorage implements Storage {
  #hardState: HardState = { term: 0, vote: 0, commit: 0 }
  #snapshot: Snapshot = EMPTY_SNAPSHOT
  /** The entry that was compacted last; entries begin right after it. */
  #base: { readonly index: number; readonly term: number } = { index: 0, term: 0 }
  #entries: Entry[] = []

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#snapshot.metadata.confState }
  }

  firstIndex(): number { return this.#base.index + 1 }
  lastIndex(): number { return this.#base.index + this.#entries.length }
  snapshot(): Snapshot { return this.#snapshot }

  term(index: number): number {
    if (index < this.#base.index) throw new RaftError('compacted', `entry ${index} is compacted; the log starts at ${this.firstIndex()}`)
    if (index === this.#base.index) return this.#base.term
    const entry = this.#entries[index - this.#base.index - 1]
    if (entry === undefined) throw new RaftError('unavailable', `entry ${index} is not in the log; it ends at ${this.lastIndex()}`)
    return entry.term
  }

  entries(low: number, high: number, bytesMax: number): readonly Entry[] {
    if (low <= this.#base.index) throw new RaftError('compacted', `entry ${low} is compacted; the log starts at ${this.firstIndex()}`)
    if (high > this.lastIndex() + 1) throw new RaftError('unavailable', `entry ${high - 1} is not in the log; it ends at ${this.lastIndex()}`)
    return limitEntries(this.#entries.slice(low - this.firstIndex(), high - this.firstIndex()), bytesMax)
  }

  setHardState(hardState: HardState): void { this.#hardState = hardState }

  /** Entries must follow without a gap; those from the first new index on are replaced, those already compacted are skipped. */
  append(entries: readonly Entry[]): void {
    const first = this.firstIndex()
    const kept = entries.filter(entry => entry.index >= first)
    const head = kept[0]
    if (head === undefined) return
    invariant(head.index <= this.lastIndex() + 1, () => `missing log entry [last: ${this.lastIndex()}, append at: ${head.index}]`)
    this.#entries.length = head.index - first
    for (const entry of kept) this.#entries.push(entry)
  }

  /** Replaces everything by the snapshot. @throws RaftError `snapshot-out-of-date` if a newer one is here */
  applySnapshot(snapshot: Snapshot): void {
    this.#refuseOlder(snapshot.metadata.index)
    this.#snapshot = snapshot
    this.#base = { index: snapshot.metadata.index, term: snapshot.metadata.term }
    this.#entries = []
  }

  /** Makes a snapshot of the state at `index`, which must be in the log; compacts nothing. @throws RaftError `snapshot-out-of-date` */
  createSnapshot(index: number, confState: ConfState, data: Uint8Array): Snapshot {
    this.#refuseOlder(index)
    this.#snapshot = { metadata: { index, term: this.term(index), confState }, data }
    return this.#snapshot
  }

  /** Drops the entries up to and including `index`; its term stays known. @throws RaftError `compacted` if that is done already */
  compact(index: number): void {
    if (index <= this.#base.index) throw new RaftError('compacted', `the log is compacted up to ${this.#base.index} already`)
    invariant(index <= this.lastIndex(), () => `compact ${index} is out of bound lastindex(${this.lastIndex()})`)
    const term = this.term(index)
    this.#entries = this.#entries.slice(index - this.#base.index)
    this.#base = { index, term }
  }

  #refuseOlder(index: number): void {
    const newest = this.#snapshot.metadata.index
    if (newest > 0 && index <= newest) throw new RaftError('snapshot-out-of-date', `a snapshot at ${newest} is here already; ${index} is older`)
  }
}
