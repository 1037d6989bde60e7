import { compileConstraints } from '../../src/api/swarm/constraint.ts'
import type { Node } from '../../src/api/swarm/objects.ts'
import { newTask } from './new-task.ts'
import { isNodeLost } from './node-fitness.ts'
import type { ServicePlan } from './service-plan.ts'
import { slotFate, tendSlot } from './slot-restarts.ts'
import type { Slot } from './slots.ts'
import { updateSlots } from './updater.ts'

/** A global service: one task on each node that is neither lost nor excluded by constraints; a paused node keeps what it has. */
export function reconcileGlobal(plan: ServicePlan): void {
  const isMet = compileConstraints(plan.service.spec?.task?.placement?.constraints)
  const nodes = new Map(plan.nodes().map(node => [node.id, node]))
  for (const slot of plan.slots('node')) {
    if (plan.isFull) return
    tendNodeSlot(plan, slot, nodes.get(slot.nodeId), isMet)
  }
  const slots = plan.slots('node')
  const occupied = new Set(slots.filter(slot => slotFate(plan, slot) !== 'dead').map(slot => slot.nodeId))
  const open = [...nodes.values()].filter(node => isOpen(node) && isMet(node))
  for (const node of open) {
    if (plan.isFull) return
    if (!occupied.has(node.id)) addTask(plan, node)
  }
  const openIds = new Set(open.map(node => node.id))
  // Nodes that come back after the update has ended follow at once, without an update status.
  const isImmediate = plan.service.updateStatus?.state === 'completed' || plan.service.updateStatus?.state === 'rollback-completed'
  updateSlots(plan, slots.filter(slot => openIds.has(slot.nodeId) && occupied.has(slot.nodeId)), { isImmediate })
}

function isOpen(node: Node): boolean { return !isNodeLost(node) && node.spec?.availability !== 'pause' }

function tendNodeSlot(plan: ServicePlan, slot: Slot, node: Node | undefined, isMet: (node: Node) => boolean): void {
  if (node === undefined) for (const task of slot.tasks) plan.remove(task)
  else if (isNodeLost(node) || !isMet(node)) for (const task of slot.live) plan.desire(task, 'shutdown')
  else if (isOpen(node)) tendSlot(plan, slot)
}

function addTask(plan: ServicePlan, node: Node): void {
  plan.create(newTask({
    id: plan.createId(), service: plan.service, cluster: plan.cluster, nowMs: plan.nowMs, slot: 0, nodeId: node.id, desiredState: 'running',
  }))
}
