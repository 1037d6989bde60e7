import type { StoreChange, StoreView, StoreWrite } from './object-store.ts'

/** What a decider wants done. `wakeAtMs` (wall clock): look at this key again then, even if nothing changes. */
export interface Decision { readonly writes: readonly StoreWrite[]; readonly wakeAtMs?: number }

/**
 * A control loop as a pure decider; manager/loop.ts drives it: watch -> keyed queue -> decide -> store.update.
 * Deciding again after the writes are applied yields no writes. All it needs is in the view or the arguments; ids of new objects
 * come from a generator handed to its constructor. A stale write drops the whole decision and the key is worked again.
 */
export interface Reconciler {
  readonly name: string
  /** All keys, for the start of a leadership and after a snapshot was restored. */
  keys(view: StoreView): Iterable<string>
  /** The keys that one change concerns. */
  keysOf(change: StoreChange, view: StoreView): Iterable<string>
  decide(view: StoreView, key: string, nowMs: number): Decision
}
