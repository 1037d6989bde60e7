import type { Duplex } from 'node:stream'
import { ShoalError } from '../../src/base/errors.ts'
import { CAPABILITIES } from './capabilities.ts'
import { FakeMonitor } from './fake-monitor.ts'
import type { CgroupController, Kernel, KernelCgroups, KernelHost, KernelMounts, KernelProcesses, OverlayMount, RunResult, SpawnedMonitor } from './kernel.ts'
import { MONITOR_PROTOCOL } from './monitor-protocol.ts'

const SIGKILL = 9
const CGROUP_ROOT = '/fake/cgroup'

export interface FakeKernelOptions {
  /** What a process does with a signal; default: only SIGKILL ends it. */
  readonly onSignal?: (monitor: FakeMonitor, signal: number) => void
  /** The runtime's exit status for a start that fails. */
  readonly failStart?: (argv: readonly string[]) => number | undefined
}

/** A model of Linux for tests without privileges: records mounts and cgroups, and models container monitors. */
export class FakeKernel implements Kernel {
  readonly mounts = new FakeMounts()
  readonly cgroups = new FakeCgroups()
  readonly processes: FakeProcesses
  readonly host: KernelHost = {
    capabilities: () => new Set(CAPABILITIES), hasSeccomp: true, hasAppArmor: false, cpuCount: 4, memoryBytes: 8 * 2 ** 30, release: '6.1.0', clockTicksPerSecond: 100, systemCpuNanos: () => 0,
  }

  constructor(options: FakeKernelOptions = {}) { this.processes = new FakeProcesses(options) }
}

export class FakeMounts implements KernelMounts {
  /** Mount point -> what is there. */
  readonly table = new Map<string, string>()

  overlay(mount: OverlayMount): void { this.#add(mount.target, `overlay:${mount.lower.join(':')}`) }
  bind(source: string, target: string): void { this.#add(target, `bind:${source}`) }
  async bindMapped(source: string, target: string): Promise<void> { this.#add(target, `mapped:${source}`) }
  async mount(source: string, target: string, type: string, options: string): Promise<void> { this.#add(target, `${type}:${source}:${options}`) }
  restrictions(): readonly [] { return [] }
  async unmount(target: string): Promise<void> { this.table.delete(target) }
  /** Mount points that share what is mounted in them; everything else is private. */
  readonly shared = new Set<string>()
  propagation(path: string): { readonly mountPoint: string; readonly isShared: boolean; readonly isSlave: boolean } {
    const mountPoint = [...this.shared].find(point => path === point || path.startsWith(`${point}/`)) ?? '/'
    return { mountPoint, isShared: this.shared.has(mountPoint), isSlave: false }
  }
  under(prefix: string): readonly string[] { return [...this.table.keys()].filter(point => point === prefix || point.startsWith(`${prefix}/`)).sort((a, b) => b.length - a.length) }
  /** Paths that were synced, oldest first. */
  readonly synced: string[] = []
  async sync(path: string): Promise<void> { this.synced.push(path) }
  makeWhiteout(path: string): void { this.table.set(path, 'whiteout') }
  makeOpaque(directory: string): void { this.table.set(directory, 'opaque') }
  /** Path and name of an attribute -> its value. */
  readonly attributes = new Map<string, Buffer>()
  attribute(path: string, name: string): Buffer | undefined { return this.attributes.get(`${path} ${name}`) }
  setAttribute(path: string, name: string, value: Buffer): void { this.attributes.set(`${path} ${name}`, value) }
  makeNode(path: string, mode: number, device: { readonly major: number; readonly minor: number }): void { this.table.set(path, `node:${mode.toString(8)}:${device.major}:${device.minor}`) }

  #add(target: string, what: string): void {
    if (this.table.has(target)) throw new ShoalError('internal', 'mount-failed', `cannot mount ${what} at ${target}: EBUSY`)
    this.table.set(target, what)
  }
}

export class FakeCgroups implements KernelCgroups {
  readonly version = 2
  readonly hybridMount: string | undefined = undefined
  readonly hasBlockWeight = true
  /** Path of a file -> its text. */
  readonly files = new Map<string, string>()

  has(): boolean { return true }
  filePath(cgroup: string, _controller: CgroupController, file: string): string { return `${CGROUP_ROOT}${cgroup}/${file}` }
  read(cgroup: string, controller: CgroupController, file: string): string | undefined { return this.files.get(this.filePath(cgroup, controller, file)) }

  write(cgroup: string, controller: CgroupController, file: string, text: string): void {
    this.files.set(this.filePath(cgroup, controller, file), text)
    if (file === 'cgroup.freeze') this.files.set(this.filePath(cgroup, controller, 'cgroup.events'), `populated 1\nfrozen ${text}\n`)
  }

  pids(): readonly number[] { return [] }

  async remove(cgroup: string): Promise<boolean> {
    for (const path of this.files.keys()) if (path.startsWith(`${CGROUP_ROOT}${cgroup}/`)) this.files.delete(path)
    return true
  }
}

export class FakeProcesses implements KernelProcesses {
  /** Every monitor ever started, oldest first. */
  readonly monitors: FakeMonitor[] = []
  /** Tools that were run. */
  readonly runs: (readonly string[])[] = []
  readonly #options: FakeKernelOptions
  #nextPid = 1000

  constructor(options: FakeKernelOptions) { this.#options = options }

  spawnMonitor(argv: readonly string[], options: { readonly withClient?: boolean } = {}): SpawnedMonitor {
    const pid = this.#nextPid++
    const onSignal = this.#options.onSignal ?? ((monitor, signal) => { if (signal === SIGKILL) monitor.exit(137) })
    const monitor = new FakeMonitor({ argv, pid, onSignal, failure: this.#options.failStart?.(argv) })
    this.monitors.push(monitor)
    const control = monitor.start()
    return { pid: pid + 1_000_000, control, ...(options.withClient === true ? { client: monitor.connect() } : {}) }
  }

  sealProgram(name: string): string { return name }

  /** Reads the input and says yes; to the question for the monitor's version, the right answer. */
  async run(argv: readonly string[], options: { readonly input?: AsyncIterable<Uint8Array> } = {}): Promise<RunResult> {
    this.runs.push(argv)
    for await (const chunk of options.input ?? []) if (chunk.length < 0) break
    const stdout = Buffer.from(argv[1] === '--version' ? `shoal-monitor ${MONITOR_PROTOCOL}\n` : '')
    return { code: 0, stdout, stderr: Buffer.alloc(0) }
  }

  async *filter(argv: readonly string[], input: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    this.runs.push(argv)
    yield* input
  }

  async connect(path: string): Promise<Duplex> {
    const monitor = this.monitors.findLast(candidate => !candidate.isEnded && `${candidate.directory}/s` === path)
    if (monitor === undefined) throw new ShoalError('unavailable', 'connect-failed', `cannot connect to ${path}: ENOENT`)
    return monitor.connect()
  }

  userNamespaceOf(): undefined { return undefined }
  connectDatagram(): undefined { return undefined }

  kill(pid: number, signal: number): boolean {
    const monitor = this.monitors.find(candidate => candidate.pid === pid && !candidate.isEnded)
    if (signal === SIGKILL) monitor?.exit(137)
    return monitor !== undefined
  }

  startTicks(pid: number): number | undefined { return this.monitors.some(monitor => monitor.pid === pid && !monitor.isEnded) ? pid : undefined }
}
