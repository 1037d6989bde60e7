import { isTaskDesired, isTerminal, stateOf } from '../../src/api/swarm/task-state.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/logger.ts'
import { TaskGroup } from '../../src/base/task-group.ts'
import { followStore } from '../store/follow-store.ts'
import type { ObjectStore, StoreChange, StoreCommit } from '../store/object-store.ts'
import { changesPlacement, placedTask, planPlacements, type Placement } from './plan-placements.ts'

/** Quiet time after a change before a plan is made, so that a service's tasks are placed together; and the longest wait. */
const DEBOUNCE_MS = 50
const DEBOUNCE_MAX_MS = 1_000
/** Tasks written in one store update: bounds the log entry. */
const WRITES_PER_UPDATE_MAX = 500
/** Wait after a failed update. */
const RETRY_DELAY_MS = 100

/** Places pending tasks on nodes while this manager leads. It keeps nothing but the question whether there is something to do. */
export class Scheduler implements AsyncDisposable {
  readonly #store: ObjectStore
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #tasks: TaskGroup
  #firstChangeMs: number | undefined
  #lastChangeMs = 0
  #unplaced = 0
  #wake: (() => void) | undefined

  constructor(options: { readonly store: ObjectStore; readonly clock: Clock; readonly logger: Logger }) {
    this.#store = options.store
    this.#clock = options.clock
    this.#logger = options.logger.with({ loop: 'scheduler' })
    this.#tasks = new TaskGroup(this.#logger)
  }

  /** Call once. */
  start(): void {
    this.#tasks.run('watch', signal => followStore({ store: this.#store, clock: this.#clock, logger: this.#logger }, commit => { if (this.#isRelevant(commit)) this.#changed() }, signal))
    this.#tasks.run('place', signal => this.#work(signal))
  }

  async [Symbol.asyncDispose](): Promise<void> { await this.#tasks[Symbol.asyncDispose]() }

  #isRelevant({ changes }: StoreCommit): boolean {
    return changes === 'all' || changes.some(change => asksForPlace(change) || (this.#unplaced > 0 && mayMakeRoom(change)))
  }

  #changed(): void {
    this.#lastChangeMs = this.#clock.monotonicMs()
    this.#firstChangeMs ??= this.#lastChangeMs
    this.#wake?.()
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#quiet(signal)
      try {
        await this.#place(signal)
      } catch (err) {
        signal.throwIfAborted()
        this.#logger.warn('placing failed, trying again', { err })
        this.#changed()
        await this.#clock.sleep(RETRY_DELAY_MS, signal)
      }
    }
  }

  /** Resolves when there was a change and then quiet, or changes for long enough. */
  async #quiet(signal: AbortSignal): Promise<void> {
    if (this.#firstChangeMs === undefined) await this.#nextChange(signal)
    for (;;) {
      const dueMs = Math.min(this.#lastChangeMs + DEBOUNCE_MS, (this.#firstChangeMs ?? 0) + DEBOUNCE_MAX_MS)
      const leftMs = dueMs - this.#clock.monotonicMs()
      if (leftMs <= 0) break
      await this.#clock.sleep(leftMs, signal)
    }
    this.#firstChangeMs = undefined
  }

  async #nextChange(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    let onAbort = (): void => {}
    try {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve
        onAbort = () => reject(signal.reason as Error)
        signal.addEventListener('abort', onAbort, { once: true })
      })
    } finally {
      this.#wake = undefined
      signal.removeEventListener('abort', onAbort)
    }
  }

  async #place(signal: AbortSignal): Promise<void> {
    const plan = planPlacements(this.#store.view(), this.#clock.nowMs())
    this.#unplaced = plan.unplaced
    for (let at = 0; at < plan.placements.length; at += WRITES_PER_UPDATE_MAX) {
      await this.#commit(plan.placements.slice(at, at + WRITES_PER_UPDATE_MAX), signal)
    }
    if (plan.placements.length > 0) this.#logger.debug('placed tasks', { decisions: plan.placements.length, unplaced: plan.unplaced })
  }

  async #commit(placements: readonly Placement[], signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.nowMs()
    await this.#store.update(tx => {
      for (const placement of placements) {
        const task = placedTask(tx.get('task', placement.taskId), placement, nowMs)
        if (task !== undefined) tx.update('task', task)
      }
    }, signal)
  }
}

/** A task became pending, or a pending one is no longer wanted. */
function asksForPlace(change: StoreChange): boolean {
  if (change.kind !== 'task' || change.action === 'remove' || stateOf(change.object) !== 'pending') return false
  const { object: task, old } = change
  return old === undefined || stateOf(old) !== 'pending' || isTaskDesired(old) !== isTaskDesired(task)
}

/** Something that may let a task in which found no place before. */
function mayMakeRoom(change: StoreChange): boolean {
  if (change.kind === 'node') return change.action === 'remove' || changesPlacement(change.object, change.old)
  if (change.kind !== 'task') return false
  if (change.action === 'remove') return true
  const { object: task, old } = change
  return old !== undefined && (isTerminal(stateOf(old)) !== isTerminal(stateOf(task)) || isTaskDesired(old) !== isTaskDesired(task))
}
