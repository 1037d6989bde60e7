import type { Task } from '../../src/api/swarm/objects.ts'
import { hasStopped, stateOf } from '../../src/api/swarm/task-state.ts'
import { isHeldBack, needsRestart, releaseTask, restartTask } from './restart-task.ts'
import type { ServicePlan } from './service-plan.ts'
import type { Slot } from './slots.ts'

/**
 * Each update of a job starts its next iteration; tasks of earlier ones go.
 * @returns the current iteration
 */
export function retireOldIterations(plan: ServicePlan): number {
  const iteration = plan.service.jobStatus?.iteration ?? 0
  for (const task of plan.tasks()) {
    if (plan.isFull) break
    if (task.jobIteration === iteration) continue
    if (hasStopped(task)) plan.remove(task)
    else plan.desire(task, 'remove')
  }
  return iteration
}

/** Restarts a wanted task that failed or lost its node, and releases one that waited long enough. A completed one is left alone (D-122). */
export function tendJobTask(plan: ServicePlan, task: Task, slot: Slot): void {
  if (stateOf(task) === 'complete') return
  if (!needsRestart(plan, task)) releaseTask(plan, task, slot)
  else if (!isHeldBack(plan, task)) restartTask(plan, task, slot)
}
