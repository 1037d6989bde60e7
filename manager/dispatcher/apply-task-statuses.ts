import { isDeepStrictEqual } from 'node:util'
import type { TaskStatusUpdate } from '../../src/api/swarm/dispatcher.ts'
import type { Task, TaskStatus } from '../../src/api/swarm/objects.ts'
import { compareTaskStates, stateOf } from '../../src/api/swarm/task-state.ts'
import type { StoreTx } from '../store/object-store.ts'

/** Who applies the reports and when, by the leader's clock. */
export interface AppliedBy { readonly managerId: string; readonly nowMs: number }

/**
 * Writes what an agent observed. A task's state only grows: of two observations the larger is the truth and a smaller one is dropped (T02).
 * Unknown tasks, and those of other nodes, are skipped (P10).
 */
export function applyTaskStatuses(tx: StoreTx, nodeId: string, updates: readonly TaskStatusUpdate[], by: AppliedBy): void {
  for (const { taskId, status } of updates) {
    const task = tx.get('task', taskId)
    if (task === undefined || task.nodeId !== nodeId || status === undefined || !isNews(task, status)) continue
    tx.update('task', { ...task, status: { ...status, appliedAtMs: by.nowMs, appliedBy: by.managerId } })
  }
}

function isNews(task: Task, status: TaskStatus): boolean {
  const order = compareTaskStates(stateOf(task), status.state)
  if (order !== 0) return order < 0
  const { appliedAtMs: _at, appliedBy: _by, ...held } = task.status ?? status
  const { appliedAtMs: _newAt, appliedBy: _newBy, ...told } = status
  return !isDeepStrictEqual(held, told)
}
