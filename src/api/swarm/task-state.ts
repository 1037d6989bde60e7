import type { Task, TaskState } from './objects.ts'

/** Numeric values as in swarmkit: a task's state only grows, and the larger of two observations is the truth. */
const RANK: Readonly<Record<TaskState, number>> = {
  new: 0, pending: 64, assigned: 192, accepted: 256, preparing: 320, ready: 384, starting: 448, running: 512,
  complete: 576, shutdown: 640, failed: 704, rejected: 768, remove: 800, orphaned: 832,
}

/** Negative when `a` comes before `b`, 0 when equal. A state this build does not know comes first. */
export function compareTaskStates(a: TaskState, b: TaskState): number {
  return rankOf(a) - rankOf(b)
}

/** The state a task was last seen in. */
export function stateOf(task: Task): TaskState {
  return task.status?.state ?? 'new'
}

/** The task did not finish yet: its state is at most running. */
export function isTaskLive(task: Task): boolean {
  return rankOf(stateOf(task)) <= RANK.running
}

/** The task is wanted to run: its desired state is at most running (complete for jobs counts too). */
export function isTaskDesired(task: Task): boolean {
  return rankOf(task.desiredState) <= RANK.complete
}

function rankOf(state: TaskState): number {
  return RANK[state] ?? -1
}
