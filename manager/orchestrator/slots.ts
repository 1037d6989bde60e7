import type { Task } from '../../src/api/swarm/objects.ts'
import { occupiesSlot } from '../../src/api/swarm/task-state.ts'

/** The tasks that share a place: service + number, or service + node. Tasks that are to be removed no longer belong to it. */
export interface Slot {
  readonly number: number
  /** The node of a global slot, "" for a replicated one. */
  readonly nodeId: string
  /** Oldest first. */
  readonly tasks: readonly Task[]
  /** Those with desired state at most running, oldest first. More than one only while a start-first update replaces one. */
  readonly live: readonly Task[]
}

/** Slots in order of number, or of node id. */
export function groupSlots(tasks: Iterable<Task>, by: 'number' | 'node'): Slot[] {
  const groups = new Map<number | string, Task[]>()
  for (const task of tasks) {
    if (task.desiredState === 'remove') continue
    const key = by === 'number' ? task.slot : task.nodeId
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [task])
    else group.push(task)
  }
  return [...groups].map(([key, group]) => slotOf(group, by === 'node' ? String(key) : '')).sort(compareSlots)
}

function slotOf(group: Task[], nodeId: string): Slot {
  const tasks = group.length === 1 ? group : group.sort(compareAge)
  return { number: tasks[0]?.slot ?? 0, nodeId, tasks, live: tasks.every(occupiesSlot) ? tasks : tasks.filter(occupiesSlot) }
}

function compareSlots(a: Slot, b: Slot): number {
  return a.number - b.number || (a.nodeId < b.nodeId ? -1 : a.nodeId > b.nodeId ? 1 : 0)
}

/** Older first. A task that is not written yet is the youngest; in the same millisecond the predecessor is older. */
function compareAge(a: Task, b: Task): number {
  const aMs = a.meta?.createdAtMs || Infinity
  const bMs = b.meta?.createdAtMs || Infinity
  if (aMs !== bMs) return aMs < bMs ? -1 : 1
  if (b.restart?.predecessorId === a.id) return -1
  if (a.restart?.predecessorId === b.id) return 1
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}

export function youngest(slot: Slot): Task | undefined { return slot.tasks.at(-1) }
