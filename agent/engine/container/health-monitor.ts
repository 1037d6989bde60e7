import type { HealthcheckResult } from '../../../src/api/engine/engine-json.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { messageOf } from '../../../src/base/errors.ts'
import type { Container } from './container.ts'
import { isoTime } from './container-runner.ts'
import { healthPlan, nextProbeMs, STARTING, stepHealth, type HealthPlan } from './health.ts'

export interface HealthMonitorOptions {
  readonly clock: Clock
  /** Runs a command in the container; rejects when the signal aborts, after killing it. */
  readonly probe: (container: Container, command: readonly string[], signal: AbortSignal) => Promise<{ readonly exitCode: number; readonly output: string }>
  readonly publish: (container: Container, action: string) => void
  /** Told of each check that was made. */
  readonly onCheck?: ((failed: boolean) => void) | undefined
}

/** Runs health checks while a container runs. */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions

  constructor(options: HealthMonitorOptions) { this.#options = options }

  /** Resolves when the signal aborts: the run has ended. */
  async run(container: Container, signal: AbortSignal): Promise<void> {
    const { config } = container.record
    const plan = healthPlan(config.Healthcheck, config.Shell)
    if (plan === undefined) return
    const { clock } = this.#options
    const startMs = clock.monotonicMs()
    // Observed: a disk that takes no more for a while must not end the checks.
    await container.lock.run(() => container.observe({ state: { ...container.state, health: container.state.health?.Status === 'healthy' ? container.state.health : STARTING } }))
    while (!signal.aborted) {
      try {
        await clock.sleep(nextProbeMs(container.state.health ?? STARTING, plan, clock.monotonicMs() - startMs), signal)
      } catch {
        return // The run has ended: that is all that ends a sleep.
      }
      if (container.state.status !== 'running') continue
      const result = await this.#probe(container, plan, signal)
      this.#options.onCheck?.(result.ExitCode !== 0)
      if (!signal.aborted) await this.#record(container, result, plan, clock.monotonicMs() - startMs)
    }
  }

  async #probe(container: Container, plan: HealthPlan, signal: AbortSignal): Promise<HealthcheckResult> {
    const { clock, probe } = this.#options
    const Start = isoTime(clock.nowMs())
    const deadline = new AbortController()
    const timer = clock.after(plan.timeoutMs, () => deadline.abort(new Error('timeout')))
    try {
      const { exitCode, output } = await probe(container, plan.command, AbortSignal.any([signal, deadline.signal]))
      return { Start, End: isoTime(clock.nowMs()), ExitCode: exitCode, Output: output }
    } catch (error) {
      const late = deadline.signal.aborted
      return { Start, End: isoTime(clock.nowMs()), ExitCode: -1, Output: late ? `Health check exceeded timeout (${plan.timeoutMs / 1000}s)` : messageOf(error) }
    } finally {
      timer.cancel()
    }
  }

  async #record(container: Container, result: HealthcheckResult, plan: HealthPlan, sinceStartMs: number): Promise<void> {
    await container.lock.run(async () => {
      if (container.state.status !== 'running') return
      const before = container.state.health ?? STARTING
      const health = stepHealth(before, result, plan, sinceStartMs)
      await container.observe({ state: { ...container.state, health } })
      if (health.Status !== before.Status) this.#options.publish(container, `health_status: ${health.Status}`)
    })
  }
}
