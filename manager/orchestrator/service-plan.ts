import type { Cluster, Node, Service, Task, TaskState } from '../../src/api/swarm/objects.ts'
import { compareTaskStates } from '../../src/api/swarm/task-state.ts'
import type { StoreView, StoreWrite } from '../store/object-store.ts'
import type { Decision } from '../store/reconciler.ts'
import { groupSlots, type Slot } from './slots.ts'

/** Writes of one decision: bounds the log entry to about a megabyte. A larger job goes on at once with the next decision. */
export const WRITES_PER_DECISION_MAX = 1_000

/**
 * One service and its tasks while a decision about them is made: later steps see what earlier ones planned.
 * Lives only as long as one call of decide().
 */
export class ServicePlan {
  readonly nowMs: number
  readonly createId: () => string
  readonly #view: StoreView
  readonly #tasks: Map<string, Task>
  readonly #writes = new Map<string, StoreWrite>()
  /** Valid until a task changes. */
  #slots: { readonly by: 'number' | 'node'; readonly slots: readonly Slot[] } | undefined
  readonly #nodes = new Map<string, Node | undefined>()
  #service: Service
  #wakeAtMs = Infinity

  constructor(options: { readonly view: StoreView; readonly service: Service; readonly nowMs: number; readonly createId: () => string }) {
    this.#view = options.view
    this.#service = options.service
    this.nowMs = options.nowMs
    this.createId = options.createId
    this.#tasks = new Map(options.view.tasksOfService(options.service.id).map(task => [task.id, task]))
  }

  get service(): Service { return this.#service }
  get cluster(): Cluster | undefined { return this.#view.cluster() }
  /** True when the next step should wait for the next decision. Steps check it between slots, so a slot's writes stay together. */
  get isFull(): boolean { return this.#writes.size >= WRITES_PER_DECISION_MAX }

  node(id: string): Node | undefined {
    if (!this.#nodes.has(id)) this.#nodes.set(id, this.#view.get('node', id))
    return this.#nodes.get(id)
  }

  nodes(): readonly Node[] { return this.#view.list('node') }
  tasks(): Task[] { return [...this.#tasks.values()] }
  task(id: string): Task | undefined { return this.#tasks.get(id) }

  /** The slots as they are by now. */
  slots(by: 'number' | 'node'): readonly Slot[] {
    if (this.#slots?.by !== by) this.#slots = { by, slots: groupSlots(this.#tasks.values(), by) }
    return this.#slots.slots
  }

  create(task: Task): void {
    this.#slots = undefined
    this.#tasks.set(task.id, task)
    this.#writes.set(task.id, { action: 'create', kind: 'task', object: task })
  }

  update(task: Task): void {
    const action = this.#writes.get(task.id)?.action === 'create' ? 'create' : 'update'
    this.#slots = undefined
    this.#tasks.set(task.id, task)
    this.#writes.set(task.id, { action, kind: 'task', object: task })
  }

  remove(task: Task): void {
    this.#slots = undefined
    this.#tasks.delete(task.id)
    if (this.#writes.get(task.id)?.action === 'create') this.#writes.delete(task.id)
    else this.#writes.set(task.id, { action: 'remove', kind: 'task', id: task.id })
  }

  /** Raises the desired state; it never goes down. */
  desire(task: Task, desiredState: TaskState): void {
    const current = this.#tasks.get(task.id) ?? task
    if (compareTaskStates(current.desiredState, desiredState) < 0) this.update({ ...current, desiredState })
  }

  updateService(service: Service): void {
    this.#service = service
    this.#writes.set(service.id, { action: 'update', kind: 'service', object: service })
  }

  /** Look at this service again at `atMs`; the earliest wish counts. */
  wakeAt(atMs: number): void { this.#wakeAtMs = Math.min(this.#wakeAtMs, atMs) }

  decision(): Decision {
    const writes = [...this.#writes.values()]
    const wakeAtMs = this.isFull ? this.nowMs : this.#wakeAtMs
    return wakeAtMs === Infinity ? { writes } : { writes, wakeAtMs }
  }
}
