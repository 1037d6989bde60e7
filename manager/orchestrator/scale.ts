import type { Task } from '../../src/api/swarm/objects.ts'
import { replicasOf } from '../../src/api/swarm/defaults.ts'
import { stateOf } from '../../src/api/swarm/task-state.ts'
import { newTask } from './new-task.ts'
import type { ServicePlan } from './service-plan.ts'
import { clearSlot } from './slot-restarts.ts'
import type { Slot } from './slots.ts'

/**
 * Brings the number of occupied slots to the number of replicas.
 * @returns the slots that stay
 */
export function scaleSlots(plan: ServicePlan, occupied: readonly Slot[]): readonly Slot[] {
  const replicas = replicasOf(plan.service.spec)
  if (occupied.length <= replicas) {
    fillSlots(plan, occupied, replicas - occupied.length)
    return occupied
  }
  const ranked = rankSlots(occupied)
  for (const slot of ranked.slice(replicas)) {
    if (plan.isFull) break
    clearSlot(plan, slot.tasks)
  }
  return ranked.slice(0, replicas).sort((a, b) => a.number - b.number)
}

/** New tasks take the lowest free numbers, from 1. */
function fillSlots(plan: ServicePlan, occupied: readonly Slot[], missing: number): void {
  const taken = new Set(occupied.map(slot => slot.number))
  for (let number = 1, left = missing; left > 0 && !plan.isFull; number++) {
    if (taken.has(number)) continue
    left--
    plan.create(newTask({
      id: plan.createId(), service: plan.service, cluster: plan.cluster, nowMs: plan.nowMs, slot: number, nodeId: '', desiredState: 'running',
    }))
  }
}

/** Those to keep first: the nth copy on a node ranks behind every (n-1)th, running before others; slots without a node or with two tasks go first. */
export function rankSlots(slots: readonly Slot[]): Slot[] {
  const copies = new Map<string, number>()
  const runningFirst = [...slots].sort((a, b) => Number(isRunning(b)) - Number(isRunning(a)) || a.number - b.number)
  const ranked = runningFirst.map(slot => {
    const nodeId = onlyTask(slot)?.nodeId ?? ''
    if (nodeId === '') return { slot, copy: Infinity }
    const copy = (copies.get(nodeId) ?? 0) + 1
    copies.set(nodeId, copy)
    return { slot, copy }
  })
  // Array.sort is stable, so running-first holds within the same copy number.
  return ranked.sort((a, b) => (a.copy === b.copy ? 0 : a.copy - b.copy)).map(({ slot }) => slot)
}

function onlyTask(slot: Slot): Task | undefined {
  const tasks = slot.live.length > 0 ? slot.live : slot.tasks.slice(-1)
  return tasks.length === 1 ? tasks[0] : undefined
}

function isRunning(slot: Slot): boolean { return slot.live.some(task => stateOf(task) === 'running') }
