import { PREDECESSOR_STOP_LIMIT_MS, restartPolicyOf } from '../../src/api/swarm/defaults.ts'
import type { Task, TaskState } from '../../src/api/swarm/objects.ts'
import { hasStopped, isTerminal, isJobMode, serviceMode, stateOf } from '../../src/api/swarm/task-state.ts'
import { newTask } from './new-task.ts'
import { isNodeDead, isNodeLost } from './node-fitness.ts'
import { shouldRestart } from './restart-policy.ts'
import type { ServicePlan } from './service-plan.ts'
import type { Slot } from './slots.ts'

/** True for a wanted task that ended, or whose node is gone, down or drained. */
export function needsRestart(plan: ServicePlan, task: Task): boolean {
  return isTerminal(stateOf(task)) || (task.nodeId !== '' && isNodeLost(plan.node(task.nodeId)))
}

/** True while a failed replacement waits for the end of its own delay: failing fast must not restart fast. */
export function isHeldBack(plan: ServicePlan, task: Task): boolean {
  const held = task.desiredState === 'ready' && (task.restart?.notBeforeMs ?? 0) > plan.nowMs
  if (held) plan.wakeAt(task.restart?.notBeforeMs ?? 0)
  return held
}

/** Shuts `task` down and, if its policy says so, puts a new one in its slot: held back at ready until the delay is over. */
export function restartTask(plan: ServicePlan, task: Task, slot: Slot): void {
  const isJob = isJobMode(serviceMode(plan.service))
  plan.desire(task, 'shutdown')
  if (!shouldRestart(task, slot.tasks, { isJob })) return
  const node = plan.node(task.nodeId)
  const isNodeSilent = task.nodeId !== '' && isNodeDead(node)
  // The delay keeps what fails from failing in a tight loop. A task that was moved did not fail (D-124).
  const isMoved = node?.spec?.availability === 'drain' || (isNodeSilent && !isTerminal(stateOf(task)))
  const notBeforeMs = plan.nowMs + (isMoved ? 0 : restartPolicyOf(task.spec?.restart).delayMs)
  plan.create(newTask({
    id: plan.createId(), service: plan.service, cluster: plan.cluster, nowMs: plan.nowMs,
    slot: task.slot, nodeId: slot.nodeId, desiredState: 'ready',
    restart: {
      predecessorId: task.id, notBeforeMs, byUpdate: false, updateStartedAtMs: 0, runningAtMs: 0,
      waitForPredecessor: !isTerminal(stateOf(task)) && !isNodeSilent,
    },
    ...(task.jobIteration !== undefined && { jobIteration: task.jobIteration }),
  }))
  plan.wakeAt(notBeforeMs)
}

/** Lets a replacement run once its delay is over and what ran in the slot before has stopped (or had a minute to). */
export function releaseTask(plan: ServicePlan, task: Task, slot: Slot): void {
  if (task.desiredState !== 'ready' || isTerminal(stateOf(task))) return
  const notBeforeMs = task.restart?.notBeforeMs ?? 0
  if (notBeforeMs > plan.nowMs) return plan.wakeAt(notBeforeMs)
  const limitMs = notBeforeMs + PREDECESSOR_STOP_LIMIT_MS
  if (task.restart?.waitForPredecessor === true && limitMs > plan.nowMs && slot.tasks.some(other => other.id !== task.id && isStopping(plan, other))) {
    return plan.wakeAt(limitMs)
  }
  const running: TaskState = isJobMode(serviceMode(plan.service)) ? 'complete' : 'running'
  plan.desire(task, running)
}

/** Told to stop, and may still run where somebody hears it. */
function isStopping(plan: ServicePlan, task: Task): boolean {
  return task.desiredState === 'shutdown' && !hasStopped(task) && !(task.nodeId !== '' && isNodeDead(plan.node(task.nodeId)))
}
