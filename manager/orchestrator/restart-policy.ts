import { restartPolicyOf } from '../../src/api/swarm/defaults.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import { stateOf } from '../../src/api/swarm/task-state.ts'

/**
 * Whether the policy frozen into `task` wants another one in its place. History is what is left of it in the slot: each retained
 * replacement of the same spec version counts as one restart (the reaper keeps attemptsMax + 1 tasks, so none is missed).
 */
export function shouldRestart(task: Task, slotTasks: readonly Task[], options: { readonly isJob: boolean }): boolean {
  const { condition, attemptsMax, windowMs } = restartPolicyOf(task.spec?.restart)
  if (condition === 'none') return false
  const failureOnly = condition === 'on-failure' || options.isJob
  if (failureOnly && stateOf(task) === 'complete') return false
  if (attemptsMax === 0) return true
  return countRestarts(task, slotTasks, windowMs) < attemptsMax
}

/** Restarts up to and including the making of `task`; with a window, only those within it before the failure. */
function countRestarts(task: Task, slotTasks: readonly Task[], windowMs: number): number {
  const sinceMs = windowMs === 0 ? -Infinity : (task.status?.appliedAtMs ?? 0) - windowMs
  const bornMs = task.meta?.createdAtMs || Infinity
  return slotTasks.filter(other => {
    const madeMs = other.meta?.createdAtMs || Infinity
    return isRestart(other) && other.specVersion === task.specVersion && other.jobIteration === task.jobIteration
      && madeMs <= bornMs && madeMs > sinceMs
  }).length
}

function isRestart(task: Task): boolean {
  return task.restart !== undefined && task.restart.predecessorId !== '' && !task.restart.byUpdate
}
