import { hasStopped, occupiesSlot } from '../../src/api/swarm/task-state.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import { shouldRestart } from './restart-policy.ts'
import { isHeldBack, needsRestart, releaseTask, restartTask } from './restart-task.ts'
import type { ServicePlan } from './service-plan.ts'
import { type Slot, youngest } from './slots.ts'
import { isTaskDirty } from './task-dirty.ts'

/** Restarts what failed in one slot and releases what waited long enough. */
export function tendSlot(plan: ServicePlan, slot: Slot): void {
  for (const task of slot.live) {
    if (!needsRestart(plan, task)) releaseTask(plan, task, slot)
    else if (hasSuccessor(plan, task, slot)) plan.desire(task, 'shutdown')
    else if (!isHeldBack(plan, task)) restartTask(plan, task, slot)
  }
}

/** Of two tasks in a slot one replacement is enough: during a start-first update the failing old task needs none, the new one is it. */
function hasSuccessor(plan: ServicePlan, task: Task, slot: Slot): boolean {
  return slot.live.some(({ id }) => {
    const other = id === task.id ? undefined : plan.task(id)
    return other !== undefined && occupiesSlot(other) && !isTaskDirty(plan.service, other, plan.node(other.nodeId))
  })
}

/**
 * What a slot counts as. `finished`: nothing is wanted in it and its policy wants no restart; it stays occupied until an update.
 * `dead`: nothing is wanted in it though the policy would restart; it is emptied. A rollback replaces finished tasks too, so they count as dead.
 */
export function slotFate(plan: ServicePlan, slot: Slot): 'live' | 'finished' | 'dead' {
  if (slot.live.length > 0) return 'live'
  if (plan.service.updateStatus?.state === 'rollback-started') return 'dead'
  const last = youngest(slot)
  return last !== undefined && !shouldRestart(last, slot.tasks, { isJob: false }) ? 'finished' : 'dead'
}

/** Deletes what has stopped and has the rest stopped and deleted; the slot is free at once and keeps no history. */
export function clearSlot(plan: ServicePlan, tasks: readonly Task[]): void {
  for (const task of tasks) {
    if (hasStopped(task)) plan.remove(task)
    else plan.desire(task, 'remove')
  }
}
