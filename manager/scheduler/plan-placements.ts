import type { Node, Task } from '../../src/api/swarm/objects.ts'
import type { GenericResource } from '../../src/api/swarm/specs.ts'
import { isTaskDesired, isTerminal, serviceMode, stateOf } from '../../src/api/swarm/task-state.ts'
import type { StoreView } from '../store/object-store.ts'
import { createFilters, explain, isFit, type Filter } from './filters.ts'
import { NodeLoad } from './node-load.ts'
import { PlacementTree, spreadLevels } from './placement-tree.ts'

/** Failures older than this no longer count against a node. */
const FAILURE_MEMORY_MS = 5 * 60_000

/** What is to become of one pending task. */
export type Placement =
  | { readonly kind: 'assign'; readonly taskId: string; readonly nodeId: string; readonly generic: readonly GenericResource[]; readonly isPreassigned: boolean }
  | { readonly kind: 'explain'; readonly taskId: string; readonly err: string }
  | { readonly kind: 'shut-down'; readonly taskId: string }

export interface PlacementPlan {
  readonly placements: readonly Placement[]
  /** Pending tasks that stay so: any change of nodes or tasks may help them. */
  readonly unplaced: number
}

/** Places all pending tasks. Pure: the same view gives the same plan, and a plan that was carried out leaves nothing to do (D-123). */
export function planPlacements(view: StoreView, nowMs: number): PlacementPlan {
  const pending: Task[] = []
  const running: Task[] = []
  const placements: Placement[] = []
  for (const task of view.list('task')) {
    if (stateOf(task) !== 'pending') running.push(task)
    else if (isTaskDesired(task)) pending.push(task)
    else if (task.desiredState === 'shutdown') placements.push({ kind: 'shut-down', taskId: task.id })
  }
  if (pending.length === 0) return { placements, unplaced: 0 }
  const run = new Run(view, loadsOf(view, running, nowMs))
  for (const task of pending) if (task.nodeId !== '') run.confirm(task)
  for (const group of groupsOf(pending)) run.spread(group)
  return { placements: [...placements, ...run.placements], unplaced: run.unplaced }
}

/** The node's tasks, and the failures of tasks that the scheduler chose a node for. */
function loadsOf(view: StoreView, tasks: readonly Task[], nowMs: number): Map<string, NodeLoad> {
  const loads = new Map(view.list('node').map(node => [node.id, new NodeLoad(node)]))
  for (const task of tasks) {
    const load = task.nodeId === '' ? undefined : loads.get(task.nodeId)
    if (load === undefined) continue
    if (!isTerminal(stateOf(task))) load.add(task)
    else if (isRecentFailure(view, task, nowMs)) load.addFailure(groupKey(task))
  }
  return loads
}

function isRecentFailure(view: StoreView, task: Task, nowMs: number): boolean {
  const state = stateOf(task)
  if (state !== 'failed' && state !== 'rejected') return false
  if ((task.status?.appliedAtMs ?? 0) + FAILURE_MEMORY_MS < nowMs) return false
  const service = view.get('service', task.serviceId)
  return service !== undefined && (serviceMode(service) === 'replicated' || serviceMode(service) === 'replicated-job')
}

function groupKey(task: Task): string { return `${task.serviceId}/${task.specVersion}` }

/** Tasks of one service and spec version are alike, and are placed together; the lowest slots come first. */
function groupsOf(pending: readonly Task[]): Task[][] {
  const groups = new Map<string, Task[]>()
  for (const task of pending) {
    if (task.nodeId !== '') continue
    const key = groupKey(task)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [task])
    else group.push(task)
  }
  return [...groups.values()].map(group => group.sort((a, b) => a.slot - b.slot))
}

/** One pass over the pending tasks: each placement weighs on the next. */
class Run {
  readonly placements: Placement[] = []
  unplaced = 0
  readonly #view: StoreView
  readonly #loads: ReadonlyMap<string, NodeLoad>

  constructor(view: StoreView, loads: ReadonlyMap<string, NodeLoad>) {
    this.#view = view
    this.#loads = loads
  }

  /** A task that was made for a node only has to pass the filters there. */
  confirm(task: Task): void {
    const load = this.#loads.get(task.nodeId)
    // A container that asks for a network runs there already, whatever the node is open to.
    const filters = task.spec?.attachment === undefined ? createFilters(task, this.#view) : []
    if (load !== undefined && isFit(filters, load)) this.#assign(task, load, true)
    else this.#leave(task, explain(filters, load === undefined ? [] : [load]))
  }

  spread(group: readonly Task[]): void {
    const [first] = group
    if (first === undefined) return
    const filters = createFilters(first, this.#view)
    const fit = (load: NodeLoad): boolean => isFit(filters, load)
    const levels = spreadLevels(first.spec?.placement?.preferences ?? [])
    const tree = new PlacementTree([...this.#loads.values()].filter(fit), levels, { serviceId: first.serviceId, key: groupKey(first) })
    for (const [index, task] of group.entries()) {
      if (tree.placeNext(fit, load => this.#assign(task, load, false)) !== undefined) continue
      this.#leaveAll(group.slice(index), filters)
      return
    }
  }

  #assign(task: Task, load: NodeLoad, isPreassigned: boolean): void {
    const generic = load.generic.choose(task.spec?.resources?.reservations?.generic ?? [])
    load.add({ ...task, nodeId: load.node.id, genericResources: generic })
    this.placements.push({ kind: 'assign', taskId: task.id, nodeId: load.node.id, generic, isPreassigned })
  }

  #leaveAll(tasks: readonly Task[], filters: readonly Filter[]): void {
    const reason = explain(filters, [...this.#loads.values()])
    for (const task of tasks) this.#leave(task, reason)
  }

  #leave(task: Task, reason: string): void {
    this.unplaced++
    const err = reason === '' ? 'no suitable node' : `no suitable node (${reason})`
    if (task.status?.err !== err) this.placements.push({ kind: 'explain', taskId: task.id, err })
  }
}

/** The task after its placement, or undefined when it is no longer pending: somebody was faster. */
export function placedTask(task: Task | undefined, placement: Placement, nowMs: number): Task | undefined {
  if (task?.status === undefined || task.status.state !== 'pending') return undefined
  const status = { ...task.status, timestampMs: nowMs, appliedAtMs: nowMs }
  switch (placement.kind) {
    case 'explain':
      return { ...task, status: { ...status, err: placement.err } }
    case 'shut-down':
      return isTaskDesired(task) ? undefined : { ...task, status: { ...status, state: 'shutdown', message: 'shutdown', err: '' } }
    case 'assign': {
      if (!isTaskDesired(task)) return undefined
      const message = placement.isPreassigned ? 'scheduler confirmed task can run on preassigned node' : 'scheduler assigned task to node'
      return { ...task, nodeId: placement.nodeId, genericResources: placement.generic, status: { ...status, state: 'assigned', message, err: '' } }
    }
  }
}

/** True when a node changed in what placement depends on. */
export function changesPlacement(node: Node, old: Node | undefined): boolean {
  return old === undefined || node.status?.state !== old.status?.state || node.status?.addr !== old.status?.addr || node.role !== old.role
    || node.spec !== old.spec || node.description !== old.description
}
