import { ShoalError } from '../../base/errors.ts'
import type { Service, Task } from '../../api/engine/swarm-json.ts'
import type { CliContext } from '../cli-context.ts'

const POLL_MS = 200
const DEFAULT_MONITOR_MS = 5000

/**
 * Waits until a service runs as its spec says, showing progress, and then one monitor period longer to see that it stays so.
 * @param options.isRollback a rollback was asked for: it is no failure that it completes
 * @throws ShoalError `service-update-stopped` when an update paused, or was rolled back by itself
 */
export async function waitForConvergence(context: CliContext, serviceId: string, options: { readonly quiet: boolean; readonly isRollback?: boolean }): Promise<void> {
  const api = context.api()
  const progress = new ProgressLine(context, options.quiet)
  let stableSinceMs: number | undefined
  for (;;) {
    const service = await api.get<Service>(`/services/${serviceId}`)
    const tasks = await api.get<readonly Task[]>('/tasks', { filters: JSON.stringify({ 'service': [serviceId], '_up-to-date': ['true'] }) })
    const problem = stopOf(service, options.isRollback === true)
    if (problem !== undefined) throw new ShoalError('failed-precondition', 'service-update-stopped', problem)
    const { done, wanted } = await countRunning(context, service, tasks)
    const isUpdating = ['updating', 'rollback_started'].includes(service.UpdateStatus?.State ?? '')
    if (done < wanted || isUpdating) {
      stableSinceMs = undefined
      progress.show(`overall progress: ${done} out of ${wanted} tasks${firstError(tasks)}`)
    } else {
      stableSinceMs ??= context.clock.monotonicMs()
      const leftMs = monitorMs(service) - (context.clock.monotonicMs() - stableSinceMs)
      if (leftMs <= 0) break
      progress.show(`overall progress: ${done} out of ${wanted} tasks; watching for ${Math.ceil(leftMs / 1000)} seconds more that they stay up`)
    }
    await context.clock.sleep(POLL_MS, context.signal)
  }
  progress.end(`verify: Service ${serviceId} converged`)
}

/** Why the service will not come to run as its spec says; undefined while it may. */
export function stopOf(service: Service, isRollback: boolean): string | undefined {
  const { State: state = '', Message: message = '' } = service.UpdateStatus ?? {}
  const isStopped = state === 'paused' || state === 'rollback_paused' || (state === 'rollback_completed' && !isRollback)
  if (!isStopped) return undefined
  const name = service.Spec?.Name ?? service.ID ?? ''
  return `service ${name}: update ${state.replace('_', ' ')}: ${message}; see: shoal service ps ${name}`
}

async function countRunning(context: CliContext, service: Service, tasks: readonly Task[]): Promise<{ readonly done: number; readonly wanted: number }> {
  const mode = service.Spec?.Mode ?? {}
  if (mode.ReplicatedJob !== undefined && mode.ReplicatedJob !== null) {
    return { done: tasks.filter(task => task.Status?.State === 'complete').length, wanted: mode.ReplicatedJob.TotalCompletions ?? mode.ReplicatedJob.MaxConcurrent ?? 1 }
  }
  const live = tasks.filter(task => task.DesiredState === 'running' || task.DesiredState === 'ready')
  const done = live.filter(task => task.Status?.State === 'running').length
  if (mode.Replicated !== undefined && mode.Replicated !== null) return { done, wanted: mode.Replicated.Replicas ?? 1 }
  const [status] = await context.api().get<readonly Service[]>('/services', { filters: JSON.stringify({ id: [service.ID] }), status: true })
  return { done, wanted: status?.ServiceStatus?.DesiredTasks ?? live.length }
}

function monitorMs(service: Service): number {
  const monitorNs = service.Spec?.UpdateConfig?.Monitor
  return monitorNs === undefined || monitorNs === 0 ? DEFAULT_MONITOR_MS : monitorNs / 1e6
}

function firstError(tasks: readonly Task[]): string {
  const text = tasks.find(task => (task.Status?.Err ?? '') !== '' && task.Status?.State !== 'running')?.Status?.Err
  return text === undefined ? '' : ` (${text})`
}

/** One line that is rewritten on a terminal, and printed when it changes elsewhere. */
class ProgressLine {
  readonly #context: CliContext
  readonly #quiet: boolean
  #last = ''

  constructor(context: CliContext, quiet: boolean) {
    this.#context = context
    this.#quiet = quiet
  }

  show(text: string): void {
    if (this.#quiet || text === this.#last) return
    if (this.#context.stdout.isTTY === true) this.#context.stdout.write(`\r\x1b[K${text}`)
    else if (text.replace(/\d+ seconds/, '') !== this.#last.replace(/\d+ seconds/, '')) this.#context.stdout.write(`${text}\n`)
    this.#last = text
  }

  end(text: string): void {
    if (this.#quiet) return
    this.#context.stdout.write(this.#context.stdout.isTTY === true ? `\r\x1b[K${text}\n` : `${text}\n`)
  }
}
