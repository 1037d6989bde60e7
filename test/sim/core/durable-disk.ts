import { MemoryStorage } from 'raft-ts/memory-storage'
import type { Entry, HardState, Snapshot } from 'raft-ts/message'

/** What one Ready asks to be written. */
export interface DiskWrite { readonly hardState?: HardState; readonly entries: readonly Entry[]; readonly snapshot?: Snapshot }

/** Told of what leaves a disk that is not compacted away: entries from `index` on, whose first has this term. */
export type OnTruncated = (index: number, term: number) => void

/** The bytes that survive a crash of one simulated machine. */
export class DurableDisk {
  readonly #onTruncated: OnTruncated
  #hardState: HardState = { term: 0, vote: 0, commit: 0 }
  #snapshot: Snapshot | undefined
  /** Up to where entries are compacted away; at most the snapshot's index. */
  #base = { index: 0, term: 0 }
  /** Of the indexes after the base, without a gap. */
  #entries: Entry[] = []

  constructor(onTruncated: OnTruncated = () => {}) { this.#onTruncated = onTruncated }

  get hardState(): HardState { return this.#hardState }
  get lastIndex(): number { return this.#base.index + this.#entries.length }
  get lastTerm(): number { return this.#entries.at(-1)?.term ?? this.#base.term }

  /** A storage as a process that starts now reads it. */
  open(): MemoryStorage {
    const storage = new MemoryStorage()
    const snapshot = this.#snapshot
    if (snapshot !== undefined) {
      storage.applySnapshot({ ...snapshot, metadata: { ...snapshot.metadata, ...this.#base } })
      storage.append(this.#entries)
      if (snapshot.metadata.index > this.#base.index) storage.createSnapshot(snapshot.metadata.index, snapshot.metadata.confState, snapshot.data)
    } else {
      storage.append(this.#entries)
    }
    // What a snapshot stands for was committed, whether or not the commit index reached the disk after it.
    storage.setHardState({ ...this.#hardState, commit: Math.max(this.#hardState.commit, snapshot?.metadata.index ?? 0) })
    return storage
  }

  /** Entries go first, so that a torn write never commits what is not there. `keep` in [0, 1]: how much of the write is reached before the crash. */
  write(write: DiskWrite, keep = 1): void {
    if (keep >= 1 && write.snapshot !== undefined) this.replaceBySnapshot(write.snapshot)
    this.#append(keep >= 1 ? write.entries : write.entries.slice(0, Math.floor(write.entries.length * keep)))
    if (keep >= 1 && write.hardState !== undefined) this.#hardState = write.hardState
  }

  replaceBySnapshot(snapshot: Snapshot): void {
    this.#snapshot = snapshot
    this.#base = { index: snapshot.metadata.index, term: snapshot.metadata.term }
    this.#entries = []
  }

  saveSnapshot(snapshot: Snapshot): void { this.#snapshot = snapshot }

  compact(index: number): void {
    const last = this.#entries[index - this.#base.index - 1]
    if (last === undefined) return
    this.#entries = this.#entries.slice(index - this.#base.index)
    this.#base = { index, term: last.term }
  }

  /** Whether this disk proves that the entry was here: itself, or a snapshot that includes it. */
  holds(index: number, term: number): boolean {
    if (this.#snapshot !== undefined && index <= this.#snapshot.metadata.index) return true
    return this.#entries[index - this.#base.index - 1]?.term === term
  }

  /** For people. */
  describe(): string {
    const { term, vote, commit } = this.#hardState
    return `term ${term} vote ${vote} commit ${commit} log (${this.#base.index}/${this.#base.term}) ${this.#entries.map(entry => `${entry.index}/${entry.term}`).join(' ')}`
  }

  #append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const at = entry.index - this.#base.index - 1
      if (at < 0) continue
      const old = this.#entries[at]
      if (old !== undefined && entry === entries[0]) {
        // Written again, or in conflict: whatever stood from here on is replaced.
        if (old.term !== entry.term) this.#onTruncated(entry.index, old.term)
        else this.#checkTail(entries)
        this.#entries.length = at
      }
      this.#entries[at] = entry
    }
  }

  /** The first entry is as it was; what follows it may differ, or end earlier. */
  #checkTail(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const old = this.#entries[entry.index - this.#base.index - 1]
      if (old !== undefined && old.term !== entry.term) return this.#onTruncated(entry.index, old.term)
    }
    const after = (entries.at(-1) as Entry).index + 1
    const old = this.#entries[after - this.#base.index - 1]
    if (old !== undefined) this.#onTruncated(after, old.term)
  }
}
