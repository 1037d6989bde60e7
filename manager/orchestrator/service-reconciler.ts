import type { Node, Service, Task } from '../../src/api/swarm/objects.ts'
import { hasStopped, isTerminal, serviceMode, stateOf } from '../../src/api/swarm/task-state.ts'
import { assertNever } from '../../src/base/errors.ts'
import type { StoreChange, StoreView, StoreWrite } from '../store/object-store.ts'
import type { Decision, Reconciler } from '../store/reconciler.ts'
import { reconcileGlobal } from './global-service.ts'
import { reconcileGlobalJob } from './global-job.ts'
import { isNodeLost } from './node-fitness.ts'
import { reconcileReplicated } from './replicated-service.ts'
import { reconcileReplicatedJob } from './replicated-job.ts'
import { ServicePlan, WRITES_PER_DECISION_MAX } from './service-plan.ts'

/**
 * What should exist: makes, restarts, updates and retires the tasks of services. Key: a service id, also of a service that is gone
 * while tasks of it are left. One decider for all that concerns a service, so that restarts, scaling and updates never work against each other (D-120).
 */
export class ServiceReconciler implements Reconciler {
  readonly name = 'orchestrator'
  readonly #createId: () => string

  constructor(options: { readonly createId: () => string }) { this.#createId = options.createId }

  *keys(view: StoreView): Iterable<string> {
    for (const service of view.list('service')) yield service.id
    const gone = new Set<string>()
    for (const { serviceId } of view.list('task')) {
      if (serviceId !== '' && view.get('service', serviceId) === undefined) gone.add(serviceId)
    }
    yield* gone
  }

  *keysOf(change: StoreChange, view: StoreView): Iterable<string> {
    if (change.kind === 'service') yield change.object.id
    if (change.kind === 'task' && change.object.serviceId !== '' && (change.action === 'remove' || concernsService(view, change.object, change.old))) {
      yield change.object.serviceId
    }
    if (change.kind === 'node' && (change.action !== 'update' || change.old === undefined || concernsTasks(change.object, change.old))) {
      yield* servicesOfNode(view, change.object.id)
    }
  }

  decide(view: StoreView, key: string, nowMs: number): Decision {
    const service = view.get('service', key)
    if (service === undefined) return retireTasks(view.tasksOfService(key))
    const plan = new ServicePlan({ view, service, nowMs, createId: this.#createId })
    reconcile(plan)
    return plan.decision()
  }
}

function reconcile(plan: ServicePlan): void {
  const mode = serviceMode(plan.service)
  switch (mode) {
    case 'replicated': return reconcileReplicated(plan)
    case 'global': return reconcileGlobal(plan)
    case 'replicated-job': return reconcileReplicatedJob(plan)
    case 'global-job': return reconcileGlobalJob(plan)
    default: return assertNever(mode)
  }
}

/** The service is gone: its tasks follow. */
function retireTasks(tasks: readonly Task[]): Decision {
  const writes: StoreWrite[] = tasks.filter(task => hasStopped(task) || task.desiredState !== 'remove').slice(0, WRITES_PER_DECISION_MAX)
    .map(task => hasStopped(task) ? { action: 'remove', kind: 'task', id: task.id }
      : { action: 'update', kind: 'task', object: { ...task, desiredState: 'remove' } })
  return { writes }
}

/**
 * Most changes of tasks need no decision: steps on the way to running, and new tasks that replace nothing. Wishes, the end, a node
 * that was lost in the same moment do; for a replacement its beginning; and after updates the moment a task runs, on which others wait.
 */
function concernsService(view: StoreView, task: Task, old: Task | undefined): boolean {
  if (old === undefined) return task.restart !== undefined
  if (old.desiredState !== task.desiredState || isTerminal(stateOf(old)) !== isTerminal(stateOf(task))) return true
  if (stateOf(task) === 'running' && stateOf(old) !== 'running') return wasUpdated(view.get('service', task.serviceId))
  return old.nodeId !== task.nodeId && isNodeLost(view.get('node', task.nodeId))
}

/** Tasks of two templates may stand side by side: one that runs may mean that another goes. */
function wasUpdated(service: Service | undefined): boolean { return service?.updateStatus !== undefined || service?.previousSpec !== undefined }

function concernsTasks(node: Node, old: Node): boolean {
  return node.status?.state !== old.status?.state || node.status?.addr !== old.status?.addr || node.spec !== old.spec || node.role !== old.role
    || node.description !== old.description
}

/** Those with a task there, and those that might want one. */
function servicesOfNode(view: StoreView, nodeId: string): Set<string> {
  const ids = new Set(view.tasksOfNode(nodeId).map(task => task.serviceId).filter(id => id !== ''))
  for (const service of view.list('service')) {
    const mode = serviceMode(service)
    if (mode === 'global' || mode === 'global-job') ids.add(service.id)
  }
  return ids
}
