import { createHexId } from '../../../src/base/ids.ts'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import type { Random } from '../../../src/base/random.ts'
import type { TaskGroup } from '../../../src/base/task-group.ts'
import { rootOf } from '../../kernel/id-mapping.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { ExecConfig } from '../../../src/api/engine/engine-calls.ts'
import type { Attachment, Execs } from '../engine.ts'
import { AttachStream } from '../runtime/attach-stream.ts'
import { RuntimeFailed, type Launched, type Launcher } from '../runtime/launcher.ts'
import { FrameParser } from '../runtime/monitor-frames.ts'
import type { MonitorProcess } from '../runtime/monitor-process.ts'
import type { Container } from './container.ts'
import { detachKeysOf } from './container-create.ts'
import type { ContainerRecord } from './container-record.ts'
import { bridgeLinks, linkEnvironment } from './link-environment.ts'
import type { ContainerTable } from './container-table.ts'
import { HEALTH_OUTPUT_MAX } from './health.ts'
import { planExec } from './start-plan.ts'

const SIGKILL = 9
/** The exit code of a command that could not be started, as dockerd gives it (seen: 20.10). */
const CANNOT_START = 126
/** Ended execs that can still be inspected; the oldest are forgotten. */
const ENDED_MAX = 1000

interface Exec {
  readonly id: string
  readonly container: Container
  readonly config: ExecConfig
  state: 'created' | 'running' | 'ended'
  /** Settles once it was started, or could not be. */
  starting: Promise<void>
  launched: Launched | undefined
  exitCode: number | null
  pid: number
}

export interface LocalExecsOptions {
  readonly table: ContainerTable
  readonly launcher: Launcher
  readonly kernel: Kernel
  readonly random: Random
  readonly tasks: TaskGroup
  readonly publish: (container: Container, action: string, more: Readonly<Record<string, string>>) => void
}

/** Further processes in running containers. Known to this daemon only: they go on without it, but are forgotten at its restart. */
export class LocalExecs implements Execs {
  readonly #options: LocalExecsOptions
  readonly #execs = new Map<string, Exec>()
  #ended: readonly string[] = []
  /** Monitors of execs that are known to nobody any more. */
  readonly #adopted = new Set<MonitorProcess>()

  constructor(options: LocalExecsOptions) { this.#options = options }

  async create(containerRef: string, config: ExecConfig): Promise<{ readonly Id: string }> {
    const container = this.#options.table.get(containerRef)
    requireRunning(container)
    if (config.cmd.length === 0) throw new ShoalError('invalid-argument', 'no-command', 'No exec command specified')
    if (config.detachKeys !== undefined) detachKeysOf(config.detachKeys, 'escape')
    const exec: Exec = { id: createHexId(this.#options.random), container, config, state: 'created', starting: Promise.resolve(), launched: undefined, exitCode: null, pid: 0 }
    this.#execs.set(exec.id, exec)
    container.execIds.add(exec.id)
    this.#publish(exec, 'create', commandText(config))
    return { Id: exec.id }
  }

  async start(id: string, options: { readonly detach: boolean; readonly tty: boolean; readonly size?: { readonly height: number; readonly width: number } }): Promise<Attachment | undefined> {
    const exec = this.#get(id)
    requireRunning(exec.container)
    if (exec.state === 'running') throw new ShoalError('conflict', 'exec-running', `Error: Exec command ${id} is already running`)
    if (exec.state === 'ended') throw new ShoalError('conflict', 'exec-ended', `Error: Exec command ${id} has already run`)
    const { config } = exec
    const stream = options.detach ? undefined : new AttachStream({
      stdin: config.attachStdin, stdout: config.attachStdout, stderr: config.attachStderr, tty: config.tty, endClosesStdin: !config.tty,
      detachKeys: config.tty || config.detachKeys !== undefined ? detachKeysOf(config.detachKeys) : [],
    })
    const starting = this.#launch(exec, stream, options.size)
    exec.starting = starting.then(() => undefined, () => undefined)
    if (stream === undefined) {
      await starting
      return undefined
    }
    // As in Docker, whoever attached gets the stream before the command starts (D-446), so the reason of a failure is told there; the exit code tells the rest.
    this.#options.tasks.run('start an exec', async () => {
      try {
        await starting
      } catch (error) {
        stream.endWith(messageOf(error))
        if (!(error instanceof ShoalError)) throw error
      }
    })
    return { tty: config.tty, stream }
  }

  /** Of linked containers that are still there. */
  #linkEnvironment(record: ContainerRecord): readonly string[] {
    return linkEnvironment(record, bridgeLinks(record).flatMap(({ target, alias }) => {
      const found = this.#options.table.find(target)
      return found === undefined ? [] : [{ alias, target: found.record }]
    }))
  }

  async inspect(id: string): Promise<Readonly<Record<string, unknown>>> {
    const { config, container, state, exitCode, pid } = this.#get(id)
    const [entrypoint = '', ...args] = config.cmd
    return {
      ID: id, Running: state === 'running', ExitCode: exitCode, ContainerID: container.id, Pid: pid, CanRemove: false, DetachKeys: config.detachKeys ?? '',
      OpenStdin: config.attachStdin, OpenStdout: config.attachStdout, OpenStderr: config.attachStderr,
      ProcessConfig: { tty: config.tty, entrypoint, arguments: args, privileged: config.privileged, ...(config.user === undefined ? {} : { user: config.user }) },
    }
  }

  async resize(id: string, size: { readonly height: number; readonly width: number }): Promise<void> {
    const exec = this.#get(id)
    await exec.starting
    const { launched } = exec
    if (launched === undefined) throw new ShoalError('not-found', 'no-such-exec', 'no such exec')
    launched.monitor.resize(size.height, size.width)
  }

  /** Runs a command to its end and gives its output; kills it when the signal aborts. */
  async run(container: Container, cmd: readonly string[], signal: AbortSignal): Promise<{ readonly exitCode: number; readonly output: string }> {
    const { Id } = await this.create(container.id, { cmd, attachStdin: false, attachStdout: true, attachStderr: true, tty: false, env: [], privileged: false })
    const exec = this.#get(Id)
    const stream = new AttachStream({ stdin: false, stdout: true, stderr: true, tty: false, endClosesStdin: false, detachKeys: [] })
    const output = collect(stream)
    const launched = await this.#launch(exec, stream)
    const onAbort = (): void => launched.monitor.signal(SIGKILL)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    try {
      // The stream ends with the monitor, after the last of the output; the exit alone may come before it.
      const [{ code }, text] = await Promise.all([launched.exit, output])
      signal.throwIfAborted()
      return { exitCode: code, output: text }
    } finally {
      signal.removeEventListener('abort', onAbort)
      stream.destroy()
    }
  }

  /** Forgets what belongs to a container that is gone. */
  forget(container: Container): void {
    for (const id of container.execIds) this.#execs.delete(id)
    container.execIds.clear()
  }

  /** Sees to the files of execs that an earlier daemon started, when they end. */
  async adopt(container: Container): Promise<void> {
    const { launcher, tasks } = this.#options
    for (const { execId, monitor } of await launcher.adoptExecs(container.id)) {
      this.#adopted.add(monitor)
      tasks.run('exec of an earlier daemon', async () => {
        await monitor.closed
        this.#adopted.delete(monitor)
        if (!monitor.isReleased) launcher.removeExec(container.id, execId)
      })
    }
  }

  /** Lets go of what runs: the daemon stops, its execs do not. */
  stopWatching(): void {
    for (const exec of this.#execs.values()) exec.launched?.monitor.disconnect()
    for (const monitor of this.#adopted) monitor.disconnect()
  }

  async #launch(exec: Exec, stream: AttachStream | undefined, size?: { readonly height: number; readonly width: number }): Promise<Launched> {
    const { launcher, kernel, tasks } = this.#options
    const { container, config } = exec
    exec.state = 'running'
    this.#publish(exec, 'start', commandText(config))
    try {
      const process = await planExec(container.record, container.state.pid, kernel, { ...config, linkEnv: this.#linkEnvironment(container.record) })
      const launched = await launcher.exec({
        owner: exec.container.record.ids === undefined ? undefined : rootOf(exec.container.record.ids),
        containerId: container.id, execId: exec.id, process: size === undefined || size.height === 0 ? process : { ...process, consoleSize: size },
        tty: config.tty, openStdin: config.attachStdin && stream !== undefined, stdinOnce: true, attachments: stream === undefined ? [] : [stream],
      })
      exec.launched = launched
      exec.pid = launched.pid
      tasks.run('exec', () => this.#watch(exec, launched))
      return launched
    } catch (error) {
      this.#end(exec, CANNOT_START)
      throw error instanceof RuntimeFailed ? error.failure : error
    }
  }

  async #watch(exec: Exec, launched: Launched): Promise<void> {
    const { code } = await launched.exit
    if (launched.monitor.isReleased) return
    this.#end(exec, code)
    this.#publish(exec, 'die', '', { exitCode: String(code) })
    await launched.monitor.closed
    this.#options.launcher.removeExec(exec.container.id, exec.id)
  }

  #end(exec: Exec, code: number): void {
    exec.state = 'ended'
    exec.exitCode = code
    exec.pid = 0
    exec.launched = undefined
    exec.container.execIds.delete(exec.id)
    this.#ended = [...this.#ended, exec.id]
    for (const id of this.#ended.slice(0, -ENDED_MAX)) this.#execs.delete(id)
    this.#ended = this.#ended.slice(-ENDED_MAX)
  }

  #publish(exec: Exec, action: string, detail: string, more: Readonly<Record<string, string>> = {}): void {
    this.#options.publish(exec.container, `exec_${action}${detail}`, { execID: exec.id, ...more })
  }

  /** @throws `no-such-exec` (not-found) */
  #get(id: string): Exec {
    const exec = this.#execs.get(id)
    if (exec === undefined) throw new ShoalError('not-found', 'no-such-exec', `No such exec instance: ${id}`)
    return exec
  }
}

/** As in dockerd: the program, a blank, and the arguments. */
function commandText({ cmd: [program = '', ...args] }: ExecConfig): string { return `: ${program} ${args.join(' ')}` }

function requireRunning(container: Container): void {
  if (container.state.status === 'paused') throw new ShoalError('conflict', 'paused', `Container ${container.record.name} is paused, unpause the container before exec`)
  if (container.state.status !== 'running') throw new ShoalError('conflict', 'not-running', `container ${container.id} is not running`)
}

async function collect(stream: AttachStream): Promise<string> {
  const parser = new FrameParser()
  let text = ''
  try {
    for await (const chunk of stream) {
      for (const frame of parser.push(chunk as Buffer)) if (text.length < HEALTH_OUTPUT_MAX) text += frame.body.toString()
    }
  } catch {
    return text.slice(0, HEALTH_OUTPUT_MAX)
  }
  return text.slice(0, HEALTH_OUTPUT_MAX)
}
