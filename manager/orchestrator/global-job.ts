import { compileConstraints } from '../../src/api/swarm/constraint.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import { isTaskDesired, stateOf } from '../../src/api/swarm/task-state.ts'
import { retireOldIterations, tendJobTask } from './job-tasks.ts'
import { newTask } from './new-task.ts'
import { isNodeLost } from './node-fitness.ts'
import type { ServicePlan } from './service-plan.ts'
import { groupSlots, type Slot } from './slots.ts'

/** A global job: one completed run on each active and ready node that meets the constraints, also on nodes that join later. */
export function reconcileGlobalJob(plan: ServicePlan): void {
  const iteration = retireOldIterations(plan)
  const current = (): Task[] => plan.tasks().filter(task => task.jobIteration === iteration)
  for (const slot of groupSlots(current(), 'node')) {
    if (plan.isFull) return
    tendNode(plan, slot)
  }
  const ran = new Set(groupSlots(current(), 'node').filter(hasRun).map(slot => slot.nodeId))
  const isMet = compileConstraints(plan.service.spec?.task?.placement?.constraints)
  for (const node of plan.nodes()) {
    if (plan.isFull) return
    const isFit = node.status?.state === 'ready' && (node.spec?.availability ?? 'active') === 'active' && isMet(node)
    if (!isFit || ran.has(node.id)) continue
    plan.create(newTask({
      id: plan.createId(), service: plan.service, cluster: plan.cluster, nowMs: plan.nowMs, slot: 0, nodeId: node.id,
      desiredState: 'complete', jobIteration: iteration,
    }))
  }
}

function tendNode(plan: ServicePlan, slot: Slot): void {
  const isLost = isNodeLost(plan.node(slot.nodeId))
  for (const task of slot.tasks) {
    if (!isTaskDesired(task)) continue
    if (isLost && stateOf(task) !== 'complete') plan.desire(task, 'shutdown')
    else if (!isLost) tendJobTask(plan, task, slot)
  }
}

/** True unless all that ever was on the node was cut short because the node was lost. */
function hasRun(slot: Slot): boolean {
  return slot.tasks.some(task => isTaskDesired(task) || ['complete', 'failed', 'rejected'].includes(stateOf(task)))
}
