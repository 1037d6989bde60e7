import type { Health, HealthConfig, HealthcheckResult } from '../../../src/api/engine/engine-json.ts'

const NANOS_PER_MS = 1e6
const LOG_MAX = 5
export const HEALTH_OUTPUT_MAX = 4096

/** A health check with its defaults filled in. */
export interface HealthPlan {
  readonly command: readonly string[]
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly startPeriodMs: number
  readonly startIntervalMs: number
  readonly retries: number
}

/** Undefined when there is none, or it was turned off. */
export function healthPlan(config: HealthConfig | null | undefined, shell: readonly string[] | null | undefined): HealthPlan | undefined {
  const [kind, ...rest] = config?.Test ?? []
  if (config === undefined || config === null || (kind !== 'CMD' && kind !== 'CMD-SHELL')) return undefined
  const ms = (nanos: number | undefined, fallback: number): number => nanos === undefined || nanos <= 0 ? fallback : nanos / NANOS_PER_MS
  return {
    command: kind === 'CMD' ? rest : [...(shell ?? []).length > 0 ? shell ?? [] : ['/bin/sh', '-c'], ...rest],
    intervalMs: ms(config.Interval, 30_000), timeoutMs: ms(config.Timeout, 30_000), startPeriodMs: ms(config.StartPeriod, 0), startIntervalMs: ms(config.StartInterval, 5000),
    retries: config.Retries === undefined || config.Retries <= 0 ? 3 : config.Retries,
  }
}

export const STARTING: Health = { Status: 'starting', FailingStreak: 0, Log: [] }

/** The state after one more probe. Failures within the start period do not count until the first success. */
export function stepHealth(before: Health, probe: HealthcheckResult, plan: HealthPlan, sinceStartMs: number): Health {
  const log = [...before.Log ?? [], probe].slice(-LOG_MAX)
  if (probe.ExitCode === 0) return { Status: 'healthy', FailingStreak: 0, Log: log }
  if (before.Status === 'starting' && sinceStartMs < plan.startPeriodMs) return { Status: 'starting', FailingStreak: 0, Log: log }
  const streak = (before.FailingStreak ?? 0) + 1
  return { Status: streak >= plan.retries ? 'unhealthy' : before.Status, FailingStreak: streak, Log: log }
}

/** How long to wait before the next probe. */
export function nextProbeMs(health: Health, plan: HealthPlan, sinceStartMs: number): number {
  return health.Status === 'starting' && sinceStartMs < plan.startPeriodMs ? Math.min(plan.startIntervalMs, plan.intervalMs) : plan.intervalMs
}
