import type { Duplex } from 'node:stream'
import type { IdMapping } from './id-mapping.ts'

/** Everything the container side of the engine asks of Linux. Real: linux/linux-kernel.ts (koffi), twin: fake-kernel.ts. */
export interface Kernel {
  readonly mounts: KernelMounts
  readonly processes: KernelProcesses
  readonly cgroups: KernelCgroups
  readonly host: KernelHost
}

export interface OverlayMount {
  /** Topmost first. */
  readonly lower: readonly string[]
  readonly upper: string
  readonly work: string
  readonly target: string
}

export interface KernelMounts {
  /** @throws `mount-failed` with the errno's name in the message */
  overlay(mount: OverlayMount): void
  /** @throws `mount-failed` */
  bind(source: string, target: string): void
  /** Shows `source`, without what is mounted in it, at `target` with shifted owners: 0 on disk is seen as the host's id of root inside, and is written back as 0. @throws `mount-failed` where the kernel or the file system cannot (mount_setattr(2), MOUNT_ATTR_IDMAP) */
  bindMapped(source: string, target: string, ids: IdMapping): Promise<void>
  /** A tmpfs, a remote file system, …: mount(2) with this type; `options` as mount(8)'s -o, flags and data alike. Off the event loop: a server may not answer. @throws `mount-failed` in Docker's words */
  mount(source: string, target: string, type: string, options: string): Promise<void>
  /** Detaches; not mounted is fine. Off the event loop: an overlay is synced first. @throws `unmount-failed` */
  unmount(target: string): Promise<void>
  /** Whether what is mounted inside or beside the mount that holds `path` is seen in other namespaces. Undefined when the path is not there. */
  propagation(path: string): MountPropagation | undefined
  /** Which of ro, nosuid, nodev and noexec hold for the mount that `path` is on; none when it is not there. */
  restrictions(path: string): readonly MountRestriction[]
  /** Mount points at or below `prefix`, deepest first. */
  under(prefix: string): readonly string[]
  /** An overlay whiteout (device 0:0). */
  makeWhiteout(path: string): void
  /** Hides what lower layers have in this directory. */
  makeOpaque(directory: string): void
  /** syncfs(2): all that was written to the file system that `path` is on outlives a power failure. Off the event loop. @throws `sync-failed` when some of it could not be written */
  sync(path: string): Promise<void>
  /** An extended attribute of a file; undefined when it has none of that name. Follows links: for paths below /proc/self/fd. */
  attribute(path: string, name: string): Buffer | undefined
  /** @throws `attribute-failed` */
  setAttribute(path: string, name: string, value: Buffer): void
  /** mknod(2); `mode` with the type's bits. @throws `mknod-failed` */
  makeNode(path: string, mode: number, device: { readonly major: number; readonly minor: number }): void
}

export type MountRestriction = 'ro' | 'nosuid' | 'nodev' | 'noexec'

export interface MountPropagation { readonly mountPoint: string; readonly isShared: boolean; readonly isSlave: boolean }

export interface SpawnedMonitor {
  readonly pid: number
  /** The monitor's descriptor 3. Ends when the monitor does. */
  readonly control: Duplex
  /** Our end of its descriptor 4, if it was asked for. */
  readonly client?: Duplex
}

export interface DatagramSender {
  /** False when the reader is behind: try again in a moment. @throws `log-send-failed` (unavailable) when it is gone, or the message is too long */
  send(bytes: Uint8Array): boolean
  close(): void
}

export interface HeldPath { readonly path: string; close(): void }

export interface RunResult { readonly code: number; readonly stdout: Buffer; readonly stderr: Buffer }

export interface RunOptions {
  readonly input?: AsyncIterable<Uint8Array>
  readonly signal?: AbortSignal
  readonly cwd?: string
  /** Gets what the tool prints, as it does; `stdout` of the result is then empty. */
  readonly onStdout?: (chunk: Uint8Array) => void
}

export interface KernelProcesses {
  /**
   * Copies a program, found as the shell would, into sealed memory, and gives the path to start it by while this process lives.
   * @throws `spawn-failed` when there is none of that name
   */
  sealProgram(name: string): string
  /** Starts a process in a session of its own that outlives this one, with descriptor 3 connected to `control` and stderr in a file. @throws `spawn-failed` */
  spawnMonitor(argv: readonly string[], options: { readonly stderrPath: string; /** Hand over a client's connection too, as descriptor 4. */ readonly withClient?: boolean }): SpawnedMonitor
  /** Runs a tool to its end. For rare work only: forking a large process is slow. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>
  /** Runs a tool as a filter: its standard output. The iteration fails with `tool-failed` when the tool does. */
  filter(argv: readonly string[], input: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
  /** Connects to a Unix stream socket. @throws `connect-failed` */
  connect(path: string): Promise<Duplex>
  /** Connects to a Unix datagram socket, which Node cannot; undefined when nobody listens there. */
  connectDatagram(path: string): DatagramSender | undefined
  /** The user namespace that a network namespace belongs to, as a path while it is held; undefined when that is our own. */
  userNamespaceOf(netnsPath: string): HeldPath | undefined
  /** Signal 0 only asks. False when there is no such process. */
  kill(pid: number, signal: number): boolean
  /** When a process started, in clock ticks since boot: with the pid, names one process for ever. */
  startTicks(pid: number): number | undefined
}

export type CgroupController = 'memory' | 'cpu' | 'cpuacct' | 'pids' | 'blkio' | 'freezer' | 'cpuset' | 'devices'

/** `cgroup` is an absolute cgroup path such as /shoal/<id>. */
export interface KernelCgroups {
  readonly version: 1 | 2
  /** A second hierarchy that crun would refuse the machine for; it is hidden from the runtime alone. */
  readonly hybridMount: string | undefined
  has(controller: CgroupController): boolean
  /** Some I/O schedulers know no weights. */
  readonly hasBlockWeight: boolean
  filePath(cgroup: string, controller: CgroupController, file: string): string
  /** Undefined when the cgroup or the file is not there. */
  read(cgroup: string, controller: CgroupController, file: string): string | undefined
  /** @throws `cgroup-write-failed` */
  write(cgroup: string, controller: CgroupController, file: string, text: string): void
  pids(cgroup: string): readonly number[]
  /** Removes it from every hierarchy; false when it still holds processes. Off the event loop: the kernel takes milliseconds for each. */
  remove(cgroup: string): Promise<boolean>
}

export interface KernelHost {
  /** This machine's bounding set, as CAP_… names. */
  capabilities(): ReadonlySet<string>
  readonly hasSeccomp: boolean
  /** AppArmor is on: a process can be confined to a profile that is loaded. */
  readonly hasAppArmor: boolean
  readonly cpuCount: number
  readonly memoryBytes: number
  /** "6.1.0" and so on. */
  readonly release: string
  readonly clockTicksPerSecond: number
  /** Total processor time of the machine in nanoseconds (user, nice, system, idle, …), as Docker counts system_cpu_usage. */
  systemCpuNanos(): number
}
