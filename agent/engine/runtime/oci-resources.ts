import type { HostConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'

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

export interface OciThrottle { readonly major: number; readonly minor: number; readonly rate: number }

export type OciResources = Readonly<Record<string, unknown>>

interface DeviceRule { readonly allow: boolean; readonly type?: string; readonly major?: number; readonly minor?: number; readonly access: string }

/** What every container may use: null, zero, full, random, urandom, tty, console, ptmx, its own terminals and (as with runc) net/tun; and making nodes of any kind. */
const DEVICE_RULES: readonly DeviceRule[] = [
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...([[1, 3], [1, 8], [1, 7], [5, 0], [1, 5], [1, 9], [5, 1], [5, 2], [10, 200]] as const).map(([major, minor]) => ({ allow: true, type: 'c', major, minor, access: 'rwm' })),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
]
const CPU_PERIOD_US = 100_000

export function buildDevices(devices: readonly OciDevice[]): readonly Readonly<Record<string, unknown>>[] {
  return devices.map(({ path, type, major, minor, fileMode, uid, gid }) => ({ path, type, major, minor, fileMode, uid, gid }))
}

/** cgroup limits and device rules. */
export function buildResources(input: { readonly hostConfig: HostConfig; readonly devices: readonly OciDevice[]; readonly cgroupVersion: 1 | 2; readonly hasBlockWeight: boolean; readonly throttles: Readonly<Record<string, readonly OciThrottle[]>>
  readonly deviceWeights: readonly { readonly major: number; readonly minor: number; readonly weight: number }[] }): OciResources {
  const { hostConfig: host } = input
  return drop({
    devices: deviceRules(host, input.devices),
    memory: drop({
      limit: positive(host.Memory),
      reservation: positive(host.MemoryReservation),
      swap: swapLimit(host),
      swappiness: input.cgroupVersion === 1 && host.MemorySwappiness !== undefined && host.MemorySwappiness !== null && host.MemorySwappiness >= 0 ? host.MemorySwappiness : undefined,
      kernelTCP: input.cgroupVersion === 1 ? positive(host.KernelMemoryTCP) : undefined,
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
    blockIO: drop({
      ...(input.hasBlockWeight ? { weight: positive(host.BlkioWeight), ...(input.deviceWeights.length === 0 ? {} : { weightDevice: input.deviceWeights }) } : {}),
      ...input.throttles,
    }),
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

/** "c 42:* rmw" @throws `invalid-config` (invalid-argument) */
export function parseRule(rule: string): DeviceRule {
  const [, type = '', major = '', minor = '', access = ''] = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/.exec(rule) ?? []
  if (type === '') throw new ShoalError('invalid-argument', 'invalid-config', `invalid device cgroup rule format: '${rule}'`)
  return { allow: true, type, access, ...(major === '*' ? {} : { major: Number(major) }), ...(minor === '*' ? {} : { minor: Number(minor) }) }
}

function positive(value: number | undefined | null): number | undefined { return value !== undefined && value !== null && value > 0 ? value : undefined }
function text(value: string | undefined): string | undefined { return value === undefined || value === '' ? undefined : value }

/** Without undefined values; undefined when nothing is left. */
function drop(record: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined)
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}
