import type { TaskState } from '../../src/api/swarm/objects.ts'
import { compareTaskStates, isAtLeast, isTerminal } from '../../src/api/swarm/task-state.ts'

/** The next step of a task: nothing to do, a state to report, or a controller's method with the state that its success means. */
export type TaskOp =
  | { readonly kind: 'none' }
  | { readonly kind: 'report'; readonly to: TaskStep }
  | { readonly kind: 'run'; readonly action: 'prepare' | 'start' | 'wait' | 'shutdown'; readonly to: TaskStep }

export interface TaskStep { readonly state: TaskState; readonly message: string }

/**
 * The state machine of a task on its node (T06, D03, D04). Preparing, starting and running go on by themselves; assigned, accepted and ready are
 * pause points, left only when more is desired. Shutdown or more desired: stop, from wherever it is, unless it has ended.
 */
export function nextOp(state: TaskState, desired: TaskState): TaskOp {
  if (isTerminal(state)) return { kind: 'none' }
  if (isAtLeast(desired, 'shutdown')) return { kind: 'run', action: 'shutdown', to: { state: 'shutdown', message: 'shutdown' } }
  if (compareTaskStates(state, desired) > 0) return { kind: 'none' }
  switch (state) {
    case 'preparing': return { kind: 'run', action: 'prepare', to: { state: 'ready', message: 'prepared' } }
    case 'starting': return { kind: 'run', action: 'start', to: { state: 'running', message: 'started' } }
    case 'running': return { kind: 'run', action: 'wait', to: { state: 'complete', message: 'finished' } }
  }
  if (compareTaskStates(state, desired) >= 0) return { kind: 'none' }
  switch (state) {
    case 'new':
    case 'pending':
    case 'assigned': return { kind: 'report', to: { state: 'accepted', message: 'accepted' } }
    case 'accepted': return { kind: 'report', to: { state: 'preparing', message: 'preparing' } }
    case 'ready': return { kind: 'report', to: { state: 'starting', message: 'starting' } }
    default: return { kind: 'none' }
  }
}

/** T07: what a fatal error means. Failing before it was started, the task was never accepted by this node. */
export function stateAfterFailure(state: TaskState): TaskState {
  return compareTaskStates(state, 'starting') < 0 ? 'rejected' : 'failed'
}
