import type { HostConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { checkRestartPolicy } from './check-host.ts'
import type { CgroupController, Kernel } from '../../kernel/kernel.ts'

const CPU_PERIOD_US = 100_000
const UPDATABLE = ['BlkioWeight', 'CpuPeriod', 'CpuQuota', 'CpuRealtimePeriod', 'CpuRealtimeRuntime', 'CpuShares', 'CpusetCpus', 'CpusetMems', 'Memory', 'MemoryReservation', 'MemorySwap', 'NanoCpus'] as const

/** One value to write to a container's cgroup. */
export interface CgroupWrite { readonly controller: CgroupController; readonly file: string; readonly text: string }

/**
 * A host configuration with the changes of `docker update` in it: zero and "" mean "as it is".
 * @throws `invalid-update` (invalid-argument)
 */
export function updatedHostConfig(id: string, before: HostConfig, changes: Partial<HostConfig>): HostConfig {
  const invalid = (reason: string): ShoalError => new ShoalError('invalid-argument', 'invalid-update', `Cannot update container ${id}: ${reason}`)
  const memory = changes.Memory ?? 0
  const swap = changes.MemorySwap ?? 0
  if ((changes.NanoCpus ?? 0) > 0 && (changes.CpuQuota ?? 0) > 0) throw invalid('Nano CPUs and CPU Quota cannot both be set')
  if ((changes.NanoCpus ?? 0) > 0 && (before.CpuQuota ?? 0) > 0) throw invalid('Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set')
  if ((changes.NanoCpus ?? 0) > 0 && (before.CpuPeriod ?? 0) > 0) throw invalid('Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set')
  if ((changes.CpuQuota ?? 0) > 0 && (before.NanoCpus ?? 0) > 0) throw invalid('Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set')
  if ((changes.CpuPeriod ?? 0) > 0 && (before.NanoCpus ?? 0) > 0) throw invalid('Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set')
  if (memory > (before.MemorySwap ?? 0) && before.MemorySwap !== -1 && memory !== 0 && swap === 0) throw invalid('Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time')
  const set: Record<string, unknown> = {}
  for (const key of UPDATABLE) if (changes[key] !== undefined && changes[key] !== 0 && changes[key] !== '') set[key] = changes[key]
  if (changes.PidsLimit !== undefined && changes.PidsLimit !== null) set['PidsLimit'] = changes.PidsLimit > 0 ? changes.PidsLimit : null
  const policy = changes.RestartPolicy
  if (policy !== undefined && policy !== null) checkRestartPolicy(policy)
  if (policy?.Name !== undefined && policy.Name !== '') {
    if (before.AutoRemove === true && policy.Name !== 'no') throw invalid('Restart policy cannot be updated because AutoRemove is enabled for the container')
    set['RestartPolicy'] = { Name: policy.Name, MaximumRetryCount: policy.MaximumRetryCount ?? 0 }
  }
  return { ...before, ...set }
}

/** What has to be written, in this order, so that a running container has its new limits. `before` is what its cgroup has now. */
export function cgroupWrites(before: HostConfig, after: HostConfig, version: 1 | 2): readonly CgroupWrite[] {
  const changed = (...keys: readonly (keyof HostConfig)[]): boolean => keys.some(key => before[key] !== after[key])
  const writes: CgroupWrite[] = []
  const write = (controller: CgroupController, file: string, text: string | number): void => { writes.push({ controller, file, text: String(text) }) }
  if (changed('CpuShares')) {
    if (version === 1) write('cpu', 'cpu.shares', after.CpuShares ?? 1024)
    else write('cpu', 'cpu.weight', cpuWeight(after.CpuShares ?? 1024))
  }
  if (changed('NanoCpus', 'CpuQuota', 'CpuPeriod')) {
    const { quota, period } = cpuTime(after)
    if (version === 2) write('cpu', 'cpu.max', `${quota < 0 ? 'max' : quota} ${period}`)
    else {
      write('cpu', 'cpu.cfs_period_us', period)
      write('cpu', 'cpu.cfs_quota_us', quota)
    }
  }
  if (changed('CpusetCpus')) write('cpuset', 'cpuset.cpus', after.CpusetCpus ?? '')
  if (changed('CpusetMems')) write('cpuset', 'cpuset.mems', after.CpusetMems ?? '')
  if (changed('Memory', 'MemorySwap')) writes.push(...memoryWrites(before, after, version))
  if (changed('MemoryReservation')) write('memory', version === 1 ? 'memory.soft_limit_in_bytes' : 'memory.low', after.MemoryReservation ?? 0)
  if (changed('PidsLimit')) write('pids', 'pids.max', (after.PidsLimit ?? 0) > 0 ? after.PidsLimit ?? 'max' : 'max')
  if (changed('BlkioWeight')) {
    if (version === 1) write('blkio', 'blkio.weight', after.BlkioWeight ?? 0)
    // blkio's 10 to 1000 onto io's 1 to 10000.
    else write('blkio', 'io.weight', `default ${Math.floor(1 + (Math.max(after.BlkioWeight ?? 10, 10) - 10) * 9999 / 990)}`)
  }
  return writes
}

/** Version 1 refuses a memory limit above the sum of memory and swap, so when both grow the sum goes first. */
function memoryWrites(before: HostConfig, after: HostConfig, version: 1 | 2): readonly CgroupWrite[] {
  const limit = after.Memory ?? 0
  const sum = after.MemorySwap ?? 0
  if (version === 2) {
    const swap = sum < 0 || limit === 0 ? 'max' : String(Math.max(0, sum - limit))
    return [{ controller: 'memory', file: 'memory.swap.max', text: swap }, { controller: 'memory', file: 'memory.max', text: limit > 0 ? String(limit) : 'max' }]
  }
  const memory: CgroupWrite = { controller: 'memory', file: 'memory.limit_in_bytes', text: String(limit > 0 ? limit : -1) }
  const both: CgroupWrite = { controller: 'memory', file: 'memory.memsw.limit_in_bytes', text: String(sum > 0 ? sum : -1) }
  const grows = sum < 0 || sum > (before.MemorySwap ?? 0) || (before.Memory ?? 0) === 0
  return (before.Memory ?? 0) === 0 ? [memory, both] : grows ? [both, memory] : [memory, both]
}

function cpuTime(host: HostConfig): { readonly quota: number; readonly period: number } {
  if ((host.NanoCpus ?? 0) > 0) return { quota: Math.floor((host.NanoCpus ?? 0) * CPU_PERIOD_US / 1e9), period: CPU_PERIOD_US }
  return { quota: (host.CpuQuota ?? 0) > 0 ? host.CpuQuota ?? -1 : -1, period: (host.CpuPeriod ?? 0) > 0 ? host.CpuPeriod ?? CPU_PERIOD_US : CPU_PERIOD_US }
}

/** Shares of 2 to 262144 onto weights of 1 to 10000, as the runtimes do. */
function cpuWeight(shares: number): number { return Math.floor(1 + (Math.min(Math.max(shares, 2), 262_144) - 2) * 9999 / 262_142) }

/** Gives a running container its new limits; a value that the kernel refuses undoes those before it. @throws `cgroup-write-failed` */
export function applyLimits(kernel: Kernel, cgroup: string, before: HostConfig, after: HostConfig): void {
  const done: { readonly write: CgroupWrite; readonly was: string }[] = []
  for (const write of cgroupWrites(before, after, kernel.cgroups.version)) {
    const was = kernel.cgroups.read(cgroup, write.controller, write.file)
    // No swap accounting in this kernel: there is nothing to limit.
    if (was === undefined && /memsw|swap|weight/.test(write.file)) continue
    try {
      kernel.cgroups.write(cgroup, write.controller, write.file, write.text)
    } catch (error) {
      for (const { write: earlier, was: value } of done.reverse()) kernel.cgroups.write(cgroup, earlier.controller, earlier.file, value.trim())
      throw error
    }
    if (was !== undefined) done.push({ write, was })
  }
}
