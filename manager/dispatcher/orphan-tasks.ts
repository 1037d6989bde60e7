import type { Task } from '../../src/api/swarm/objects.ts'
import { isTaskLive } from '../../src/api/swarm/task-state.ts'
import type { StoreChange, StoreView } from '../store/object-store.ts'
import type { Decision, Reconciler } from '../store/reconciler.ts'

const ORPHAN_AFTER_MS = 24 * 3_600_000
const MESSAGE = 'Task orphaned: its node has been down for 24 hours'

/** Gives up the tasks of a node that has been down for a day, which frees their addresses and ports (N04). Keys are node ids. */
export class TaskOrphaner implements Reconciler {
  readonly name = 'task-orphaner'

  keys(view: StoreView): Iterable<string> {
    return view.list('node').filter(node => node.status?.state === 'down').map(node => node.id)
  }

  keysOf(change: StoreChange): Iterable<string> {
    return change.kind === 'node' && change.action !== 'remove' && change.object.status?.state === 'down' ? [change.object.id] : []
  }

  decide(view: StoreView, key: string, nowMs: number): Decision {
    const node = view.get('node', key)
    if (node?.status?.state !== 'down' || node.downSinceMs === 0) return { writes: [] }
    const dueMs = node.downSinceMs + ORPHAN_AFTER_MS
    if (nowMs < dueMs) return { writes: [], wakeAtMs: dueMs }
    const live = view.tasksOfNode(key).filter(isTaskLive)
    return { writes: live.map(task => ({ action: 'update', kind: 'task', object: orphaned(task, nowMs) })) }
  }
}

function orphaned(task: Task, nowMs: number): Task {
  const blank = { appliedBy: '', err: '', hostPorts: [] }
  return { ...task, status: { ...blank, ...task.status, state: 'orphaned', timestampMs: nowMs, appliedAtMs: nowMs, message: MESSAGE } }
}
