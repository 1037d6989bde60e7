import { isDeepStrictEqual } from 'node:util'
import type { Assignment, AssignmentChange, NetworkTable } from '../../src/api/swarm/dispatcher.ts'
import type { Node, Task } from '../../src/api/swarm/objects.ts'
import { compareTaskStates, isTaskLive, stateOf } from '../../src/api/swarm/task-state.ts'
import type { StoreView } from '../store/object-store.ts'

/** All a node should have, by kind and id, in the order it needs it: secrets, configs and networks before the tasks that use them. */
export type AssignmentSet = ReadonlyMap<string, Assignment>

/**
 * Computes what belongs on a node.
 * @param sent what it has: a task that is new to it waits until the node has its own address on the task's networks (D-131)
 * @param tableOf the node's table of a network
 */
export function assignmentSet(view: StoreView, nodeId: string, sent: AssignmentSet, tableOf: (networkId: string, node: Node) => NetworkTable | undefined): AssignmentSet {
  const node = view.get('node', nodeId)
  if (node === undefined) return new Map()
  const tasks = view.tasksOfNode(nodeId).filter(task => belongsOnNode(task) && (sent.has(`task/${task.id}`) || hasNetworks(node, task)))
  const set = new Map<string, Assignment>()
  for (const task of tasks) if (isTaskLive(task)) addSecretsAndConfigs(view, task, set)
  for (const { networkId } of node.attachments) {
    const network = tableOf(networkId, node)
    if (network !== undefined) set.set(`network/${networkId}`, { network })
  }
  for (const task of tasks) set.set(`task/${task.id}`, { task })
  return set
}

/** The changes that lead from one set to the other: what is new or different, then what is gone, tasks before what they used (P08). */
export function diffAssignments(from: AssignmentSet, to: AssignmentSet): AssignmentChange[] {
  const changes: AssignmentChange[] = []
  for (const [key, assignment] of to) {
    const before = from.get(key)
    if (before === undefined || !isSameAssignment(before, assignment)) changes.push({ assignment, action: 'update' })
  }
  const gone = [...from].filter(([key]) => !to.has(key)).reverse()
  return [...changes, ...gone.map(([, assignment]) => ({ assignment: withoutContent(assignment), action: 'remove' as const }))]
}

function belongsOnNode(task: Task): boolean { return compareTaskStates(stateOf(task), 'assigned') >= 0 }

function hasNetworks(node: Node, task: Task): boolean {
  if (!isTaskLive(task)) return true
  return task.networks.every(attachment => attachment.addresses.length === 0 || node.attachments.some(own => own.networkId === attachment.networkId))
}

function addSecretsAndConfigs(view: StoreView, task: Task, set: Map<string, Assignment>): void {
  for (const { secretId } of task.spec?.container?.secrets ?? []) {
    const secret = view.get('secret', secretId)
    if (secret !== undefined) set.set(`secret/${secretId}`, { secret })
  }
  for (const { configId } of task.spec?.container?.configs ?? []) {
    const config = view.get('config', configId)
    if (config !== undefined) set.set(`config/${configId}`, { config })
  }
}

function isSameAssignment(a: Assignment, b: Assignment): boolean {
  if (a.task !== undefined && b.task !== undefined) return isSameOrder(a.task, b.task)
  if (a.network !== undefined) return a.network === b.network
  if (a.secret !== undefined) return a.secret.meta?.version === b.secret?.meta?.version
  return a.config?.meta?.version === b.config?.meta?.version
}

/** The node is told the same by both: their status is what it told us itself (P07). */
function isSameOrder(a: Task, b: Task): boolean {
  if (a === b) return true
  const { status: _a, meta: _ma, restart: _ra, ...orderA } = a
  const { status: _b, meta: _mb, restart: _rb, ...orderB } = b
  return a.desiredState === b.desiredState && isDeepStrictEqual(orderA, orderB)
}

function withoutContent(assignment: Assignment): Assignment {
  const { task, secret, config, network } = assignment
  if (secret !== undefined) return { secret: { id: secret.id } }
  if (config !== undefined) return { config: { id: config.id } }
  return task === undefined && network === undefined ? {} : assignment
}
