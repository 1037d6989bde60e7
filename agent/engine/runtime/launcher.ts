import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Owner } from '../../kernel/id-mapping.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { makeDirectory } from '../durable-file.ts'
import type { AttachStream } from './attach-stream.ts'
import { exitStatusOf, MonitorProcess, parseState, type ExitStatus, type MonitorState } from './monitor-process.ts'
import { serializeSpec, type OciProcess, type OciSpec } from './oci-spec.ts'
import type { OciRuntime, OciRuntimes } from './oci-runtime.ts'
import { runtimeFailure } from './runtime-error.ts'

export interface StdioOptions {
  readonly tty: boolean
  readonly openStdin: boolean
  readonly stdinOnce: boolean
  /** Clients that must miss nothing: connected before the process starts. */
  readonly attachments: readonly AttachStream[]
  /** Who the standard streams belong to, so that the process can open them again; root when absent. */
  readonly owner?: Owner | undefined
}

export interface LogTarget {
  readonly path: string
  readonly bytesMax: number
  readonly filesMax: number
  /** Given: lines of JSON with these attributes, which are JSON, or none (""). */
  readonly attributes?: string
}

export interface LaunchOptions extends StdioOptions {
  readonly id: string
  /** A name of OciRuntimes; any other: the standard one. */
  readonly runtime: string
  readonly spec: OciSpec
  readonly cgroupPath: string
  readonly log: LogTarget | undefined
}

export interface ExecOptions extends StdioOptions {
  readonly containerId: string
  readonly execId: string
  readonly process: OciProcess
}

/** A process that a monitor watches. */
export interface Launched { readonly pid: number; readonly monitor: MonitorProcess; readonly socketPath: string; readonly exit: Promise<ExitStatus> }

export type Adopted = { readonly kind: 'running'; readonly launched: Launched } | { readonly kind: 'exited'; readonly exit: ExitStatus } | { readonly kind: 'lost' }

export interface LauncherOptions {
  readonly kernel: Kernel
  readonly clock: Clock
  readonly runtimes: OciRuntimes
  readonly monitorPath: string
  readonly execRoot: string
}

/** sockaddr_un holds 108 bytes; the path of a monitor's socket is this much longer than the run-time directory. */
const EXEC_ROOT_MAX = 50
/** Containers and execs by this much of their ids: the full 64 characters would not leave room in a socket's path. */
const ID_LENGTH = 24
const LOST_CODE = 137
/** Two seconds in all: the kernel has long let go of what can be let go of. */
const CGROUP_TRIES_MAX = 100
const CGROUP_RETRY_MS = 20

/**
 * Starts containers and execs through a monitor, and finds them again. Each has a directory below the run-time root: bundle, socket `s`, exit file, pid.
 */
export class Launcher {
  readonly #kernel: Kernel
  readonly #clock: Clock
  readonly #runtimes: OciRuntimes
  readonly #monitorPath: string
  readonly #execRoot: string
  /** Compiled filters by the hash of the rules. */
  readonly #filters = new Map<string, string>()

  constructor(options: LauncherOptions) {
    if (options.execRoot.length > EXEC_ROOT_MAX) throw new ShoalError('invalid-argument', 'exec-root-too-long', `the run-time directory ${options.execRoot} is longer than ${EXEC_ROOT_MAX} characters, too long for Unix sockets in it`)
    this.#kernel = options.kernel
    this.#clock = options.clock
    this.#runtimes = options.runtimes
    this.#monitorPath = options.monitorPath
    this.#execRoot = options.execRoot
  }

  directory(id: string): string { return join(this.#execRoot, 'c', id.slice(0, ID_LENGTH)) }
  #stateRoot(runtime: OciRuntime): string { return join(this.#execRoot, runtime.name) }
  /** Which runtime made a container: the one that has its state. */
  #runtimeOf(id: string): OciRuntime {
    return [...this.#runtimes.byName.values()].find(runtime => existsSync(join(this.#stateRoot(runtime), id))) ?? this.#runtimes.standard
  }

  /** @throws `runtime-failed` with the runtime's reason; `exitCode` of the cause is the container's */
  async launch(options: LaunchOptions): Promise<Launched> {
    const directory = this.directory(options.id)
    rmSync(directory, { recursive: true, force: true })
    await makeDirectory(directory, 0o700)
    const runtime = this.#runtimes.byName.get(options.runtime) ?? this.#runtimes.standard
    const { spec, remember } = this.#withCachedFilter(runtime, options.spec, options.id)
    writeFileSync(join(directory, 'config.json'), serializeSpec(spec))
    const { log } = options
    const oom = this.#kernel.cgroups.filePath(options.cgroupPath, 'memory', this.#kernel.cgroups.version === 1 ? 'memory.oom_control' : 'memory.events')
    // The pid file's path is whole: crun that makes devices for a user namespace comes back in another directory.
    const launched = await this.#spawn(runtime, directory, options, [
      ...(log === undefined ? [] : ['-l', log.path, '-m', String(log.bytesMax), '-n', String(log.filesMax), ...(log.attributes === undefined ? [] : ['-j', log.attributes])]), '-o', oom,
    ], ['run', '--detach', '--bundle', '.', ...(options.tty ? ['--console-socket', 'console'] : []), '--pid-file', join(directory, 'pid'), options.id], options.spec.process.args[0] ?? '')
    remember()
    return launched
  }

  /** @throws `runtime-failed` */
  async exec(options: ExecOptions): Promise<Launched> {
    const directory = join(this.directory(options.containerId), options.execId.slice(0, ID_LENGTH))
    await makeDirectory(directory, 0o700)
    writeFileSync(join(directory, 'process.json'), serializeSpec(options.process))
    const args = ['exec', '--detach', '--process', 'process.json', ...(options.tty ? ['--console-socket', 'console'] : []), '--pid-file', 'pid', options.containerId]
    return this.#spawn(this.#runtimeOf(options.containerId), directory, options, [], args, options.process.args[0] ?? '')
  }

  /** The monitors of execs that an earlier daemon started and that still go on; the folders of those that have ended are removed. */
  async adoptExecs(containerId: string): Promise<readonly { readonly execId: string; readonly monitor: MonitorProcess }[]> {
    const directory = this.directory(containerId)
    const found = await Promise.all(readdirSync(directory, { withFileTypes: true }).filter(entry => entry.isDirectory()).map(async ({ name: execId }) => {
      const stream = await this.#kernel.processes.connect(join(directory, execId, 's')).catch(() => undefined)
      if (stream !== undefined) return [{ execId, monitor: new MonitorProcess(stream) }]
      this.removeExec(containerId, execId)
      return []
    }))
    return found.flat()
  }

  /** Forgets an exec's files. */
  removeExec(containerId: string, execId: string): void { rmSync(join(this.directory(containerId), execId.slice(0, ID_LENGTH)), { recursive: true, force: true }) }

  /** Finds out about a container that was running when the daemon last knew. */
  async adopt(id: string): Promise<Adopted> {
    const directory = this.directory(id)
    const socketPath = join(directory, 's')
    // Nobody listens: it has ended. But who cannot even ask must not take it for gone, and take it down.
    const stream = await this.#kernel.processes.connect(socketPath).catch((error: unknown) => { if (isOutOfResources(error)) throw error; return undefined })
    if (stream !== undefined) {
      const monitor = new MonitorProcess(stream)
      monitor.greet()
      const state = await monitor.started
      if (state.pid !== undefined && state.code === undefined) return { kind: 'running', launched: this.#launched(directory, monitor, state.pid) }
      monitor.disconnect()
    }
    const exit = this.#exitFile(directory)
    return exit === undefined ? { kind: 'lost' } : { kind: 'exited', exit }
  }

  /** Takes down what is left of a container in the kernel, whatever state it is in. Its folder stays: the exit that is in there may not be recorded yet. Idempotent. */
  async cleanUp(id: string, cgroupPath: string): Promise<void> {
    const { cgroups, processes } = this.#kernel
    const runtime = this.#runtimeOf(id)
    const state = join(this.#stateRoot(runtime), id)
    // The ordinary case: everything in it died with its first process, so removing the empty cgroup is all that the runtime's own delete would do.
    const isGone = cgroups.pids(cgroupPath).length === 0 && await cgroups.remove(cgroupPath)
    if (!isGone && existsSync(state)) {
      const { stderr, code } = await processes.run([runtime.path, '--root', this.#stateRoot(runtime), 'delete', '--force', id])
      if (code !== 0 && existsSync(state)) throw new ShoalError('internal', 'cleanup-failed', `cannot clean up container ${id}: ${stderr.toString().trim()}`)
    }
    // A runtime that gives up a start half way takes its state away, but not always the cgroup.
    if (!isGone) await this.#removeCgroup(cgroupPath)
    rmSync(state, { recursive: true, force: true })
  }

  /** A killed process leaves its cgroup a moment after its parent was told of its end. */
  async #removeCgroup(cgroupPath: string): Promise<void> {
    for (let tries = 1; !await this.#kernel.cgroups.remove(cgroupPath); tries++) {
      if (tries === CGROUP_TRIES_MAX) throw new ShoalError('internal', 'cleanup-failed', `cannot remove cgroup ${cgroupPath}: there are processes in it: ${this.#kernel.cgroups.pids(cgroupPath).join(' ')}`)
      await this.#clock.sleep(CGROUP_RETRY_MS)
    }
  }

  /** Removes the folder of a container that is down, with the exit that its monitor wrote there. */
  forget(id: string): void { rmSync(this.directory(id), { recursive: true, force: true }) }

  /** The same for a folder whose container is not known any more; the runtime's own folder tells its full id. */
  async cleanUpStray(directoryName: string, cgroupParent: string): Promise<void> {
    const states = [...this.#runtimes.byName.values()].map(runtime => this.#stateRoot(runtime)).filter(existsSync).flatMap(root => readdirSync(root))
    const id = states.find(state => state.startsWith(directoryName)) ?? directoryName
    await this.cleanUp(id, join(cgroupParent, id))
    this.forget(id)
  }

  async #spawn(runtime: OciRuntime, directory: string, stdio: StdioOptions, monitorArgs: readonly string[], runtimeArgs: readonly string[], command: string): Promise<Launched> {
    // One client, the ordinary case, comes along; more of them connect before the word to go.
    const [only] = stdio.attachments.length === 1 ? stdio.attachments : []
    const waits = stdio.attachments.length > 1
    const hidden = runtime.hiddenMount
    const { control, client } = this.#kernel.processes.spawnMonitor([
      this.#monitorPath, '-d', directory, ...monitorArgs,
      ...(stdio.tty ? ['-t'] : []), ...(stdio.openStdin ? ['-i'] : []), ...(stdio.stdinOnce ? ['-1'] : []), ...(waits ? ['-w'] : []), ...(only === undefined ? [] : ['-a']), ...(hidden === undefined ? [] : ['-u', hidden]), ...(stdio.owner === undefined ? [] : ['-c', `${stdio.owner.uid}:${stdio.owner.gid}`]),
      '--', runtime.path, '--root', this.#stateRoot(runtime), '--log', join(directory, 'runtime.log'), '--log-format', runtime.logFormat, ...runtimeArgs,
    ], { stderrPath: join(directory, 'monitor.err'), withClient: only !== undefined })
    if (client !== undefined) only?.connect(client)
    const monitor = new MonitorProcess(control)
    if (waits) {
      await monitor.ready
      await Promise.all(stdio.attachments.map(attachment => this.attach(join(directory, 's'), attachment)))
      monitor.go()
    }
    const state = await monitor.started
    if (state.pid !== undefined) return this.#launched(directory, monitor, state.pid)
    throw this.#failure(directory, state, command, runtimeArgs)
  }

  /** Connects a client; resolves when it misses nothing any more. */
  async attach(socketPath: string, attachment: AttachStream): Promise<void> {
    attachment.connect(await this.#kernel.processes.connect(socketPath))
    await attachment.attached
  }

  #launched(directory: string, monitor: MonitorProcess, pid: number): Launched {
    return { pid, monitor, socketPath: join(directory, 's'), exit: this.#exit(directory, monitor, pid) }
  }

  /** A monitor that ends without a word was killed: its process must not go on unwatched. */
  async #exit(directory: string, monitor: MonitorProcess, pid: number): Promise<ExitStatus> {
    const startedAt = this.#kernel.processes.startTicks(pid)
    const exit = await monitor.exited ?? this.#exitFile(directory)
    if (exit !== undefined) return exit
    if (monitor.isReleased) return { code: LOST_CODE, oomKilled: false, atMs: 0, lost: true }
    if (startedAt !== undefined && this.#kernel.processes.startTicks(pid) === startedAt) this.#kernel.processes.kill(pid, 9)
    return { code: LOST_CODE, oomKilled: false, atMs: 0, lost: true }
  }

  #exitFile(directory: string): ExitStatus | undefined {
    try {
      return exitStatusOf(parseState(readFileSync(join(directory, 'exit'))))
    } catch (error) {
      if (isOutOfResources(error)) throw error
      return undefined // None, or one that a full disk cut off.
    }
  }

  #failure(directory: string, state: MonitorState, command: string, runtimeArgs: readonly string[]): RuntimeFailed {
    const text = readText(join(directory, 'runtime.log'))
    const { error, exitCode } = runtimeFailure(text, command, runtimeArgs[0] === 'exec' ? 'exec' : 'create')
    if (text !== '') return new RuntimeFailed(error, exitCode)
    const own = readText(join(directory, 'monitor.err')).trim()
    return new RuntimeFailed(new ShoalError('internal', 'runtime-failed', `the container monitor failed (${state.failed}): ${own}`), exitCode)
  }

  /** crun spends half of its time compiling the filter (D-213). What it compiled once is handed back from then on. */
  #withCachedFilter(runtime: OciRuntime, spec: OciSpec, id: string): { readonly spec: OciSpec; remember(): void } {
    const rules = spec.linux['seccomp']
    if (!runtime.cachesSeccomp || rules === undefined) return { spec, remember: () => undefined }
    const key = createHash('sha256').update(JSON.stringify(rules)).digest('hex')
    const filter = this.#filters.get(key)
    if (filter !== undefined) {
      return { spec: { ...spec, annotations: { ...spec.annotations, 'run.oci.seccomp_bpf_data': filter } }, remember: () => undefined }
    }
    return { spec, remember: () => {
      const path = join(this.#stateRoot(runtime), id, 'seccomp.bpf')
      if (existsSync(path)) this.#filters.set(key, readFileSync(path).toString('base64'))
    } }
  }
}

/** Of a system call, or of what told of one: it says nothing about what was asked for. */
function isOutOfResources(error: unknown): boolean {
  const { code, cause } = error as NodeJS.ErrnoException & { readonly cause?: NodeJS.ErrnoException }
  return ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'ENOBUFS'].includes(cause?.code ?? code ?? '')
}

/** A start that the runtime refused, with the exit code that the container gets for it. */
export class RuntimeFailed extends Error {
  readonly failure: ShoalError
  readonly exitCode: number
  constructor(failure: ShoalError, exitCode: number) {
    super(failure.message, { cause: failure })
    this.failure = failure
    this.exitCode = exitCode
  }
}

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
