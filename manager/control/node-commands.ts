import type { UpdateObjectRequest } from '../../src/api/swarm/control.ts'
import { nodeCertExpiryMsOf } from '../../src/api/swarm/defaults.ts'
import type { Cluster, Node, Task, TaskStatus } from '../../src/api/swarm/objects.ts'
import { invalidSpec } from '../../src/api/swarm/validate-annotations.ts'
import { isTaskLive } from '../../src/api/swarm/task-state.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { StoreTx } from '../store/object-store.ts'
import { findObject } from './find-object.ts'

const REMOVED_MARGIN_MS = 7 * 24 * 3_600_000

/** What consensus tells about managers. */
export interface ManagerMembership {
  /** The node is a member of the raft group now. */
  isMember(nodeId: string): boolean
  /** The remaining members, without this one, have a reachable majority. */
  canRemove(nodeId: string): boolean
}

/**
 * Changes labels, availability and the role wanted; the role manager brings the role about (N08).
 * @throws ShoalError `last-manager`, `quorum-loss` (failed-precondition), `out-of-sequence`
 */
export function updateNode(tx: StoreTx, request: UpdateObjectRequest, membership: ManagerMembership): void {
  const node = findObject(tx, 'node', request.id)
  const spec = request.spec?.node
  if (spec === undefined) throw invalidSpec('the update has no node spec')
  if (node.spec?.role === 'manager' && spec.role === 'worker') refuseBadDemotion(tx, node, membership)
  tx.update('node', { ...node, spec, meta: { createdAtMs: 0, updatedAtMs: 0, ...node.meta, version: request.version } })
}

/**
 * Deletes a node, refuses its certificate from now on and gives up its tasks (N06, X10).
 * @throws ShoalError `node-is-manager`, `node-not-down` (failed-precondition)
 */
export function removeNode(tx: StoreTx, options: { readonly ref: string; readonly force: boolean; readonly nowMs: number }, membership: ManagerMembership): void {
  const node = findObject(tx, 'node', options.ref)
  if (membership.isMember(node.id)) {
    throw new ShoalError('failed-precondition', 'node-is-manager', `node ${node.id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal`)
  }
  if (node.status?.state === 'ready' && !options.force) {
    throw new ShoalError('failed-precondition', 'node-not-down', `node ${node.id} is not down and can't be removed`)
  }
  const cluster = tx.cluster()
  if (cluster !== undefined) {
    tx.update('cluster', { ...cluster, removedNodes: [...cluster.removedNodes.filter(removed => !isForgettable(cluster, removed.removedAtMs, options.nowMs)), { nodeId: node.id, removedAtMs: options.nowMs }] })
  }
  for (const task of tx.tasksOfNode(node.id)) if (isTaskLive(task)) tx.update('task', orphaned(task, options.nowMs))
  tx.remove('node', node.id)
}

/** The certificate of a node removed so long ago has expired by itself. */
function isForgettable(cluster: Cluster, removedAtMs: number, nowMs: number): boolean {
  return removedAtMs + nodeCertExpiryMsOf(cluster) + REMOVED_MARGIN_MS < nowMs
}

function refuseBadDemotion(tx: StoreTx, node: Node, membership: ManagerMembership): void {
  const managers = tx.list('node').filter(candidate => candidate.spec?.role === 'manager')
  if (managers.length === 1) throw new ShoalError('failed-precondition', 'last-manager', 'attempting to demote the last manager of the swarm')
  if (membership.isMember(node.id) && !membership.canRemove(node.id)) {
    throw new ShoalError('failed-precondition', 'quorum-loss', "can't remove member from the raft: this would result in a loss of quorum")
  }
}

function orphaned(task: Task, nowMs: number): Task {
  const blank = { appliedBy: '', err: '', hostPorts: [] }
  const status: TaskStatus = {
    ...blank, ...task.status, state: 'orphaned', timestampMs: nowMs, appliedAtMs: nowMs, message: 'Task belonged to a node that has been deleted',
  }
  return { ...task, status }
}
