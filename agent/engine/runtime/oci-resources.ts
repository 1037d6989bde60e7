import type { HostConfig } from '../../../src/api/engine/engine-json.ts'

/** A device node as a container shall see it. */
export interface OciDevice {
  readonly path: string
  readonly type: 'c' | 'b'
  readonly major: number
  readonly minor: number
  readonly fileMode: number
  readonly uid: number
  readonly gid: number
  /** "rwm" or a part of it. */
  readonly access: string
}

export type OciResources = Readonly<Record<string, unknown>>

interface DeviceRule { readonly allow: boolean; readonly type?: string; readonly major?: number; readonly minor?: number; readonly access: string }

/** What every container may use: null, zero, full, random, urandom, tty, console, ptmx and its own terminals; and making nodes of any kind. */
const DEVICE_RULES: readonly DeviceRule[] = [
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...([[1, 3], [1, 8], [1, 7], [5, 0], [1, 5], [1, 9], [5, 1], [5, 2]] as const).map(([major, minor]) => ({ allow: true, type: 'c', major, minor, access: 'rwm' })),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
]
const CPU_PERIOD_US = 100_000

export function buildDevices(devices: readonly OciDevice[]): readonly Readonly<Record<string, unknown>>[] {
  return devices.map(({ path, type, major, minor, fileMode, uid, gid }) => ({ path, type, major, minor, fileMode, uid, gid }))
}

/** cgroup limits and device rules. */
export function buildResources(input: { readonly hostConfig: HostConfig; readonly devices: readonly OciDevice[]; readonly cgroupVersion: 1 | 2; readonly hasBlockWeight: boolean }): OciResources {
  const { hostConfig: host } = input
  return drop({
    devices: deviceRules(host, input.devices),
    memory: drop({
      limit: positive(host.Memory),
      reservation: positive(host.MemoryReservation),
      swap: swapLimit(host),
      swappiness: input.cgroupVersion === 1 && host.MemorySwappiness !== undefined && host.MemorySwappiness !== null && host.MemorySwappiness >= 0 ? host.MemorySwappiness : undefined,
      disableOOMKiller: input.cgroupVersion === 1 && host.OomKillDisable === true ? true : undefined,
    }),
    cpu: drop({
      shares: positive(host.CpuShares),
      ...cpuQuota(host),
      realtimePeriod: positive(host.CpuRealtimePeriod),
      realtimeRuntime: positive(host.CpuRealtimeRuntime),
      cpus: text(host.CpusetCpus),
      mems: text(host.CpusetMems),
    }),
    pids: host.PidsLimit === undefined || host.PidsLimit === null || host.PidsLimit <= 0 ? undefined : { limit: host.PidsLimit },
    blockIO: drop({ weight: input.hasBlockWeight ? positive(host.BlkioWeight) : undefined }),
  }) ?? {}
}

function cpuQuota(host: HostConfig): { readonly quota?: number; readonly period?: number } {
  if (host.NanoCpus !== undefined && host.NanoCpus > 0) return { quota: Math.floor(host.NanoCpus * CPU_PERIOD_US / 1e9), period: CPU_PERIOD_US }
  return { quota: positive(host.CpuQuota), period: positive(host.CpuPeriod) }
}

/** A memory limit alone allows as much swap again. */
function swapLimit(host: HostConfig): number | undefined {
  if (host.MemorySwap !== undefined && host.MemorySwap !== 0) return host.MemorySwap
  return host.Memory !== undefined && host.Memory > 0 ? host.Memory * 2 : undefined
}

function deviceRules(host: HostConfig, devices: readonly OciDevice[]): readonly DeviceRule[] {
  if (host.Privileged === true) return [{ allow: true, access: 'rwm' }]
  const asked = devices.map(({ type, major, minor, access }) => ({ allow: true, type, major, minor, access }))
  return [{ allow: false, access: 'rwm' }, ...DEVICE_RULES, ...asked, ...(host.DeviceCgroupRules ?? []).map(parseRule)]
}

/** "c 42:* rmw" */
function parseRule(rule: string): DeviceRule {
  const [type = 'a', numbers = '*:*', access = 'rwm'] = rule.trim().split(/\s+/)
  const [major = '*', minor = '*'] = numbers.split(':')
  return { allow: true, type, access, ...(major === '*' ? {} : { major: Number(major) }), ...(minor === '*' ? {} : { minor: Number(minor) }) }
}

function positive(value: number | undefined | null): number | undefined { return value !== undefined && value !== null && value > 0 ? value : undefined }
function text(value: string | undefined): string | undefined { return value === undefined || value === '' ? undefined : value }

/** Without undefined values; undefined when nothing is left. */
function drop(record: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined)
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}
