import type { ContainerRecord } from './container-record.ts'

const DELAY_MS_MIN = 100
const DELAY_MS_MAX = 60_000
/** A run of this length starts the back-off anew. */
const STABLE_MS = 10_000

/** Whether and when a container that just ended comes back; undefined: it stays down. */
export function restartDelay(record: ContainerRecord, run: { readonly exitCode: number; readonly ranMs: number; readonly lastDelayMs: number }): number | undefined {
  if (!comesBack(record, run.exitCode)) return undefined
  return run.ranMs >= STABLE_MS || run.lastDelayMs === 0 ? DELAY_MS_MIN : Math.min(DELAY_MS_MAX, run.lastDelayMs * 2)
}

/** Whether its policy wants it back after an exit with this code. */
export function comesBack(record: ContainerRecord, exitCode: number): boolean {
  const { Name: name = 'no', MaximumRetryCount: retriesMax = 0 } = record.hostConfig.RestartPolicy ?? {}
  return !record.stoppedByUser && wants(name ?? 'no', exitCode, record.restartCount, retriesMax)
}

function wants(policy: string, exitCode: number, restartCount: number, retriesMax: number): boolean {
  if (policy === 'always' || policy === 'unless-stopped') return true
  return policy === 'on-failure' && exitCode !== 0 && (retriesMax === 0 || restartCount < retriesMax)
}

/** Whether a container that is down comes up with the daemon. */
export function startsWithDaemon(record: ContainerRecord): boolean {
  const name = record.hostConfig.RestartPolicy?.Name ?? 'no'
  if (record.state.status === 'created') return false
  return name === 'always' || (name === 'unless-stopped' && !record.stoppedByUser)
}

/** Whether a restart policy decides otherwise after a reboot because of this change: then it must outlive a power failure too (D-480). */
export function decidesOtherwise(before: ContainerRecord, after: ContainerRecord): boolean {
  const name = after.hostConfig.RestartPolicy?.Name ?? 'no'
  if (name === 'no' || name === '') return false
  return before.stoppedByUser !== after.stoppedByUser || (before.state.status === 'created') !== (after.state.status === 'created')
}
