import type { EffectiveUpdateConfig } from '../../src/api/swarm/defaults.ts'
import type { Task, UpdateState, UpdateStatus } from '../../src/api/swarm/objects.ts'
import { isTerminal, stateOf } from '../../src/api/swarm/task-state.ts'
import type { ServicePlan } from './service-plan.ts'

/** Opens the update if there is something to do, and counts what failures are measured against. */
export function startUpdate(plan: ServicePlan, dirtySlots: number): void {
  const status = plan.service.updateStatus
  if (status === undefined || status.state === 'none') {
    if (dirtySlots > 0) setStatus(plan, { state: 'updating', message: 'update in progress', startedAtMs: plan.nowMs, completedAtMs: 0, dirtySlotsTotal: dirtySlots, allReplacedAtMs: 0 })
    return
  }
  const isRolling = status.state === 'updating' || status.state === 'rollback-started'
  if (isRolling && status.dirtySlotsTotal === 0 && dirtySlots > 0) {
    setStatus(plan, { ...status, startedAtMs: status.startedAtMs || plan.nowMs, dirtySlotsTotal: dirtySlots })
  }
}

/** All slots are done: watch for one more monitor period, then say so. An update that found nothing to do is complete at once. */
export function complete(plan: ServicePlan, config: EffectiveUpdateConfig): void {
  const status = plan.service.updateStatus
  if (status === undefined) return
  const monitorMs = status.dirtySlotsTotal === 0 ? 0 : monitorMsOf(config)
  const replacedAtMs = status.allReplacedAtMs || plan.nowMs
  if (replacedAtMs + monitorMs > plan.nowMs) {
    if (status.allReplacedAtMs === 0) setStatus(plan, { ...status, allReplacedAtMs: plan.nowMs })
    plan.wakeAt(replacedAtMs + monitorMs)
    return
  }
  const isRollback = status.state === 'rollback-started'
  setStatus(plan, {
    ...status, state: isRollback ? 'rollback-completed' : 'completed', message: isRollback ? 'rollback completed' : 'update completed',
    completedAtMs: plan.nowMs, allReplacedAtMs: replacedAtMs,
  })
}

/** What happens when too many tasks failed. A rollback is never rolled back, and without a previous spec there is nothing to go back to. */
export function act(plan: ServicePlan, action: 'pause' | 'rollback', task: Task): void {
  const isRollback = plan.service.updateStatus?.state === 'rollback-started'
  const because = `due to failure or early termination of task ${task.id}`
  if (isRollback) setState(plan, 'rollback-paused', `rollback paused ${because}`)
  else if (action === 'pause' || plan.service.previousSpec === undefined) setState(plan, 'paused', `update paused ${because}`)
  else rollBack(plan, `update rolled back ${because}`)
}

function rollBack(plan: ServicePlan, message: string): void {
  const { previousSpec, previousSpecVersion, updateStatus, spec: _, ...rest } = plan.service
  if (previousSpec === undefined || updateStatus === undefined) return
  plan.updateService({
    ...rest, spec: previousSpec, specVersion: previousSpecVersion, previousSpecVersion: 0,
    updateStatus: { ...updateStatus, state: 'rollback-started', message, dirtySlotsTotal: 0, allReplacedAtMs: 0 },
  })
  plan.wakeAt(plan.nowMs)
}

function setState(plan: ServicePlan, state: UpdateState, message: string): void {
  const status = plan.service.updateStatus
  if (status !== undefined) setStatus(plan, { ...status, state, message })
}

function setStatus(plan: ServicePlan, updateStatus: UpdateStatus): void {
  plan.updateService({ ...plan.service, updateStatus })
}

/** A failure is watched for while the monitor period lasts; a delay that is longer extends it. */
export function monitorMsOf(config: EffectiveUpdateConfig): number {
  return config.delayMs >= config.monitorMs ? config.delayMs + 1_000 : config.monitorMs
}

/** True when a task of the update ended before it ran, or soon after. Ending well counts too; being removed does not. */
export function failedTask(task: Task, monitorMs: number): boolean {
  if (!isTerminal(stateOf(task)) || task.desiredState === 'remove') return false
  const runningAtMs = task.restart?.runningAtMs ?? 0
  return runningAtMs === 0 || (task.status?.appliedAtMs ?? 0) - runningAtMs <= monitorMs
}
