import { existsSync, readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { capabilityNames } from '../capabilities.ts'
import type { Kernel, KernelHost } from '../kernel.ts'
import { loadLibc } from './libc.ts'
import { LinuxCgroups } from './linux-cgroups.ts'
import { LinuxMounts } from './linux-mounts.ts'
import { LinuxProcesses } from './linux-processes.ts'
import { UserNamespaces } from './user-namespaces.ts'

/** USER_HZ, which is 100 on every architecture that Node runs on. */
const CLOCK_TICKS_PER_SECOND = 100

/** The kernel this process runs on. */
export function createLinuxKernel(): Kernel {
  const libc = loadLibc()
  const processes = new LinuxProcesses(libc)
  return { mounts: new LinuxMounts(libc, new UserNamespaces(processes)), processes, cgroups: new LinuxCgroups(), host: createHost() }
}

function createHost(): KernelHost {
  return {
    capabilities: () => capabilityNames(/^CapBnd:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'),
    hasSeccomp: /^Seccomp:/m.test(readFileSync('/proc/self/status', 'utf8')),
    hasAppArmor: existsSync('/sys/module/apparmor/parameters/enabled') && readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y'),
    cpuCount: cpus().length,
    memoryBytes: totalmem(),
    release: release(),
    clockTicksPerSecond: CLOCK_TICKS_PER_SECOND,
    systemCpuNanos: () => {
      const first = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? ''
      const ticks = first.split(/\s+/).slice(1, 8).reduce((sum, word) => sum + Number(word), 0)
      return ticks * (1e9 / CLOCK_TICKS_PER_SECOND)
    },
  }
}
