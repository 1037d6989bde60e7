import type { Task } from '../../src/api/swarm/objects.ts'
import { isTaskLive, occupiesNode, stateOf } from '../../src/api/swarm/task-state.ts'
import type { StoreChange, StoreView } from '../store/object-store.ts'
import type { Decision, Reconciler } from '../store/reconciler.ts'
import { Allocation } from './allocation.ts'
import { allocateEndpoints } from './allocate-endpoints.ts'
import { allocateNetworks } from './allocate-networks.ts'
import { allocateNodes } from './allocate-nodes.ts'
import { allocateTasks } from './allocate-tasks.ts'

const KEY = 'cluster'

/**
 * Gives networks, services, nodes and tasks their subnets, addresses and ports. One key, because all share the same pools:
 * one decision serves everything that waits. What is in use is a pure function of the objects, so freeing needs no code (L14).
 */
export class Allocator implements Reconciler {
  readonly name = 'allocator'

  keys(): Iterable<string> { return [KEY] }

  keysOf(change: StoreChange): Iterable<string> { return concernsAllocation(change) ? [KEY] : [] }

  decide(view: StoreView, _key: string, nowMs: number): Decision {
    const allocation = new Allocation(view)
    allocateNetworks(allocation)
    allocateEndpoints(allocation)
    allocateNodes(allocation)
    const hasMore = allocateTasks(allocation, nowMs)
    const writes = allocation.writes()
    return hasMore ? { writes, wakeAtMs: nowMs } : { writes }
  }
}

/** Most changes are task states that move nothing here; those must cost nothing. */
function concernsAllocation(change: StoreChange): boolean {
  switch (change.kind) {
    case 'network': case 'service': case 'cluster': return true
    case 'node': return change.action !== 'update' || change.object.attachments.length === 0 || change.object.attachments.length < (change.old?.attachments.length ?? 0)
    case 'task': return change.action === 'update' ? concernsNode(change.object, change.old) : stateOf(change.object) === 'new' || change.object.networks.length > 0
    default: return false
  }
}

function concernsNode(task: Task, old: Task | undefined): boolean {
  if (stateOf(task) === 'new') return true
  return task.networks.length > 0 && (old === undefined || occupiesNode(task) !== occupiesNode(old) || isTaskLive(task) !== isTaskLive(old))
}
