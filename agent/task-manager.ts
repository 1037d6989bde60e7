import { make } from '../src/api/codec/codec.ts'
import type { Task, TaskState, TaskStatus } from '../src/api/swarm/objects.ts'
import { compareTaskStates, isAtLeast } from '../src/api/swarm/task-state.ts'
import { abortable } from '../src/base/abort.ts'
import type { Clock } from '../src/base/clock.ts'
import { messageOf } from '../src/base/errors.ts'
import type { Logger } from '../src/base/logger.ts'
import { isRetryable, type Controller } from './exec/controller.ts'
import { nextOp, stateAfterFailure, type TaskOp } from './exec/next-op.ts'

/** A03. */
const RETRY_MS = 1_000

export interface TaskManagerOptions {
  readonly task: Task
  /** Where it stands: from the database after a restart, else as assigned. */
  readonly status: TaskStatus
  readonly controller: Controller
  readonly clock: Clock
  readonly logger: Logger
  /** Told of every new status, in order, before the next step. */
  readonly onStatus: (taskId: string, status: TaskStatus) => Promise<void>
}

/**
 * Drives one task with its controller, one step at a time, as nextOp() says. A desire to stop interrupts the step that runs.
 * dispose() leaves the task as it is, running; remove() stops it and removes every trace.
 */
export class TaskManager implements AsyncDisposable {
  readonly controller: Controller
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #onStatus: TaskManagerOptions['onStatus']
  readonly #life = new AbortController()
  readonly #ended: Promise<void>
  #task: Task
  #status: TaskStatus
  #isRemoving = false
  /** Aborted, and replaced, when what is desired changes. */
  #desire = new AbortController()
  /** Stops the step that runs, if it should not go on. */
  #interrupt: () => void = () => {}

  constructor(options: TaskManagerOptions) {
    this.#task = options.task
    this.#status = options.status
    this.controller = options.controller
    this.#clock = options.clock
    this.#logger = options.logger.with({ taskId: options.task.id })
    this.#onStatus = options.onStatus
    this.#ended = this.#run()
  }

  get task(): Task { return this.#task }
  get status(): TaskStatus { return this.#status }

  /** Takes a newer version of the task. A lower desired state is ignored: desires only grow (D06). */
  update(task: Task): void {
    const isLower = compareTaskStates(task.desiredState, this.#task.desiredState) < 0
    const hasChanged = compareTaskStates(task.desiredState, this.#task.desiredState) > 0
    this.#task = isLower ? { ...task, desiredState: this.#task.desiredState } : task
    this.controller.update(this.#task)
    if (hasChanged) this.#wake()
  }

  /** Resolves when nothing of the task is left, or at dispose. */
  async remove(): Promise<void> {
    this.#isRemoving = true
    this.#wake()
    await this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new Error('the agent stops'))
    this.#wake()
    await this.#ended
  }

  get #desired(): TaskState { return this.#isRemoving ? 'remove' : this.#task.desiredState }

  #wake(): void {
    const desire = this.#desire
    this.#desire = new AbortController()
    desire.abort(new Error('the desired state changed'))
    this.#interrupt()
  }

  async #run(): Promise<void> {
    while (!this.#life.signal.aborted) {
      const { signal } = this.#desire
      const op = nextOp(this.#status.state, this.#desired)
      if (op.kind === 'report') await this.#advance(op.to.state, op.to.message, '')
      else if (op.kind === 'run') await this.#perform(op)
      else if (!this.#isRemoving) await aborted(signal)
      else if (await this.#removeTraces()) return
    }
  }

  async #perform(op: Extract<TaskOp, { kind: 'run' }>): Promise<void> {
    const isStop = op.action === 'shutdown'
    const step = new AbortController()
    this.#interrupt = () => {
      if (this.#life.signal.aborted || (!isStop && isAtLeast(this.#desired, 'shutdown'))) step.abort(new Error('interrupted'))
    }
    try {
      await this.controller[op.action](step.signal)
      await this.#advance(op.to.state, op.to.message, '')
    } catch (err) {
      if (step.signal.aborted) return
      if (!isStop && !isRetryable(err)) return await this.#advance(stateAfterFailure(this.#status.state), this.#status.message, messageOf(err))
      this.#logger.debug('step failed, will try again', { action: op.action, err })
      await this.#pause()
    } finally {
      this.#interrupt = () => {}
    }
  }

  async #removeTraces(): Promise<boolean> {
    try {
      await this.controller.remove(this.#life.signal)
      return true
    } catch (err) {
      if (!this.#life.signal.aborted) this.#logger.warn('cannot remove task, will try again', { err })
      await this.#pause()
      return false
    }
  }

  /** RETRY_MS, or less when the agent stops or the desire changes. */
  async #pause(): Promise<void> {
    if (this.#life.signal.aborted) return
    try {
      await this.#clock.sleep(RETRY_MS, this.#desire.signal)
    } catch (error) {
      if (error !== this.#desire.signal.reason && !this.#life.signal.aborted) this.#logger.debug('pause cut short', { err: error })
    }
  }

  async #advance(state: TaskState, message: string, err: string): Promise<void> {
    const seen = await this.#observe(state)
    this.#status = make('TaskStatus', { state, timestampMs: this.#clock.nowMs(), message, err, ...seen })
    await this.#onStatus(this.#task.id, this.#status)
  }

  async #observe(state: TaskState): Promise<Pick<TaskStatus, 'container' | 'hostPorts'>> {
    const last = { hostPorts: this.#status.hostPorts, ...(this.#status.container === undefined ? {} : { container: this.#status.container }) }
    if (compareTaskStates(state, 'ready') < 0) return last
    try {
      const { container, hostPorts } = await this.controller.observe()
      return container === undefined ? last : { container, hostPorts }
    } catch (error) {
      this.#logger.warn('cannot observe container', { err: error })
      return last
    }
  }
}

/** Resolves, never rejects, when the signal is aborted. */
async function aborted(signal: AbortSignal): Promise<void> {
  await abortable(new Promise<never>(() => {}), signal).catch(() => { /* that is the wake-up */ })
}
