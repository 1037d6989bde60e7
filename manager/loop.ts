import type { Clock, Timer } from '../src/base/clock.ts'
import { ShoalError } from '../src/base/errors.ts'
import type { Logger } from '../src/base/logger.ts'
import { TaskGroup } from '../src/base/task-group.ts'
import { WorkQueue } from '../src/base/work-queue.ts'
import { followStore } from './store/follow-store.ts'
import type { ObjectStore, StoreCommit, StoreTx, StoreWrite } from './store/object-store.ts'
import type { Reconciler } from './store/reconciler.ts'

/** Keys worked in one store update: a bound on how long one transaction computes. */
const KEYS_PER_UPDATE_MAX = 64
/** Writes after which an update takes no further key: a bound on the size of a log entry. One key's own writes are the decider's to bound. */
const WRITES_PER_UPDATE_MAX = 500
/** Wait before a key that failed is tried again; failures are rare and never worth spinning for. */
const RETRY_DELAY_MS = 1_000
/** Longest timer: an early look is harmless, and no timer overflows. */
const WAKE_DELAY_MAX_MS = 3_600_000

interface Outcome { readonly key: string; readonly wakeAtMs: number | undefined }

/**
 * Drives one Reconciler while this manager leads: watch -> keyed queue -> decide -> store.update.
 * Deciding happens inside the update, on the newest state, so that several keys can share one log entry and none works on stale data.
 * A key that fails is logged and tried again; it never holds up the others.
 */
export class ReconcileLoop implements AsyncDisposable {
  readonly #store: ObjectStore
  readonly #reconciler: Reconciler
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #tasks: TaskGroup
  readonly #queue = new WorkQueue<string>()
  /** At most one per key: the latest decision replaces the earlier one's wish. */
  readonly #timers = new Map<string, Timer>()

  constructor(options: { readonly store: ObjectStore; readonly reconciler: Reconciler; readonly clock: Clock; readonly logger: Logger }) {
    this.#store = options.store
    this.#reconciler = options.reconciler
    this.#clock = options.clock
    this.#logger = options.logger.with({ loop: options.reconciler.name })
    this.#tasks = new TaskGroup(this.#logger)
  }

  /** Starts with all keys; call once. */
  start(): void {
    this.#tasks.run('watch', signal => followStore({ store: this.#store, clock: this.#clock, logger: this.#logger }, commit => this.#addChanged(commit), signal))
    this.#tasks.run('work', signal => this.#work(signal))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tasks[Symbol.asyncDispose]()
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }

  #addChanged(commit: StoreCommit): void {
    if (commit.changes === 'all') for (const key of this.#reconciler.keys(commit.view)) this.#queue.add(key)
    else for (const change of commit.changes) for (const key of this.#reconciler.keysOf(change, commit.view)) this.#queue.add(key)
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#queue.ready(signal)
      const keys = this.#take()
      try {
        this.#settle(keys, await this.#decideAll(keys, signal))
      } catch (err) {
        signal.throwIfAborted()
        if (keys.length > 1) await this.#workEach(keys, signal)
        else for (const key of keys) this.#failed(key, err)
      }
    }
  }

  /** One key failed, which took the others down with it: give each an update of its own. */
  async #workEach(keys: readonly string[], signal: AbortSignal): Promise<void> {
    for (const key of keys) {
      try {
        this.#settle([key], await this.#decideAll([key], signal))
      } catch (error) {
        signal.throwIfAborted()
        this.#failed(key, error)
      }
    }
  }

  #take(): string[] {
    const keys: string[] = []
    for (let key = this.#queue.take(); key !== undefined; key = keys.length < KEYS_PER_UPDATE_MAX ? this.#queue.take() : undefined) keys.push(key)
    return keys
  }

  async #decideAll(keys: readonly string[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const nowMs = this.#clock.nowMs()
    return this.#store.update(tx => {
      const outcomes: Outcome[] = []
      let writes = 0
      for (const key of keys) {
        if (writes >= WRITES_PER_UPDATE_MAX) break
        const decision = this.#reconciler.decide(tx, key, nowMs)
        writes += decision.writes.length
        applyWrites(tx, decision.writes)
        outcomes.push({ key, wakeAtMs: decision.wakeAtMs })
      }
      return outcomes
    }, signal)
  }

  #settle(keys: readonly string[], outcomes: readonly Outcome[]): void {
    for (const key of keys.slice(outcomes.length)) this.#queue.add(key)
    for (const { key, wakeAtMs } of outcomes) this.#wakeAt(key, wakeAtMs)
  }

  #failed(key: string, error: unknown): void {
    // Without a leader or a quorum all keys fail alike, and raft says so itself.
    const isUnavailable = error instanceof ShoalError && error.kind === 'unavailable'
    if (isUnavailable) this.#logger.debug('decision was not committed, trying again', { key, err: error })
    else this.#logger.warn('decision failed, trying again', { key, err: error })
    this.#wakeAt(key, this.#clock.nowMs() + RETRY_DELAY_MS)
  }

  #wakeAt(key: string, atMs: number | undefined): void {
    this.#timers.get(key)?.cancel()
    this.#timers.delete(key)
    if (atMs === undefined) return
    const delayMs = atMs - this.#clock.nowMs()
    if (delayMs <= 0) return this.#queue.add(key)
    this.#timers.set(key, this.#clock.after(Math.min(delayMs, WAKE_DELAY_MAX_MS), () => {
      this.#timers.delete(key)
      this.#queue.add(key)
    }))
  }
}

function applyWrites(tx: StoreTx, writes: readonly StoreWrite[]): void {
  for (const write of writes) {
    if (write.action === 'remove') tx.remove(write.kind, write.id)
    else if (write.action === 'create') tx.create(write.kind, write.object)
    else tx.update(write.kind, write.object)
  }
}
