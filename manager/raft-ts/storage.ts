import type { ConfState, Entry, HardState, Snapshot } from './message.ts'

/**
 * What the core reads of the stable log. Synchronous: the driver keeps the entries since the last snapshot in memory.
 * term() and entries() throw RaftError `compacted` below firstIndex() - 1 and `unavailable` above lastIndex().
 */
export interface Storage {
  initialState(): { readonly hardState: HardState; readonly confState: ConfState }
  /** Entries in [low, high), at least one, at most about `bytesMax` together. */
  entries(low: number, high: number, bytesMax: number): readonly Entry[]
  /** Term of the entry; that of the snapshot for firstIndex() - 1. */
  term(index: number): number
  lastIndex(): number
  firstIndex(): number
  /** The newest snapshot; throws RaftError `snapshot-temporarily-unavailable` while one is being made. */
  snapshot(): Snapshot
}

/** Failures the core reports. All expected: none of them damages its state. */
export type RaftErrorCode =
  | 'compacted' | 'unavailable' | 'snapshot-out-of-date' | 'snapshot-temporarily-unavailable' | 'proposal-dropped' | 'step-local-message' | 'step-peer-not-found'

/** A refusal of the core or of its storage. The core is as it was. */
export class RaftError extends Error {
  override readonly name = 'RaftError'
  readonly code: RaftErrorCode
  constructor(code: RaftErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
