import type { ErrorKind } from '../../base/errors.ts'
import type { RingMemory } from './append-ring.ts'
import type { LogKey } from './log-seal.ts'
import type { ReadPosition, SegmentLogOptions } from './segment-log.ts'

/** What a log's thread is started with. */
export interface LogThreadData { readonly path: string; readonly options: SegmentLogOptions; readonly ring: RingMemory }

/** A request to the log's thread; each is answered once, in the order of their ids, which are counted from 1. Appends that fit come in the ring. `packed`: see packRecords(). */
export type LogRequest = { readonly id: number } & (
  | { readonly kind: 'append'; readonly packed: ArrayBuffer }
  | { readonly kind: 'rewrite'; readonly records: readonly Uint8Array[] }
  | { readonly kind: 'drop'; readonly before: number }
  | { readonly kind: 'read'; readonly position: ReadPosition | undefined }
  | { readonly kind: 'useKeys'; readonly keys: readonly LogKey[] }
  | { readonly kind: 'close' }
)

export interface LogFailure { readonly errorKind: ErrorKind; readonly code: string; readonly message: string }

/** id 0: the log was opened, with the ids of the keys that its segments need, or could not be. `segment`: where an append stands. `records` and `next`: a group that was read; none at the end. */
export interface LogAnswer {
  readonly id: number
  readonly sizeBytes: number
  readonly segment?: number
  readonly keyIds?: readonly string[]
  readonly records?: readonly Uint8Array[]
  readonly next?: ReadPosition
  readonly failure?: LogFailure
}
