/**
 * Durable state. KvStore: src/platform/storage/level-store.ts, twin memory-store.ts. AppendLog: threaded-log.ts, twin memory-log.ts.
 * Both twins pass test/conformance/kv-store.ts and append-log.ts.
 */

/** An ordered map of keys to bytes. Keys compare as their UTF-8 bytes. */
export interface KvStore extends AsyncDisposable {
  get(key: string): Promise<Uint8Array | undefined>
  /** All writes or none, in this order. Durable when the promise resolves if `durable` (default true). */
  batch(writes: readonly KvWrite[], options?: { readonly durable?: boolean }): Promise<void>
  /** Entries with `from` <= key < `to`, in key order, from one consistent view. */
  range(from: string, to: string): AsyncIterable<readonly [key: string, value: Uint8Array]>
}

export type KvWrite =
  | { readonly kind: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: string }

export interface AppendOptions {
  /** Nothing but this flush is waited for by somebody who will append again: worth some processor time to hear of it sooner. */
  readonly isAwaited?: boolean
}

/**
 * An append-only sequence of records, kept in numbered segments so that old ones can be dropped. Each record is written whole or not at all; a
 * damaged or missing record in the middle is an error at open (`log-damaged`), only a torn tail that was never acknowledged is cut.
 */
export interface AppendLog extends AsyncDisposable {
  /** Every record that was not dropped, oldest first. */
  records(): AsyncIterable<Uint8Array>
  /** Appends in order; durable (flushed) when it resolves, with the number of the segment that all of them stand in. Calls may overlap: they are grouped into one flush. */
  append(records: readonly Uint8Array[], options?: AppendOptions): Promise<number>
  /** Replaces the whole contents atomically and durably: a crash leaves the old or the new. Resolves with the segment. */
  rewrite(records: readonly Uint8Array[]): Promise<number>
  /** Forgets whole segments with lower numbers. They may be back after a crash, the newest of them first. */
  drop(before: number): Promise<void>
  /** Bytes of records on disk, for deciding on compaction. */
  sizeBytes(): number
}
