import { make } from '../src/api/codec/codec.ts'
import type { Assignment, AssignmentChange, AssignmentsMessage } from '../src/api/swarm/dispatcher.ts'
import type { Task, TaskStatus } from '../src/api/swarm/objects.ts'
import { compareTaskStates } from '../src/api/swarm/task-state.ts'
import type { Clock } from '../src/base/clock.ts'
import type { Logger } from '../src/base/logger.ts'
import { TaskGroup } from '../src/base/task-group.ts'
import type { Dependency, DependencyRef, Executor } from './exec/executor.ts'
import { refOf } from './exec/executor.ts'
import type { Reporter } from './reporter.ts'
import type { TaskDb } from './task-db.ts'
import { TaskManager } from './task-manager.ts'

export interface WorkerOptions {
  readonly executor: Executor
  readonly db: TaskDb
  readonly reporter: Reporter
  readonly clock: Clock
  readonly logger: Logger
}

/** Keeps this node's tasks as the managers assigned them: one TaskManager each, remembered over a restart. */
export class Worker implements AsyncDisposable {
  readonly #executor: Executor
  readonly #db: TaskDb
  readonly #reporter: Reporter
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #managers = new Map<string, TaskManager>()
  readonly #removals: TaskGroup
  readonly #watchers = new Set<(manager: TaskManager) => void>()

  constructor(options: WorkerOptions) {
    this.#executor = options.executor
    this.#db = options.db
    this.#reporter = options.reporter
    this.#clock = options.clock
    this.#logger = options.logger
    this.#removals = new TaskGroup(options.logger)
  }

  /** Takes the tasks of before the restart up again (A02). */
  async start(): Promise<void> {
    for (const { task, status } of await this.#db.load()) this.#manage(task, status)
  }

  /** Applies one message of the assignments stream. A complete set stops and removes everything that it does not list (P11). */
  async assign(message: AssignmentsMessage): Promise<void> {
    const updates = message.changes.filter(change => change.action === 'update')
    for (const { assignment } of updates) for (const dependency of dependenciesOf(assignment)) this.#executor.provide(dependency)
    await this.#put(updates.flatMap(({ assignment }) => assignment?.task ?? []))
    const gone = message.type === 'complete' ? this.#unlisted(updates) : removalsOf(message.changes)
    for (const taskId of gone.taskIds) this.#remove(taskId)
    for (const ref of gone.dependencies) this.#executor.withdraw(ref)
  }

  /** Every task's newest status, for a manager that may know an older one. */
  statuses(): readonly (readonly [taskId: string, status: TaskStatus])[] {
    return [...this.#managers].map(([taskId, manager]) => [taskId, manager.status])
  }

  tasks(): readonly TaskManager[] { return [...this.#managers.values()] }

  /** Calls back whenever a task's status changed; returns how to stop. */
  watch(callback: (manager: TaskManager) => void): () => void {
    this.#watchers.add(callback)
    return () => this.#watchers.delete(callback)
  }

  /** Stops and removes every task: this node leaves the swarm. */
  async removeAll(): Promise<void> {
    await Promise.all([...this.#managers.keys()].map(taskId => this.#forget(taskId)))
    for (const ref of this.#executor.provided()) this.#executor.withdraw(ref)
  }

  /** Containers go on running. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#managers.values()].map(manager => manager[Symbol.asyncDispose]()))
    await this.#removals[Symbol.asyncDispose]()
  }

  async #put(tasks: readonly Task[]): Promise<void> {
    await this.#db.putTasks(tasks)
    for (const task of tasks) {
      const manager = this.#managers.get(task.id)
      if (manager === undefined) this.#manage(task, undefined)
      else manager.update(task)
    }
  }

  #manage(task: Task, stored: TaskStatus | undefined): void {
    const assigned = task.status ?? make('TaskStatus', { state: 'assigned' })
    const status = stored !== undefined && compareTaskStates(stored.state, assigned.state) >= 0 ? stored : assigned
    this.#managers.set(task.id, new TaskManager({
      task, status, controller: this.#executor.createController(task), clock: this.#clock, logger: this.#logger,
      onStatus: (taskId, status) => this.#onStatus(taskId, status),
    }))
  }

  async #onStatus(taskId: string, status: TaskStatus): Promise<void> {
    try {
      await this.#db.putStatus(taskId, status)
    } catch (err) {
      // The task goes on: after a restart its state is found again from its container.
      this.#logger.error('cannot store task status', { taskId, err })
    }
    this.#reporter.report(taskId, status)
    const manager = this.#managers.get(taskId)
    if (manager !== undefined) for (const watcher of this.#watchers) watcher(manager)
  }

  #remove(taskId: string): void {
    this.#removals.run('remove task', () => this.#forget(taskId))
  }

  async #forget(taskId: string): Promise<void> {
    const manager = this.#managers.get(taskId)
    if (manager === undefined) return
    await manager.remove()
    // Disposed while removing: the next life goes on with it.
    if (this.#removals.signal.aborted || this.#managers.get(taskId) !== manager) return
    this.#managers.delete(taskId)
    this.#reporter.forget(taskId)
    await this.#db.removeTask(taskId)
  }

  #unlisted(updates: readonly AssignmentChange[]): { readonly taskIds: readonly string[]; readonly dependencies: readonly DependencyRef[] } {
    const taskIds = new Set(updates.map(({ assignment }) => assignment?.task?.id))
    const listed = new Set(updates.flatMap(({ assignment }) => dependenciesOf(assignment).map(refOf).map(keyOf)))
    return {
      taskIds: [...this.#managers.keys()].filter(id => !taskIds.has(id)),
      dependencies: this.#executor.provided().filter(ref => !listed.has(keyOf(ref))),
    }
  }
}

function removalsOf(changes: readonly AssignmentChange[]): { readonly taskIds: readonly string[]; readonly dependencies: readonly DependencyRef[] } {
  const removed = changes.filter(change => change.action === 'remove').map(change => change.assignment)
  return {
    taskIds: removed.flatMap(assignment => assignment?.task === undefined ? [] : [assignment.task.id]),
    dependencies: removed.flatMap(assignment => dependenciesOf(assignment).map(refOf)),
  }
}

function dependenciesOf(assignment: Assignment | undefined): readonly Dependency[] {
  if (assignment?.secret !== undefined) return [{ kind: 'secret', value: assignment.secret }]
  if (assignment?.config !== undefined) return [{ kind: 'config', value: assignment.config }]
  return assignment?.network === undefined ? [] : [{ kind: 'network', value: assignment.network }]
}

function keyOf(ref: DependencyRef): string { return `${ref.kind}/${ref.id}` }
