import { jobSizeOf } from '../../src/api/swarm/defaults.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import { isTaskDesired, isTaskLive, stateOf } from '../../src/api/swarm/task-state.ts'
import { retireOldIterations, tendJobTask } from './job-tasks.ts'
import { newTask } from './new-task.ts'
import type { ServicePlan } from './service-plan.ts'
import { groupSlots } from './slots.ts'

/**
 * A replicated job: slots 0..n-1 are each run until done, at most m at a time. A slot whose task failed for good is not filled again.
 */
export function reconcileReplicatedJob(plan: ServicePlan): void {
  const iteration = retireOldIterations(plan)
  const current = (): Task[] => plan.tasks().filter(task => task.jobIteration === iteration)
  for (const slot of groupSlots(current(), 'number')) {
    if (plan.isFull) return
    for (const task of slot.tasks) if (isTaskDesired(task)) tendJobTask(plan, task, slot)
  }
  startRuns(plan, iteration, current())
}

function startRuns(plan: ServicePlan, iteration: number, tasks: readonly Task[]): void {
  const { maxConcurrent, totalCompletions } = jobSizeOf(plan.service.spec?.replicatedJob)
  const used = new Set(tasks.map(task => task.slot))
  const running = tasks.filter(task => isTaskDesired(task) && isTaskLive(task)).length
  const done = new Set(tasks.filter(task => stateOf(task) === 'complete').map(task => task.slot)).size
  let missing = Math.min(maxConcurrent - running, totalCompletions - done - running)
  for (let slot = 0; slot < totalCompletions && missing > 0 && !plan.isFull; slot++) {
    if (used.has(slot)) continue
    missing--
    plan.create(newTask({
      id: plan.createId(), service: plan.service, cluster: plan.cluster, nowMs: plan.nowMs, slot, nodeId: '', desiredState: 'complete', jobIteration: iteration,
    }))
  }
}
