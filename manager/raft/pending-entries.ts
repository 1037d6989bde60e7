import type { Entry } from 'raft-ts/message'
import { ShoalError } from '../../src/base/errors.ts'

interface Waiter { readonly term: number; readonly resolve: (entry: Entry) => void; readonly reject: (error: ShoalError) => void }

/** Entries this node has proposed and that are not applied yet, by index. Bounded by what the core lets be uncommitted. */
export class PendingEntries {
  readonly #waiters = new Map<number, Waiter>()

  /** Resolves to the entry when it was applied. @throws ShoalError `proposal-lost` (unavailable) */
  wait(index: number, term: number): Promise<Entry> {
    return new Promise<Entry>((resolve, reject) => {
      this.#waiters.get(index)?.reject(lost('another entry took its place'))
      this.#waiters.set(index, { term, resolve, reject })
    })
  }

  /** The entry at this index was applied: an own one has succeeded, another one has taken its place. */
  applied(entry: Entry): void {
    const waiter = this.#waiters.get(entry.index)
    if (waiter === undefined) return
    this.#waiters.delete(entry.index)
    if (waiter.term === entry.term) waiter.resolve(entry)
    else waiter.reject(lost('another entry took its place'))
  }

  /** Gives up on all: whether they will be committed is not known here. */
  rejectAll(error = lost('this manager lost the leadership')): void {
    for (const waiter of this.#waiters.values()) waiter.reject(error)
    this.#waiters.clear()
  }
}

function lost(why: string): ShoalError {
  return new ShoalError('unavailable', 'proposal-lost', `the change may or may not have been made: ${why}; look at the present state, then try again`)
}
