import { taskHistoryLimitOf } from '../../src/api/swarm/defaults.ts'
import type { Service, Task } from '../../src/api/swarm/objects.ts'
import { hasStopped, isAtLeast, isJobMode, isTaskDesired, isTerminal, occupiesSlot, serviceMode, stateOf } from '../../src/api/swarm/task-state.ts'
import type { StoreChange, StoreView } from '../store/object-store.ts'
import type { Decision, Reconciler } from '../store/reconciler.ts'
import { WRITES_PER_DECISION_MAX } from './service-plan.ts'
import { groupSlots } from './slots.ts'

/** The key of tasks that belong to no service: containers attached to a network. */
const NO_SERVICE = ''
/** An attachment that got no address is kept for who waits to read it, and removes it. */
const REFUSED_KEPT_MS = 60_000

/**
 * Deletes tasks that are of no further use: those to be removed that have stopped, and what a slot's history limit does not keep.
 * Key: a service id, or "" for tasks without a service.
 */
export class TaskReaper implements Reconciler {
  readonly name = 'task-reaper'

  decide(view: StoreView, key: string, nowMs: number): Decision {
    const tasks = key === NO_SERVICE ? view.list('task').filter(task => task.serviceId === '') : view.tasksOfService(key)
    const service = view.get('service', key)
    const ended = tasks.filter(task => task.spec?.attachment !== undefined && isTerminal(stateOf(task)) && !isRemovable(task))
    const doomed = [...tasks.filter(isRemovable), ...ended.filter(task => nowMs >= keptUntilMs(task)), ...(service === undefined ? [] : beyondHistory(view, service, tasks))]
    const writes = doomed.slice(0, WRITES_PER_DECISION_MAX).map(task => ({ action: 'remove', kind: 'task', id: task.id }) as const)
    if (doomed.length > writes.length) return { writes, wakeAtMs: nowMs }
    const keptMs = ended.map(keptUntilMs).filter(untilMs => untilMs > nowMs)
    return keptMs.length > 0 ? { writes, wakeAtMs: Math.min(...keptMs) } : { writes }
  }

  *keys(view: StoreView): Iterable<string> {
    yield NO_SERVICE
    yield* new Set([...view.list('service').map(service => service.id), ...view.list('task').map(task => task.serviceId)])
  }

  *keysOf(change: StoreChange, view: StoreView): Iterable<string> {
    if (change.kind === 'task' && change.action !== 'remove' && concernsReaper(change.object, change.old)) yield change.object.serviceId
    if (change.kind === 'service' && change.action !== 'remove') yield change.object.id
    if (change.kind === 'cluster' && taskHistoryLimitOf(change.old) !== taskHistoryLimitOf(change.object)) yield* this.keys(view)
  }
}

/** A slot has grown, or something in it has ended or is to go. */
function concernsReaper(task: Task, old: Task | undefined): boolean {
  // Only on nodes do tasks come into a slot with a past without replacing one: when the node is back.
  if (old === undefined) return task.restart !== undefined || task.slot === 0 || task.desiredState === 'remove' || isTerminal(stateOf(task))
  return isTerminal(stateOf(old)) !== isTerminal(stateOf(task)) || (old.desiredState !== task.desiredState && !isTaskDesired(task))
}

/** To be removed and not on a node, or no longer running there. A task without a service is also done with when its node is gone. */
function isRemovable(task: Task): boolean {
  if (task.serviceId === '' && isAtLeast(stateOf(task), 'orphaned')) return true
  return task.desiredState === 'remove' && hasStopped(task)
}

/** An attachment ends with its container, and goes at once. */
function keptUntilMs(task: Task): number {
  return task.networks.length > 0 ? 0 : (task.status?.appliedAtMs ?? 0) + REFUSED_KEPT_MS
}

function beyondHistory(view: StoreView, service: Service, tasks: readonly Task[]): Task[] {
  const mode = serviceMode(service)
  const limit = historyLimit(view, service)
  if (isJobMode(mode) || limit < 0) return []
  return groupSlots(tasks, mode === 'global' ? 'node' : 'number').flatMap(slot => {
    // The youngest stays whatever the limit: it may be what keeps a finished slot from being filled again.
    const stopped = slot.tasks.slice(0, -1).filter(task => !occupiesSlot(task) && hasStopped(task) && !isWatched(service, task))
    const excess = slot.tasks.length - limit
    return excess <= 0 ? [] : stopped.slice(0, excess)
  })
}

/** A limit on restarts needs as many tasks, and the one before the first. */
function historyLimit(view: StoreView, service: Service): number {
  const attemptsMax = service.spec?.task?.restart?.attemptsMax ?? 0
  return attemptsMax > 0 ? attemptsMax + 1 : taskHistoryLimitOf(view.cluster())
}

/** The failures of a running update are counted from its tasks. */
function isWatched(service: Service, task: Task): boolean {
  const { updateStatus } = service
  const isRolling = updateStatus?.state === 'updating' || updateStatus?.state === 'rollback-started'
  return isRolling && task.restart?.byUpdate === true && task.restart.updateStartedAtMs === updateStatus?.startedAtMs
}
