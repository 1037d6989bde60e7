import { existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs'
import { arch } from 'node:os'
import type { Kernel } from '../../agent/kernel/kernel.ts'
import type { SystemInfo } from '../api/engine/engine-json.ts'

/** Magic numbers of statfs(2). */
const FILESYSTEMS: Readonly<Record<number, string>> = { 0xef53: 'extfs', 0x58465342: 'xfs', 0x9123683e: 'btrfs', 0x01021994: 'tmpfs', 0x2fc12fc1: 'zfs', 0x794c7630: 'overlayfs', 0x6969: 'nfs' }

/** "extfs" and so on, as dockerd calls it. */
export function backingFilesystem(folder: string): string {
  const { type } = statfsSync(folder)
  return FILESYSTEMS[type] ?? `0x${type.toString(16)}`
}

/** A value of os-release(5), e.g. PRETTY_NAME; empty when it has none. */
export function operatingSystem(key: string): string {
  if (!existsSync('/etc/os-release')) return ''
  return new RegExp(`^${key}="?([^"\n]*)"?$`, 'm').exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? ''
}

/** As uname(1) has it. */
export function machineName(): string {
  return arch() === 'x64' ? 'x86_64' : arch() === 'arm64' ? 'aarch64' : arch()
}

/** As Go has it. */
export function goArch(): string { return arch() === 'x64' ? 'amd64' : arch() }

export function openFiles(): number { return readdirSync('/proc/self/fd').length }

type Limits = Required<Pick<SystemInfo, 'MemoryLimit' | 'SwapLimit' | 'CpuCfsPeriod' | 'CpuCfsQuota' | 'CPUShares' | 'CPUSet' | 'PidsLimit' | 'OomKillDisable' | 'KernelMemoryTCP' | 'IPv4Forwarding'>>

/** Which limits this kernel enforces. */
export function kernelLimits({ cgroups }: Kernel): Limits {
  const memory = cgroups.has('memory')
  const cpu = cgroups.has('cpu')
  const isFirst = cgroups.version === 1
  return {
    MemoryLimit: memory, SwapLimit: memory && (isFirst ? cgroups.read('/', 'memory', 'memory.memsw.limit_in_bytes') !== undefined : existsSync('/proc/swaps')),
    CpuCfsPeriod: cpu, CpuCfsQuota: cpu, CPUShares: cpu, CPUSet: cgroups.has('cpuset'), PidsLimit: cgroups.has('pids'),
    OomKillDisable: memory && isFirst, KernelMemoryTCP: isFirst && cgroups.read('/', 'memory', 'memory.kmem.tcp.limit_in_bytes') !== undefined,
    IPv4Forwarding: isOn('/proc/sys/net/ipv4/ip_forward'),
  }
}

/** dockerd's words for what is missing. */
export function limitWarnings(limits: Limits, cgroupVersion: 1 | 2): readonly string[] {
  const missing: readonly (readonly [boolean, string])[] = [
    [limits.MemoryLimit, 'No memory limit support'], [limits.SwapLimit, 'No swap limit support'], [limits.OomKillDisable || cgroupVersion === 2, 'No oom kill disable support'],
    [limits.CpuCfsQuota, 'No cpu cfs quota support'], [limits.CpuCfsPeriod, 'No cpu cfs period support'], [limits.CPUShares, 'No cpu shares support'], [limits.CPUSet, 'No cpuset support'],
    [limits.PidsLimit, 'No pids limit support'], [limits.IPv4Forwarding, 'IPv4 forwarding is disabled'],
  ]
  return missing.flatMap(([isThere, text]) => (isThere ? [] : [`WARNING: ${text}`]))
}

function isOn(path: string): boolean { return existsSync(path) && readFileSync(path, 'utf8').trim() === '1' }
