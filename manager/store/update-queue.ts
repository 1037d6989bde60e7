import type { StoreAction } from '../../src/api/swarm/raft.ts'
import { abortable } from '../../src/base/abort.ts'
import { hasCode, ShoalError } from '../../src/base/errors.ts'
import type { StoreTx } from './object-store.ts'
import type { StoreState } from './store-state.ts'
import { actionOf, foldWrite, StoreTransaction, type PendingWrite } from './store-transaction.ts'

/** Writes after which no further update joins a log entry (swarmkit's figure): keeps entries small while one update may be of any size. */
const GROUP_WRITES_MAX = 200
/** Waiting updates. More callers than this at once means that consensus does not keep up. */
const WAITING_UPDATES_MAX = 10_000
/** How often updates are run again because another leader's entry came between. Twice is rare. */
const RERUNS_MAX = 5

interface QueuedUpdate {
  readonly change: (tx: StoreTx) => unknown
  readonly signal: AbortSignal | undefined
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  reruns: number
}

interface Group { readonly updates: readonly (readonly [update: QueuedUpdate, result: unknown])[]; readonly writes: ReadonlyMap<string, PendingWrite> }

/** What UpdateQueue works with. */
export interface UpdateQueueOptions {
  /** The newest applied state. */
  readonly state: () => StoreState
  /** Commits a log entry. Resolves to false when it refused to apply. */
  readonly commit: (actions: readonly StoreAction[]) => Promise<boolean>
}

/** Serialises updates with group commit: while one log entry is under way, the updates that arrive wait and go out together as the next. */
export class UpdateQueue {
  readonly #options: UpdateQueueOptions
  #waiting: QueuedUpdate[] = []
  #pump: Promise<void> = Promise.resolve()
  #isWorking = false
  #pendingVersion = 0
  #groupUpdatesMax = Number.POSITIVE_INFINITY

  constructor(options: UpdateQueueOptions) { this.#options = options }

  /** As ObjectStore.update. */
  async run<T>(change: (tx: StoreTx) => T, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    if (this.#waiting.length >= WAITING_UPDATES_MAX) {
      throw new ShoalError('resource-exhausted', 'store-overloaded', `${WAITING_UPDATES_MAX} changes of the cluster's state are waiting; try again later`)
    }
    const done = new Promise<unknown>((resolve, reject) => {
      this.#waiting.push({ change, signal, resolve, reject, reruns: 0 })
    })
    if (!this.#isWorking) this.#pump = this.#work()
    return await abortable(done, signal) as T
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> { await this.#pump }

  async #work(): Promise<void> {
    this.#isWorking = true
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup()
      try {
        const applied = group.writes.size === 0 || await this.#options.commit([...group.writes.values()].map(actionOf))
        if (applied) for (const [update, result] of group.updates) update.resolve(result)
        else this.#again(group)
        this.#groupUpdatesMax = Number.POSITIVE_INFINITY
      } catch (error) {
        this.#failed(group, error)
      }
    }
    // In the same turn as the last look at the queue: an update that came between would wait for ever.
    this.#isWorking = false
  }

  #nextGroup(): Group {
    const updates: (readonly [QueuedUpdate, unknown])[] = []
    const writes = new Map<string, PendingWrite>()
    let state = this.#options.state()
    while (writes.size < GROUP_WRITES_MAX && updates.length < this.#groupUpdatesMax) {
      const update = this.#waiting.shift()
      if (update === undefined) break
      if (update.signal?.aborted === true) continue
      this.#pendingVersion -= 1
      const tx = new StoreTransaction(state, this.#pendingVersion)
      try {
        updates.push([update, update.change(tx)])
        for (const write of tx.writes.values()) foldWrite(writes, write)
        state = tx.state
      } catch (error) {
        update.reject(error)
      }
    }
    return { updates, writes }
  }

  #again(group: Group): void {
    const again = group.updates.map(([update]) => update)
    for (const update of again) update.reruns += 1
    const worn = again.filter(update => update.reruns > RERUNS_MAX)
    for (const update of worn) update.reject(new ShoalError('unknown', 'out-of-sequence', 'update out of sequence'))
    this.#waiting = [...again.filter(update => update.reruns <= RERUNS_MAX), ...this.#waiting]
  }

  /** An entry that is too large as a group is tried again one by one, so that only the update at fault fails. */
  #failed(group: Group, error: unknown): void {
    if (hasCode(error, 'entry-too-large') && group.updates.length > 1) {
      this.#groupUpdatesMax = 1
      this.#waiting = [...group.updates.map(([update]) => update), ...this.#waiting]
      return
    }
    for (const [update] of group.updates) update.reject(error)
  }
}
