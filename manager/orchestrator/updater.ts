import { updateConfigOf, type EffectiveUpdateConfig } from '../../src/api/swarm/defaults.ts'
import type { Service, Task } from '../../src/api/swarm/objects.ts'
import { isTerminal, occupiesSlot, stateOf } from '../../src/api/swarm/task-state.ts'
import { newTask } from './new-task.ts'
import type { ServicePlan } from './service-plan.ts'
import { type Slot, youngest } from './slots.ts'
import { isTaskDirty } from './task-dirty.ts'
import { act, complete, failedTask, monitorMsOf, startUpdate } from './update-status.ts'

/** A slot with its tasks split by whether they are made from the current template. */
interface UpdateSlot { readonly slot: Slot; readonly clean: readonly Task[]; readonly dirty: readonly Task[] }

/**
 * Replaces tasks made from an old template, a few slots at a time, watching for failures. All it remembers is in the service's
 * update status and in the tasks it made (TaskRestart.byUpdate), so a new leader goes on where the last one stopped (D-121).
 * @param isImmediate replaces all slots at once and keeps no status: for nodes that come back after the update
 */
export function updateSlots(plan: ServicePlan, slots: readonly Slot[], { isImmediate }: { readonly isImmediate: boolean }): void {
  if (plan.service.updateStatus === undefined && slots.every(slot => isCurrent(plan.service, slot))) return
  const split = slots.map(slot => splitSlot(plan, slot))
  for (const slot of split) retireReplaced(plan, slot)
  const own = ownTasks(plan)
  const ownIds = new Set(own.map(({ id }) => id))
  // A slot gets one try: where a start-first task failed for good, the old one stays.
  const pending = split.filter(({ slot, clean, dirty }) => clean.length === 0 && dirty.length > 0 && !slot.tasks.some(({ id }) => ownIds.has(id)))
  if (isImmediate) {
    for (const slot of pending) if (!plan.isFull) replace(plan, slot, 'stop-first')
    return
  }
  if (plan.service.updateStatus === undefined && pending.length === 0) return
  startUpdate(plan, pending.length)
  const state = plan.service.updateStatus?.state
  if (state === 'paused' || state === 'rollback-paused') return
  const isRolling = state === 'updating' || state === 'rollback-started'
  const config = configOf(plan.service)
  if (isRolling && stopsForFailure(plan, own, config)) return
  rollOn(plan, split, { own, pending, config, isRolling })
}

/** The common case, told without looking into the tasks. */
function isCurrent(service: Service, slot: Slot): boolean {
  return slot.live.length <= 1 && (slot.live[0] ?? youngest(slot))?.specVersion === service.specVersion
}

/** The rollback has its own config. */
function configOf(service: Service): EffectiveUpdateConfig {
  const isRollback = service.updateStatus?.state === 'rollback-started'
  return updateConfigOf(isRollback ? service.spec?.rollback : service.spec?.update)
}

/** What this very update made; restarts of them are not its own. */
function ownTasks(plan: ServicePlan): Task[] {
  const { specVersion, updateStatus } = plan.service
  return plan.tasks().filter(task => task.restart?.byUpdate === true && task.specVersion === specVersion
    && task.restart.updateStartedAtMs === updateStatus?.startedAtMs)
}

function splitSlot(plan: ServicePlan, slot: Slot): UpdateSlot {
  const candidates = slot.live.length > 0 ? slot.live : [youngest(slot)].filter(task => task !== undefined)
  const isDirty = (task: Task): boolean => isTaskDirty(plan.service, task, plan.node(task.nodeId))
  return { slot, clean: candidates.filter(task => !isDirty(task)), dirty: candidates.filter(isDirty) }
}

/** Once the new task runs, the old ones of its slot go; with stop-first they go as soon as there is a new one. Of two new ones the running one stays. */
function retireReplaced(plan: ServicePlan, { clean, dirty }: UpdateSlot): void {
  if (clean.length === 0) return
  const kept = clean.find(task => stateOf(task) === 'running') ?? clean[0]
  for (const task of clean) if (task !== kept) plan.desire(task, 'shutdown')
  const isStopFirst = configOf(plan.service).order === 'stop-first'
  if (isStopFirst || clean.some(task => stateOf(task) === 'running' && occupiesSlot(task))) {
    for (const task of dirty) plan.desire(task, 'shutdown')
  }
}

interface Rollout {
  readonly own: readonly Task[]
  readonly pending: readonly UpdateSlot[]
  readonly config: EffectiveUpdateConfig
  readonly isRolling: boolean
}

function rollOn(plan: ServicePlan, split: readonly UpdateSlot[], { own, pending, config, isRolling }: Rollout): void {
  noteRunning(plan, own)
  const busy = countBusy(plan, own.map(task => plan.task(task.id) ?? task), config)
  const free = config.parallelism === 0 ? Infinity : config.parallelism - busy
  let started = 0
  for (const slot of pending) {
    if (started >= free || plan.isFull) break
    replace(plan, slot, config.order)
    started++
  }
  const isTwofold = split.some(({ slot, clean, dirty }) => clean.length > 0 && dirty.length > 0 && slot.live.length > 1)
  if (isRolling && busy === 0 && pending.length === 0 && !isTwofold) complete(plan, config)
}

/** Workers of the update that are still at their slot: waiting for the new task to run, then for the delay. */
function countBusy(plan: ServicePlan, own: readonly Task[], config: EffectiveUpdateConfig): number {
  let busy = 0
  for (const task of own) {
    const doneMs = doneAtMs(task)
    if (doneMs === undefined) {
      if (occupiesSlot(task)) busy++
    } else if (doneMs + config.delayMs > plan.nowMs) {
      busy++
      plan.wakeAt(doneMs + config.delayMs)
    }
  }
  return busy
}

function doneAtMs(task: Task): number | undefined {
  if (task.restart !== undefined && task.restart.runningAtMs > 0) return task.restart.runningAtMs
  return isTerminal(stateOf(task)) ? task.status?.appliedAtMs ?? 0 : undefined
}

/** Writes down when a task was first seen running, for the delay and for the time its failures are watched. */
function noteRunning(plan: ServicePlan, own: readonly Task[]): void {
  for (const task of own) {
    if (plan.isFull) return
    const { restart } = task
    if (stateOf(task) !== 'running' || restart === undefined || restart.runningAtMs > 0) continue
    const current = plan.task(task.id) ?? task
    plan.update({ ...current, restart: { ...restart, runningAtMs: task.status?.appliedAtMs || plan.nowMs } })
  }
}

/** True when the failures of this update's tasks exceed the ratio: the update has then been paused or rolled back. */
function stopsForFailure(plan: ServicePlan, own: readonly Task[], config: EffectiveUpdateConfig): boolean {
  if (config.failureAction === 'continue') return false
  const failed = own.filter(task => failedTask(task, monitorMsOf(config)))
  const last = failed.at(-1)
  const total = Math.max(1, plan.service.updateStatus?.dirtySlotsTotal ?? 0)
  if (last === undefined || failed.length / total <= config.maxFailureRatio) return false
  act(plan, config.failureAction, last)
  return true
}

/** Makes the new task of a slot. stop-first: held back until the old one has stopped. start-first: runs beside it. */
function replace(plan: ServicePlan, { slot, dirty }: UpdateSlot, order: 'stop-first' | 'start-first'): void {
  const isStartFirst = order === 'start-first'
  // An earlier start-first update that was cut short left two: the one that runs stays beside the new one.
  const predecessor = (isStartFirst ? dirty.find(task => stateOf(task) === 'running') : undefined) ?? dirty.at(-1)
  for (const task of dirty) if (!isStartFirst || task !== predecessor) plan.desire(task, 'shutdown')
  plan.create(newTask({
    id: plan.createId(), service: plan.service, cluster: plan.cluster, nowMs: plan.nowMs,
    slot: slot.number, nodeId: slot.nodeId, desiredState: isStartFirst ? 'running' : 'ready',
    restart: {
      predecessorId: predecessor?.id ?? '', notBeforeMs: plan.nowMs, waitForPredecessor: !isStartFirst,
      byUpdate: true, updateStartedAtMs: plan.service.updateStatus?.startedAtMs ?? 0, runningAtMs: 0,
    },
  }))
}
