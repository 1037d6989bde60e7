import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { TaskGroup } from '../../../src/base/task-group.ts'
import type { EventLog } from '../event-log.ts'
import type { Launched } from '../runtime/launcher.ts'
import type { ExitStatus } from '../runtime/monitor-process.ts'
import type { Container } from './container.ts'
import { isActive, isUp } from './container-record.ts'
import type { ContainerRunner, RunnerOptions } from './container-runner.ts'
import { freeze, thaw } from './freezer.ts'
import type { HealthMonitor } from './health-monitor.ts'
import { restartDelay } from './restart-policy.ts'
import { parseSignal } from './signals.ts'

const SIGKILL = 9
const STOP_TIMEOUT_SECONDS = 10
/** A killed process that has not gone by then is stuck in the kernel. */
const KILL_WAIT_MS = 30_000

export interface LifecycleOptions extends Pick<RunnerOptions, 'table' | 'logs' | 'volumes' | 'snapshotter' | 'kernel'> {
  readonly runner: ContainerRunner
  readonly health: HealthMonitor
  readonly events: EventLog
  readonly clock: Clock
  readonly logger: Logger
  readonly tasks: TaskGroup
  readonly onRemoved: (container: Container) => void
}

/** What happens to containers over time, whoever asks: users, exits, restart policies, health checks, the daemon's own start. */
export class Lifecycle {
  readonly runner: ContainerRunner
  readonly #options: LifecycleOptions
  #stopping = false

  constructor(options: LifecycleOptions) {
    this.runner = options.runner
    this.#options = options
  }

  publish(container: Container, action: string, more: Readonly<Record<string, string>> = {}): void { this.runner.publish(container, action, more) }
  publishPrune(bytes: number): void { this.#options.events.publish('container', 'prune', '', { reclaimed: String(bytes) }) }

  /** No more restarts and no more exits handled: the daemon goes, its containers stay. */
  stopWatching(): void {
    this.#stopping = true
    for (const container of this.#options.table.all()) {
      container.cancelRestart?.()
      container.runAbort?.abort(new Error('the daemon stops'))
      container.launched?.monitor.disconnect()
    }
  }

  async start(container: Container): Promise<void> {
    await container.lock.run(async () => {
      const { status } = container.state
      if (status === 'paused') throw new ShoalError('conflict', 'paused', 'cannot start a paused container, try unpause instead')
      if (isUp(container.state)) throw new ShoalError('not-modified', 'already-started', `container ${container.record.name} is already running`)
      if (status === 'removing' || status === 'dead') throw new ShoalError('conflict', 'being-removed', 'container is marked for removal and cannot be started')
      container.cancelRestart?.()
      container.restartDelayMs = 0
      if (container.record.restartCount > 0) await container.update({ restartCount: 0 })
      await this.#startLocked(container)
    })
  }

  async stop(container: Container, options: { readonly signal?: string; readonly timeoutSeconds?: number }): Promise<void> {
    if (!isActive(container.state)) throw new ShoalError('not-modified', 'already-stopped', `container ${container.record.name} is already stopped`)
    await this.#stop(container, options)
    this.publish(container, 'stop')
  }

  async restart(container: Container, options: { readonly signal?: string; readonly timeoutSeconds?: number }): Promise<void> {
    if (isActive(container.state)) {
      await this.#stop(container, options)
      this.publish(container, 'stop')
    }
    await this.start(container)
    this.publish(container, 'restart')
  }

  async kill(container: Container, signal: number): Promise<void> {
    // Its output may be seen before its start is recorded: who answers to that with a signal is not told that nothing runs.
    if (!isUp(container.state)) await container.lock.run(async () => undefined)
    if (!isUp(container.state) || container.launched === undefined) throw notRunning(container)
    // Whoever kills for good does not want it back; other signals are for the program.
    if (signal === SIGKILL || signal === parseSignal(stopSignal(container))) await container.lock.run(() => container.observe({ stoppedByUser: true }))
    if (!this.#signal(container, signal, signal === SIGKILL)) throw notRunning(container)
    this.publish(container, 'kill', { signal: String(signal) })
    if (signal === SIGKILL) await this.#settled(container, KILL_WAIT_MS)
  }

  /** @param options.isBrief the caller unpauses it; a daemon that dies before is succeeded by one that does */
  async pause(container: Container, options: { readonly isBrief?: boolean } = {}): Promise<void> {
    await container.lock.run(async () => {
      if (container.state.status === 'paused') throw new ShoalError('conflict', 'already-paused', `Container ${container.id} is already paused`)
      if (container.state.status !== 'running') throw notRunning(container)
      await freeze(this.#options.kernel, this.runner.cgroupPath(container), this.#options.clock)
      await container.updateState({ status: 'paused', isBriefPause: options.isBrief }).catch((error: unknown) => {
        // What is not told to be paused must not be: nobody could unpause it, nor end it.
        thaw(this.#options.kernel, this.runner.cgroupPath(container))
        throw error
      })
      this.publish(container, 'pause')
    })
  }

  async unpause(container: Container): Promise<void> {
    await container.lock.run(async () => {
      if (container.state.status !== 'paused') throw new ShoalError('conflict', 'not-paused', `Container ${container.id} is not paused`)
      thaw(this.#options.kernel, this.runner.cgroupPath(container))
      await container.observe({ state: { ...container.state, status: 'running', isBriefPause: undefined } })
      this.publish(container, 'unpause')
    })
  }

  async remove(container: Container, options: { readonly force?: boolean; readonly volumes?: boolean }): Promise<void> {
    if (isActive(container.state)) {
      const what = container.state.status === 'paused' ? 'container is paused and must be unpaused first' : 'container is running: stop the container before removing or force remove'
      if (options.force !== true) throw new ShoalError('conflict', 'container-running', what)
      await this.#stop(container, { timeoutSeconds: 0 })
    }
    await container.lock.run(() => this.#removeLocked(container, options.volumes === true))
  }

  /** Takes over a container that was found running. */
  adopt(container: Container, launched: Launched): void {
    container.launched = launched
    container.startedAtMs = this.#options.clock.monotonicMs()
    this.#watch(container, launched)
  }

  /** What follows from an exit, whether it was seen or found out later. @param options.isLeft it is left at that: the caller sees to a restart */
  async exited(container: Container, exit: ExitStatus, options: { readonly isLeft?: boolean } = {}): Promise<void> {
    await container.lock.run(async () => {
      const removes = container.record.hostConfig.AutoRemove === true
      const delayMs = removes || options.isLeft === true ? undefined : this.#restartDelay(container, exit.code)
      // One write for both: a daemon that dies here leaves no exit behind that nobody follows up.
      await this.runner.finish(container, exit, delayMs !== undefined)
      if (delayMs !== undefined) this.#restartIn(container, delayMs)
      container.notifyExit()
      if (removes) await this.#removeLocked(container, true)
    })
  }

  /** Brings back what a restart policy wants after an exit that was left at that: by a daemon that died while it tried. */
  async retry(container: Container): Promise<void> { await container.lock.run(() => this.#maybeRestart(container, container.state.exitCode)) }

  async #startLocked(container: Container): Promise<void> {
    try {
      const launched = await this.runner.start(container)
      this.#watch(container, launched)
    } catch (error) {
      // A first start that fails is answered to whoever started it; there was no exit to tell of.
      if (container.state.status !== 'created') container.notifyExit()
      if (container.record.hostConfig.AutoRemove === true) await this.#removeLocked(container, true)
      throw error
    }
  }

  #watch(container: Container, launched: Launched): void {
    container.runAbort = new AbortController()
    const { signal } = container.runAbort
    const { tasks, health, logs } = this.#options
    logs.follow(container, launched)
    tasks.run('health check', () => health.run(container, signal))
    tasks.run('container exit', async () => {
      const exit = await launched.exit
      if (this.#stopping) return
      container.runAbort?.abort(new Error('the container has ended'))
      await this.exited(container, exit)
    })
  }

  async #maybeRestart(container: Container, exitCode: number): Promise<void> {
    const delayMs = this.#restartDelay(container, exitCode)
    if (delayMs === undefined) return
    await container.observe({ restartCount: container.record.restartCount + 1, state: { ...container.state, status: 'restarting' } })
    this.#restartIn(container, delayMs)
  }

  #restartDelay(container: Container, exitCode: number): number | undefined {
    if (this.#stopping) return undefined
    const delayMs = restartDelay(container.record, { exitCode, ranMs: this.#options.clock.monotonicMs() - container.startedAtMs, lastDelayMs: container.restartDelayMs })
    if (delayMs !== undefined) container.restartDelayMs = delayMs
    return delayMs
  }

  /** Goes on with a restart that an earlier daemon had in mind: it is counted already. */
  resumeRestart(container: Container): void { this.#restartIn(container, 0) }

  /** Until it runs again it stays `restarting`, also on disk: a daemon that is started meanwhile goes on. */
  #restartIn(container: Container, delayMs: number): void {
    const { clock, logger, tasks } = this.#options
    const timer = clock.after(delayMs, () => {
      container.cancelRestart = undefined
      tasks.run('restart', () => container.lock.run(async () => {
        if (container.state.status !== 'restarting' || this.#stopping) return
        await this.#startLocked(container).catch(async (err: unknown) => {
          logger.warn('a container could not be restarted', { container: container.id, err })
          await this.#maybeRestart(container, container.state.exitCode)
          container.notifyExit()
        })
      }))
    })
    container.cancelRestart = () => timer.cancel()
  }

  async #stop(container: Container, options: { readonly signal?: string; readonly timeoutSeconds?: number }): Promise<void> {
    const { clock } = this.#options
    const signal = parseSignal(options.signal === undefined || options.signal === '' ? stopSignal(container) : options.signal)
    const timeoutSeconds = options.timeoutSeconds ?? container.record.config.StopTimeout ?? STOP_TIMEOUT_SECONDS
    await container.lock.run(async () => {
      container.cancelRestart?.()
      await container.observe({ stoppedByUser: true, ...(container.state.status === 'restarting' ? { state: { ...container.state, status: 'exited' as const } } : {}) })
    })
    if (!isUp(container.state)) { container.notifyExit(); return }
    const gentle = timeoutSeconds !== 0
    if (gentle) {
      this.#signal(container, signal, true)
      this.publish(container, 'kill', { signal: String(signal) })
      if (await this.#settled(container, timeoutSeconds < 0 ? Infinity : timeoutSeconds * 1000)) return
    }
    this.#signal(container, SIGKILL, true)
    this.publish(container, 'kill', { signal: String(SIGKILL) })
    if (await this.#settled(container, KILL_WAIT_MS)) return
    throw new ShoalError('deadline-exceeded', 'stop-timeout', `container ${container.record.name} did not end ${KILL_WAIT_MS / 1000} s after SIGKILL (at ${new Date(clock.nowMs()).toISOString()}); a process of it is stuck in the kernel`)
  }

  /** False when it is being cleaned up: then there is no process to tell, nor a cgroup to thaw, though it still counts as up. */
  #signal(container: Container, signal: number, thaws: boolean): boolean {
    if (container.launched === undefined) return false
    container.launched.monitor.signal(signal)
    if (thaws && container.state.status === 'paused') thaw(this.#options.kernel, this.runner.cgroupPath(container))
    return true
  }

  /** Whether it ended within the time. */
  async #settled(container: Container, withinMs: number): Promise<boolean> {
    const exited = container.inactive().then(() => true)
    if (withinMs === Infinity) return exited
    const timer = new AbortController()
    const timeout = this.#options.clock.sleep(withinMs, timer.signal).then(() => false, () => false)
    const result = await Promise.race([exited, timeout])
    timer.abort(new Error('settled'))
    return result
  }

  /** `removing` is on disk first: a crash in between is finished at the next start. On a full disk it goes without, for removing makes the room. */
  async #removeLocked(container: Container, volumes: boolean): Promise<void> {
    const { table, snapshotter, volumes: store } = this.#options
    if (table.find(container.id) !== container) return
    if (isActive(container.state)) throw new ShoalError('conflict', 'container-running', `cannot remove container "${container.record.name}": container is running: stop the container before removing or force remove`)
    // Which volumes go with it is on disk first too: a crash in between must not take one that was to stay.
    if (!volumes) await store.disown(container.id)
    await container.observe({ state: { ...container.state, status: 'removing' } })
    await this.runner.takeDown(container)
    this.runner.forget(container)
    await snapshotter.remove(container.id)
    await table.remove(container)
    this.#options.onRemoved(container)
    this.#options.logs.forget(container)
    this.publish(container, 'destroy')
    container.notifyRemoved()
    await store.removeOwned(container.id)
  }
}

function notRunning(container: Container): ShoalError { return new ShoalError('conflict', 'not-running', `container ${container.id} is not running`) }

function stopSignal(container: Container): string {
  const own = container.record.config.StopSignal
  return own === undefined || own === null || own === '' ? 'SIGTERM' : own
}
