import { MemoryStorage } from 'raft-ts/memory-storage'
import type { Entry, HardState, Snapshot } from 'raft-ts/message'

/** What one Ready asks to be written. */
export interface DiskWrite { readonly hardState?: HardState; readonly entries: readonly Entry[]; readonly snapshot?: Snapshot }

/** The bytes that survive a crash of one simulated machine. */
export class DurableDisk {
  #hardState: HardState = { term: 0, vote: 0, commit: 0 }
  #snapshot: Snapshot | undefined
  /** Up to where entries are compacted away; at most the snapshot's index. */
  #base = { index: 0, term: 0 }
  #entries: Entry[] = []

  get hardState(): HardState { return this.#hardState }

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
    storage.setHardState(this.#hardState)
    return storage
  }

  /** Entries go first, so that a torn write never commits what is not there. `keep` in [0, 1]: how much of the write is reached before the crash. */
  write(write: DiskWrite, keep = 1): void {
    if (keep >= 1 && write.snapshot !== undefined) this.replaceBySnapshot(write.snapshot)
    this.append(write.entries.slice(0, Math.floor(write.entries.length * keep)))
    if (keep >= 1 && write.hardState !== undefined) this.writeHardState(write.hardState)
  }

  append(entries: readonly Entry[]): void {
    const kept = entries.filter(entry => entry.index > this.#base.index)
    const first = kept[0]
    if (first === undefined) return
    this.#entries = [...this.#entries.filter(entry => entry.index < first.index), ...kept]
  }

  writeHardState(hardState: HardState): void { this.#hardState = hardState }

  replaceBySnapshot(snapshot: Snapshot): void {
    this.#snapshot = snapshot
    this.#base = { index: snapshot.metadata.index, term: snapshot.metadata.term }
    this.#entries = []
  }

  saveSnapshot(snapshot: Snapshot): void { this.#snapshot = snapshot }

  compact(index: number): void {
    const last = this.#entries.find(entry => entry.index === index)
    if (last === undefined) return
    this.#base = { index, term: last.term }
    this.#entries = this.#entries.filter(entry => entry.index > index)
  }

  /** Whether this disk proves that the entry was here: itself, or a snapshot that includes it. */
  holds(index: number, term: number): boolean {
    if (this.#snapshot !== undefined && index <= this.#snapshot.metadata.index) return true
    return this.#entries.some(entry => entry.index === index && entry.term === term)
  }
}
