import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CallStreamClient } from '../api/calls/call-stream-client.ts'
import type { ManagerStatusResponse } from '../api/swarm/control.ts'
import { MANAGER_ADMIN_RPC } from '../api/codec/methods.ts'
import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { ShoalError, messageOf } from '../base/errors.ts'
import type { FrameLinkDialer } from '../base/frame-link.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { RpcClient } from '../base/rpc.ts'
import { TaskGroup } from '../base/task-group.ts'
import { linkPathOf } from '../platform/rpc/rpc-address.ts'
import { FailureNote } from './failure-note.ts'
import type { ManagerConfig, ManagerOrders } from './manager-config.ts'
import { StateFile } from './state-file.ts'

/** How often the process is looked after: one look reads a file of /proc. */
const WATCH_MS = 250
/** Wait before it is started again; a process that lives for the longest wait counts as healthy. */
const RESTART_BASE_MS = 100
const RESTART_MAX_MS = 10_000
/** Reading a large state and an election fit; Docker's requests to a swarm wait as long (B06). */
const START_TIMEOUT_MS = 20_000
/** Enough to hand over and flush; a crash loses nothing either. */
const STOP_TIMEOUT_MS = 5000
const START_POLL_MS = 25
const CALL_TIMEOUT_MS = 1000
/** How managers run Node. */
export const MANAGER_NODE_ARGUMENTS = ['--no-warnings']

/** What ManagerProcess works with. */
export interface ManagerProcessParts {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Dials Unix sockets. */
  readonly dialer: FrameLinkDialer
  readonly execFolder: string
  /** Asked at each start of the process. */
  readonly orders: () => ManagerOrders
}

/**
 * Keeps one manager process alive: starts it, adopts one that outlived an earlier daemon, starts it again when it dies.
 * The process does not belong to the daemon: a crash of one never takes the other down.
 */
export class ManagerProcess implements AsyncDisposable {
  readonly #parts: ManagerProcessParts
  readonly #config: ManagerConfig
  readonly #configFile: StateFile<ManagerConfig>
  readonly #pidFile: string
  readonly #failureNote: FailureNote
  readonly #group: TaskGroup
  readonly client: RpcClient
  #isStopping = false
  #lastError = ''

  constructor(config: ManagerConfig, parts: ManagerProcessParts) {
    this.#parts = parts
    this.#config = config
    this.#configFile = new StateFile(join(parts.execFolder, 'manager.json'))
    this.#pidFile = join(parts.execFolder, 'manager.pid')
    this.#failureNote = new FailureNote(parts.execFolder)
    this.#group = new TaskGroup(parts.logger)
    this.client = new CallStreamClient(parts.dialer, `unix:${config.socketPath}`, parts.clock)
  }

  /** Starts or adopts the process and keeps it running. Does not wait until it serves. */
  start(): void {
    if (!this.#isRunning()) {
      // What an earlier daemon was told may be mended by now.
      this.#failureNote.clear()
      this.#spawn()
    }
    this.#group.run('watch the manager process', async signal => this.#keepRunning(signal))
  }

  /** What the manager says of itself; undefined while it does not answer. */
  async status(): Promise<ManagerStatusResponse | undefined> {
    try {
      return await this.client.unary(MANAGER_ADMIN_RPC.status, {}, { timeoutMs: CALL_TIMEOUT_MS })
    } catch (error) {
      this.#lastError = messageOf(error)
      return undefined
    }
  }

  /** Why the last process ended, until one has started; empty while all is well. */
  get failure(): string { return this.#failureNote.read() }

  /** Whether a process is there, of this daemon or of an earlier one. */
  get isRunning(): boolean { return this.#isRunning() }

  /** Waits until the manager knows a leader. @throws ShoalError `manager-not-started` with what it last said */
  async untilReady(signal?: AbortSignal): Promise<void> {
    const endMs = this.#parts.clock.monotonicMs() + START_TIMEOUT_MS
    let lastSaid = ''
    while (this.#parts.clock.monotonicMs() < endMs) {
      const status = await this.status()
      if (status?.hasLeader === true) return
      lastSaid = status?.error ?? (this.failure || this.#lastError)
      if (status !== undefined && status.error !== '') break
      await this.#parts.clock.sleep(START_POLL_MS, signal)
    }
    throw new ShoalError('unavailable', 'manager-not-started', `the manager of this host did not start: ${lastSaid || 'no leader was found'}; the daemon's log says more`)
  }

  /** Ends the process and waits for it. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#group[Symbol.asyncDispose]()
    const pid = this.#pid()
    if (pid !== undefined) {
      signalProcess(pid, 'SIGTERM')
      const endMs = this.#parts.clock.monotonicMs() + STOP_TIMEOUT_MS
      while (this.#isRunning() && this.#parts.clock.monotonicMs() < endMs) await this.#parts.clock.sleep(START_POLL_MS)
      if (this.#isRunning()) signalProcess(pid, 'SIGKILL')
    }
    rmSync(this.#pidFile, { force: true })
    this.#failureNote.clear()
    this.#configFile.remove()
    for (const path of [this.#config.socketPath, linkPathOf(this.#config.socketPath)]) rmSync(path, { force: true })
    await this.client[Symbol.asyncDispose]()
  }

  /** Stops watching; the process goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true
    await this.#group[Symbol.asyncDispose]()
    await this.client[Symbol.asyncDispose]()
  }

  async #keepRunning(signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#parts
    const backoff = new Backoff({ baseMs: RESTART_BASE_MS, maxMs: RESTART_MAX_MS, random })
    for (let healthySinceMs = clock.monotonicMs(); !signal.aborted; await clock.sleep(WATCH_MS, signal)) {
      if (this.#isRunning()) {
        if (clock.monotonicMs() - healthySinceMs > RESTART_MAX_MS) backoff.reset()
        continue
      }
      const delayMs = backoff.next()
      logger.warn('the manager process ended; starting it again', { delayMs })
      await clock.sleep(delayMs, signal)
      try {
        this.#spawn()
      } catch (err) {
        // A full disk, say: it may have room the next time.
        logger.error('the manager process could not be started', { err })
      }
      healthySinceMs = clock.monotonicMs()
    }
  }

  #spawn(): void {
    if (this.#isStopping) return
    this.#configFile.write(this.#config)
    const main = fileURLToPath(new URL('./manager-main.js', import.meta.url))
    const child = spawn(process.execPath, [...MANAGER_NODE_ARGUMENTS, main, this.#configFile.path], { detached: true, stdio: ['pipe', 'inherit', 'inherit'], cwd: dirname(this.#configFile.path) })
    child.on('error', err => this.#parts.logger.error('the manager process could not be started', { err }))
    // It may have ended before it read: then it is started again.
    child.stdin?.on('error', err => this.#parts.logger.debug('the manager process did not read its orders', { err }))
    // Before it has orders, without which it does nothing: a manager that runs is known to whatever daemon comes next.
    if (child.pid !== undefined) writeFileSync(this.#pidFile, String(child.pid))
    child.stdin?.end(JSON.stringify(this.#parts.orders()))
    child.unref()
  }

  #pid(): number | undefined {
    if (!existsSync(this.#pidFile)) return undefined
    const pid = Number(readFileSync(this.#pidFile, 'utf8'))
    // The number may have gone to another process since: only one that runs our program with our configuration counts.
    const commandFile = `/proc/${pid}/cmdline`
    if (!Number.isInteger(pid) || pid <= 1 || !existsSync(commandFile)) return undefined
    return readProcFile(commandFile).includes(this.#configFile.path) ? pid : undefined
  }

  /** A zombie (killed, not yet reaped) has no command line, so it does not count. */
  #isRunning(): boolean { return this.#pid() !== undefined }
}

/** It may just have ended by itself. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** A file of /proc; empty when the process has just gone. */
function readProcFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}
