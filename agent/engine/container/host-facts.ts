import type { Kernel } from '../../kernel/kernel.ts'

/** What this machine can do with a container's limits and rights, asked once. */
export interface HostFacts {
  readonly cpuCount: number
  readonly memoryBytes: number
  readonly cgroupVersion: 1 | 2
  readonly capabilities: ReadonlySet<string>
  readonly hasBlockWeight: boolean
  /** The kernel counts swap, so that it can be limited. */
  readonly hasSwapLimit: boolean
  /** The kernel gives cgroups a share of real time (CONFIG_RT_GROUP_SCHED). */
  readonly hasRealtime: boolean
  /** Lists such as "0-3,7" of what containers may be bound to; empty: not known, and not checked. */
  readonly cpus: string
  readonly memoryNodes: string
  /** Names that --runtime takes; the first is the default. */
  readonly runtimes: readonly string[]
  /** Containers have user namespaces unless they ask for the host's. */
  readonly hasUserNamespaces: boolean
}

export function readHostFacts(kernel: Kernel, runtimes: readonly string[], hasUserNamespaces: boolean): HostFacts {
  const { cgroups, host } = kernel
  const cpuset = (kind: 'cpus' | 'mems'): string => (cgroups.read('/', 'cpuset', `cpuset.${kind}.effective`) ?? cgroups.read('/', 'cpuset', `cpuset.${kind}`) ?? '').trim()
  return {
    cpuCount: host.cpuCount, memoryBytes: host.memoryBytes, cgroupVersion: cgroups.version, capabilities: host.capabilities(), hasBlockWeight: cgroups.hasBlockWeight,
    // Version 2 has no such file in its root; its kernels count swap.
    hasSwapLimit: cgroups.version === 2 || cgroups.read('/', 'memory', 'memory.memsw.limit_in_bytes') !== undefined,
    hasRealtime: cgroups.version === 1 && cgroups.read('/', 'cpu', 'cpu.rt_runtime_us') !== undefined,
    cpus: cpuset('cpus'), memoryNodes: cpuset('mems'), runtimes, hasUserNamespaces,
  }
}
