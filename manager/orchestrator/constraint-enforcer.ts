import { nodeMeetsConstraints } from '../../src/api/swarm/constraint.ts'
import type { Node, Task } from '../../src/api/swarm/objects.ts'
import type { GenericResource } from '../../src/api/swarm/specs.ts'
import { isTaskDesired, occupiesNode } from '../../src/api/swarm/task-state.ts'
import type { StoreChange, StoreView } from '../store/object-store.ts'
import type { Decision, Reconciler } from '../store/reconciler.ts'
import { WRITES_PER_DECISION_MAX } from './service-plan.ts'

/**
 * Rejects tasks whose node no longer suits them: constraints of the service as it is now, reservations, generic resources.
 * The orchestrator then puts them elsewhere. Key: a node id; paused and drained nodes are left alone.
 */
export class ConstraintEnforcer implements Reconciler {
  readonly name = 'constraint-enforcer'

  decide(view: StoreView, key: string, nowMs: number): Decision {
    const node = view.get('node', key)
    if (node === undefined || (node.spec?.availability ?? 'active') !== 'active') return { writes: [] }
    const left = new NodeRoom(node)
    const misfits = view.tasksOfNode(key).filter(task => occupiesNode(task) && isTaskDesired(task))
      .filter(task => !nodeMeetsConstraints(constraintsOf(view, task), node) || !left.takeIfFits(task))
    const writes = misfits.slice(0, WRITES_PER_DECISION_MAX).map(task => ({ action: 'update', kind: 'task', object: rejected(task, nowMs) }) as const)
    return misfits.length > writes.length ? { writes, wakeAtMs: nowMs } : { writes }
  }

  *keys(view: StoreView): Iterable<string> { for (const node of view.list('node')) yield node.id }

  *keysOf(change: StoreChange): Iterable<string> {
    if (change.kind === 'node' && change.action === 'update') yield change.object.id
  }
}

function constraintsOf(view: StoreView, task: Task): readonly string[] {
  const service = view.get('service', task.serviceId)
  return (service?.spec?.task ?? task.spec)?.placement?.constraints ?? []
}

function rejected(task: Task, nowMs: number): Task {
  const status = task.status ?? { hostPorts: [], appliedBy: '' }
  return {
    ...task,
    status: {
      ...status, state: 'rejected', timestampMs: nowMs, appliedAtMs: nowMs,
      message: 'task rejected by constraint enforcer', err: 'assigned node no longer meets constraints',
    },
  }
}

/** A node's capacity while its tasks are counted against it, in order of task id. */
class NodeRoom {
  /** A node that has not described itself yet rejects nothing. */
  readonly #isKnown: boolean
  #nanoCpus: number
  #memoryBytes: number
  readonly #discrete = new Map<string, number>()
  readonly #named = new Set<string>()

  constructor(node: Node) {
    const resources = node.description?.resources
    this.#isKnown = resources !== undefined
    this.#nanoCpus = resources?.nanoCpus ?? 0
    this.#memoryBytes = resources?.memoryBytes ?? 0
    for (const { kind, discrete, named } of resources?.generic ?? []) {
      if (named !== undefined) this.#named.add(`${kind}/${named}`)
      else this.#discrete.set(kind, (this.#discrete.get(kind) ?? 0) + (discrete ?? 0))
    }
  }

  takeIfFits(task: Task): boolean {
    if (!this.#isKnown) return true
    const reserved = task.spec?.resources?.reservations
    const nanoCpus = reserved?.nanoCpus ?? 0
    const memoryBytes = reserved?.memoryBytes ?? 0
    if ((nanoCpus > 0 && nanoCpus > this.#nanoCpus) || (memoryBytes > 0 && memoryBytes > this.#memoryBytes)) return false
    if (!task.genericResources.every(resource => this.#has(resource))) return false
    this.#nanoCpus -= nanoCpus
    this.#memoryBytes -= memoryBytes
    for (const { kind, discrete = 0, named } of task.genericResources) {
      if (named === undefined) this.#discrete.set(kind, (this.#discrete.get(kind) ?? 0) - discrete)
    }
    return true
  }

  #has({ kind, discrete = 0, named }: GenericResource): boolean {
    return named !== undefined ? this.#named.has(`${kind}/${named}`) : (this.#discrete.get(kind) ?? 0) >= discrete
  }
}
