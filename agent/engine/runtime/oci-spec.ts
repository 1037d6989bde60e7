import type { HostConfig } from '../../../src/api/engine/engine-json.ts'
import type { IdMapping, IdRange } from '../../kernel/id-mapping.ts'
import type { OciSeccomp } from './seccomp.ts'
import type { OciHook } from './cdi.ts'
import { buildDevices, buildResources, type OciDevice, type OciResources, type OciThrottle } from './oci-resources.ts'

/** The parts of the OCI runtime specification that are used. */
export interface OciSpec {
  readonly ociVersion: string
  readonly process: OciProcess
  readonly root: { readonly path: string; readonly readonly: boolean }
  readonly hostname?: string
  readonly mounts: readonly OciMount[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly hooks?: Readonly<Record<string, readonly OciHook[]>>
  readonly linux: Readonly<Record<string, unknown>>
}

export interface OciProcess {
  readonly terminal: boolean
  readonly consoleSize?: { readonly height: number; readonly width: number }
  readonly user: OciUser
  readonly args: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string
  readonly capabilities: Readonly<Record<string, readonly string[]>>
  readonly rlimits?: readonly { readonly type: string; readonly hard: number; readonly soft: number }[]
  readonly noNewPrivileges: boolean
  readonly oomScoreAdj?: number
  readonly apparmorProfile?: string
}

export interface OciUser { readonly uid: number; readonly gid: number; readonly additionalGids?: readonly number[] }
export interface OciMount { readonly destination: string; readonly type: string; readonly source: string; readonly options: readonly string[] }

/** Everything about one start of a container, looked up and decided; building the specification from it is pure. */
export interface SpecInput {
  readonly hostConfig: HostConfig
  readonly args: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string
  readonly user: OciUser
  readonly tty: boolean
  readonly rootfs: string
  readonly hostname: string
  readonly domainname: string
  readonly capabilities: readonly string[]
  readonly seccomp: OciSeccomp | undefined
  readonly noNewPrivileges: boolean
  /** A profile loaded in the kernel; "" for none. */
  readonly appArmor: string
  /** Undefined: for privileged containers only. */
  readonly writableCgroups: boolean | undefined
  /** Binds, volumes and tmpfs of the user, and the engine's own (/etc/hosts, …). */
  readonly mounts: readonly OciMount[]
  readonly netnsPath: string | undefined
  /** To be joined; undefined: the host's. */
  readonly userns: { readonly path: string; readonly ids: IdMapping } | undefined
  /** "" for a namespace of its own, a path to join one; undefined for the host's. */
  readonly pidNamespace: string | undefined
  readonly ipcNamespace: string | undefined
  /** /dev/shm: made for the container alone, a directory of the host, or none at all. */
  readonly shm: { readonly kind: 'own' } | { readonly kind: 'bind'; readonly source: string; readonly restrictions: readonly string[] } | { readonly kind: 'none' }
  readonly utsNamespace: string | undefined
  readonly cgroupNamespace: boolean
  readonly cgroupPath: string
  readonly cgroupVersion: 1 | 2
  readonly hasBlockWeight: boolean
  /** For privileged containers: every device of the host. For others: those asked for. */
  readonly devices: readonly OciDevice[]
  readonly throttles: Readonly<Record<string, readonly OciThrottle[]>>
  readonly deviceWeights: readonly { readonly major: number; readonly minor: number; readonly weight: number }[]
  readonly hooks: Readonly<Record<string, readonly OciHook[]>>
  readonly cpuCount: number
  readonly annotations: Readonly<Record<string, string>>
}

/** Hidden from containers unless told otherwise. */
export const MASKED_PATHS: readonly string[] = [
  '/proc/asound', '/proc/acpi', '/proc/interrupts', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list', '/proc/timer_stats',
  '/proc/sched_debug', '/proc/scsi', '/sys/firmware', '/sys/devices/virtual/powercap',
]
/** Not writable in containers unless told otherwise. */
export const READONLY_PATHS: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']
const SHM_BYTES_DEFAULT = 67_108_864

export function buildSpec(input: SpecInput): OciSpec {
  const { hostConfig } = input
  const privileged = hostConfig.Privileged === true
  return {
    ociVersion: '1.0.2',
    process: buildProcess(input),
    root: { path: input.rootfs, readonly: hostConfig.ReadonlyRootfs === true },
    ...(input.utsNamespace === undefined ? {} : { hostname: input.hostname }),
    mounts: buildMounts(input, privileged),
    annotations: { ...input.annotations, ...hostConfig.Annotations },
    ...(Object.keys(input.hooks).length === 0 ? {} : { hooks: input.hooks }),
    linux: {
      cgroupsPath: input.cgroupPath,
      namespaces: buildNamespaces(input),
      ...(input.userns === undefined ? {} : { uidMappings: ociRanges(input.userns.ids.uids), gidMappings: ociRanges(input.userns.ids.gids) }),
      // Older runtimes know no domain name but as a kernel setting.
      sysctl: { ...hostConfig.Sysctls, ...(input.domainname === '' || input.utsNamespace === undefined ? {} : { 'kernel.domainname': input.domainname }) },
      devices: buildDevices(input.devices),
      resources: buildResources(input) satisfies OciResources,
      rootfsPropagation: propagation(input.mounts),
      ...(input.seccomp === undefined ? {} : { seccomp: input.seccomp }),
      ...(privileged ? {} : { maskedPaths: hostConfig.MaskedPaths ?? MASKED_PATHS, readonlyPaths: hostConfig.ReadonlyPaths ?? READONLY_PATHS }),
    },
  }
}

export function buildProcess(input: Pick<SpecInput, 'hostConfig' | 'args' | 'env' | 'cwd' | 'user' | 'tty' | 'capabilities' | 'noNewPrivileges' | 'appArmor'>): OciProcess {
  const { hostConfig } = input
  const [height = 0, width = 0] = hostConfig.ConsoleSize ?? []
  const rlimits = (hostConfig.Ulimits ?? []).map(limit => ({
    type: `RLIMIT_${(limit.Name ?? '').toUpperCase()}`, hard: unlimited(limit.Hard ?? 0), soft: unlimited(limit.Soft ?? 0),
  }))
  return {
    terminal: input.tty,
    ...(input.tty && height > 0 ? { consoleSize: { height, width } } : {}),
    user: input.user, args: input.args, env: input.env, cwd: input.cwd,
    capabilities: capabilitySets(input.capabilities, input.user.uid),
    ...(rlimits.length === 0 ? {} : { rlimits }),
    noNewPrivileges: input.noNewPrivileges,
    ...(input.appArmor === '' ? {} : { apparmorProfile: input.appArmor }),
    // Said always: the daemon's own, which a unit may set low, is not the container's.
    oomScoreAdj: hostConfig.OomScoreAdj ?? 0,
  }
}

const RLIM_INFINITY = 18_446_744_073_709_551_615
function unlimited(value: number): number { return value < 0 ? RLIM_INFINITY : value }

/** JSON as the runtimes read it: RLIM_INFINITY is above what a double holds exactly, so its digits are put back. */
export function serializeSpec(spec: OciSpec | OciProcess): string {
  return JSON.stringify(spec).replaceAll(String(RLIM_INFINITY), '18446744073709551615')
}

/** A user other than root keeps nothing by itself, only what set-uid programs may gain. */
export function capabilitySets(names: readonly string[], uid: number): Readonly<Record<string, readonly string[]>> {
  return uid === 0 ? { bounding: names, effective: names, permitted: names } : { bounding: names }
}

function buildNamespaces(input: SpecInput): readonly { readonly type: string; readonly path?: string }[] {
  const namespaces: { readonly type: string; readonly path?: string }[] = [{ type: 'mount' }]
  const add = (type: string, path: string | undefined): void => {
    if (path !== undefined) namespaces.push(path === '' ? { type } : { type, path })
  }
  add('user', input.userns?.path)
  add('network', input.netnsPath)
  add('pid', input.pidNamespace)
  add('ipc', input.ipcNamespace)
  add('uts', input.utsNamespace)
  if (input.cgroupNamespace) namespaces.push({ type: 'cgroup' })
  return namespaces
}

function ociRanges(ranges: readonly IdRange[]): readonly { readonly containerID: number; readonly hostID: number; readonly size: number }[] {
  return ranges.map(({ container, host, size }) => ({ containerID: container, hostID: host, size }))
}

function buildMounts(input: SpecInput, privileged: boolean): readonly OciMount[] {
  const { hostConfig } = input
  const writable = privileged ? 'rw' : 'ro'
  const base: OciMount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'] },
    sysMount(input, writable),
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [(input.writableCgroups ?? privileged) ? 'rw' : 'ro', 'nosuid', 'noexec', 'nodev', 'relatime'] },
    // A message queue file system belongs to an IPC namespace: mounted anew it is the host's when that is the container's.
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  ]
  const size = hostConfig.ShmSize !== undefined && hostConfig.ShmSize > 0 ? hostConfig.ShmSize : SHM_BYTES_DEFAULT
  const shm = input.shm.kind === 'none' ? [] : [input.shm.kind === 'bind' ? { destination: '/dev/shm', type: 'bind', source: input.shm.source, options: ['rbind', 'rprivate', ...input.shm.restrictions] }
    : { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${size}`] }]
  const overridden = new Set(input.mounts.map(mount => mount.destination))
  const users = [...input.mounts].sort((a, b) => depth(a.destination) - depth(b.destination))
  return [...[...base, ...shm].filter(mount => !overridden.has(mount.destination)), ...users]
}

/** sysfs shows the network namespace it was mounted in, so without one of its own a container gets the host's by bind. */
function sysMount(input: SpecInput, writable: string): OciMount {
  if (input.netnsPath === undefined) return { destination: '/sys', type: 'bind', source: '/sys', options: ['rbind', 'nosuid', 'noexec', 'nodev', writable] }
  return { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', writable] }
}

function depth(path: string): number { return path === '/' ? 0 : path.split('/').length }

function propagation(mounts: readonly OciMount[]): string {
  const options = new Set(mounts.flatMap(mount => mount.options))
  if (options.has('shared') || options.has('rshared')) return 'shared'
  return options.has('slave') || options.has('rslave') ? 'rslave' : 'rprivate'
}
