import type { Service, Task, TaskState } from './objects.ts'

/** The Lamport clock of a task: of two observations the larger number is the truth (numbers as in swarmkit). */
export const TASK_STATE_NUMBERS: Readonly<Record<TaskState, number>> = {
  new: 0, pending: 64, assigned: 192, accepted: 256, preparing: 320, ready: 384, starting: 448, running: 512,
  complete: 576, shutdown: 640, failed: 704, rejected: 768, remove: 800, orphaned: 832,
}

/** The number of a state. A state this build does not know came off the wire as its number. */
function taskStateNumber(state: TaskState): number {
  return typeof state === 'number' ? state : TASK_STATE_NUMBERS[state]
}

/** Negative when `a` comes before `b`, 0 when they are the same, positive when it comes after. */
export function compareTaskStates(a: TaskState, b: TaskState): number {
  return taskStateNumber(a) - taskStateNumber(b)
}

/** True when `state` is `limit` or comes before it. */
export function isAtMost(state: TaskState, limit: TaskState): boolean { return compareTaskStates(state, limit) <= 0 }

/** True when `state` is `limit` or comes after it. */
export function isAtLeast(state: TaskState, limit: TaskState): boolean { return compareTaskStates(state, limit) >= 0 }

/** What was last observed of a task; a task without a status is new. */
export function stateOf(task: Pick<Task, 'status'>): TaskState { return task.status?.state ?? 'new' }

/** True when the task has ended, however it ended: nothing of it runs any more. */
export function isTerminal(state: TaskState): boolean { return compareTaskStates(state, 'running') > 0 }

/** True when the system wants the task to run, now or soon (ready is held back, complete is a job's running). */
export function isTaskDesired(task: Pick<Task, 'desiredState'>): boolean { return isAtMost(task.desiredState, 'complete') }

/** True when the task of a replicated or global service is wanted; such tasks are the ones that occupy their slot. */
export function occupiesSlot(task: Pick<Task, 'desiredState'>): boolean { return isAtMost(task.desiredState, 'running') }

/** True when the task did not end yet, as far as was observed. */
export function isTaskLive(task: Pick<Task, 'status'>): boolean { return !isTerminal(stateOf(task)) }

/** True when the task is on a node and has not ended: it may hold addresses, ports and memory there. */
export function occupiesNode(task: Pick<Task, 'status' | 'nodeId'>): boolean {
  const state = stateOf(task)
  return task.nodeId !== '' && isAtLeast(state, 'assigned') && !isTerminal(state)
}

/** True when the task was told to stop before it reached a node: no agent will ever report on it. */
function willNeverRun(task: Pick<Task, 'status' | 'desiredState'>): boolean {
  return compareTaskStates(stateOf(task), 'assigned') < 0 && compareTaskStates(task.desiredState, 'complete') > 0
}

/** Nothing of the task runs, or ever will again. */
export function hasStopped(task: Pick<Task, 'status' | 'desiredState'>): boolean {
  return isTerminal(stateOf(task)) || willNeverRun(task)
}

export type ServiceMode = 'replicated' | 'global' | 'replicated-job' | 'global-job'

/** The mode of a service; a spec without one is refused by validation and counts as replicated. */
export function serviceMode(service: Pick<Service, 'spec'>): ServiceMode {
  if (service.spec?.global !== undefined) return 'global'
  if (service.spec?.replicatedJob !== undefined) return 'replicated-job'
  if (service.spec?.globalJob !== undefined) return 'global-job'
  return 'replicated'
}

/** True for the modes whose tasks are meant to end. */
export function isJobMode(mode: ServiceMode): boolean { return mode === 'replicated-job' || mode === 'global-job' }
