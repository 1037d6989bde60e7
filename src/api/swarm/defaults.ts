/**
 * What an absent field of a spec means. Specs are stored as the user wrote them; readers ask here.
 * Numbers are swarmkit's (api/defaults, agent).
 */
import type { Cluster } from './objects.ts'
import type { ClusterSpec, FailureAction, ReplicatedJob, RestartCondition, RestartPolicy, ServiceSpec, UpdateConfig, UpdateOrder } from './specs.ts'

/** Durations on the wire are nanoseconds, as in the Engine API. */
export const NS_PER_MS = 1_000_000

export const DEFAULT_RESTART_DELAY_MS = 5_000
export const DEFAULT_UPDATE_PARALLELISM = 1
export const DEFAULT_UPDATE_MONITOR_MS = 5_000
export const DEFAULT_STOP_GRACE_PERIOD_MS = 10_000
const DEFAULT_REPLICAS = 1
export const DEFAULT_TASK_HISTORY_LIMIT = 5
export const DEFAULT_HEARTBEAT_PERIOD_MS = 5_000
export const DEFAULT_NODE_CERT_EXPIRY_MS = 90 * 24 * 3_600_000
/** How long a task that takes another's place waits for it to stop. */
export const PREDECESSOR_STOP_LIMIT_MS = 60_000

/** A restart policy without gaps. attemptsMax 0: no limit. windowMs 0: all of history counts. */
export interface EffectiveRestartPolicy {
  readonly condition: RestartCondition
  readonly delayMs: number
  readonly attemptsMax: number
  readonly windowMs: number
}

/** No policy means: always, after 5 s. A negative delay falls back to 5 s. */
export function restartPolicyOf(policy: RestartPolicy | undefined): EffectiveRestartPolicy {
  const delayNs = policy?.delayNs
  return {
    condition: policy?.condition ?? 'any',
    delayMs: delayNs === undefined || delayNs < 0 ? DEFAULT_RESTART_DELAY_MS : delayNs / NS_PER_MS,
    attemptsMax: policy?.attemptsMax ?? 0,
    windowMs: (policy?.windowNs ?? 0) / NS_PER_MS,
  }
}

/** An update (or rollback) config without gaps. parallelism 0: all slots at once. */
export interface EffectiveUpdateConfig {
  readonly parallelism: number
  readonly delayMs: number
  readonly failureAction: FailureAction
  readonly monitorMs: number
  readonly maxFailureRatio: number
  readonly order: UpdateOrder
}

/** The default parallelism of 1 applies only when there is no config at all; a given 0 means all at once. */
export function updateConfigOf(config: UpdateConfig | undefined): EffectiveUpdateConfig {
  return {
    parallelism: config?.parallelism ?? DEFAULT_UPDATE_PARALLELISM,
    delayMs: (config?.delayNs ?? 0) / NS_PER_MS,
    failureAction: config?.failureAction ?? 'pause',
    monitorMs: config?.monitorNs === undefined ? DEFAULT_UPDATE_MONITOR_MS : config.monitorNs / NS_PER_MS,
    maxFailureRatio: config?.maxFailureRatio ?? 0,
    order: config?.order ?? 'stop-first',
  }
}

/** Replicas of a replicated service. */
export function replicasOf(spec: ServiceSpec | undefined): number { return spec?.replicated?.replicas ?? DEFAULT_REPLICAS }

/** At most how many tasks of a replicated job run at once, and how many must complete. */
export function jobSizeOf(job: ReplicatedJob | undefined): { readonly maxConcurrent: number; readonly totalCompletions: number } {
  const maxConcurrent = job?.maxConcurrent ?? 1
  return { maxConcurrent, totalCompletions: job?.totalCompletions ?? maxConcurrent }
}

/** Tasks kept per slot, the live one included; negative: all. */
export function taskHistoryLimitOf(cluster: Cluster | undefined): number {
  return cluster?.spec?.taskHistoryRetentionLimit ?? DEFAULT_TASK_HISTORY_LIMIT
}

/** Between two heartbeats of an agent; a cluster without a setting has 5 s. */
export function heartbeatPeriodMsOf(cluster: Cluster | undefined): number {
  const periodNs = cluster?.spec?.heartbeatPeriodNs ?? 0
  return periodNs > 0 ? periodNs / NS_PER_MS : DEFAULT_HEARTBEAT_PERIOD_MS
}

/** How long node certificates are valid. */
export function nodeCertExpiryMsOf(cluster: Cluster | undefined): number { return nodeCertExpiryMs(cluster?.spec) }

/** How long new node certificates are valid: 90 days without a setting. */
export function nodeCertExpiryMs(spec: ClusterSpec | undefined): number {
  const expiryNs = spec?.nodeCertExpiryNs ?? 0
  return expiryNs > 0 ? expiryNs / NS_PER_MS : DEFAULT_NODE_CERT_EXPIRY_MS
}
