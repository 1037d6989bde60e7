import type { ContainerConfig, HostConfig, ImageConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { chooseCapabilities } from '../runtime/capabilities.ts'
import { parseDetachKeys } from '../runtime/attach-stream.ts'
import { parseSignal } from './signals.ts'

const MEMORY_BYTES_MIN = 6 * 1024 * 1024
const PORT_MAX = 65_535
const NAME = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/
const RESTART_POLICIES: readonly string[] = ['', 'no', 'always', 'unless-stopped', 'on-failure']

/** What the user asked for on top of what the image says. */
export function mergeConfig(user: ContainerConfig, image: ImageConfig): ContainerConfig {
  const ownEntrypoint = (user.Entrypoint ?? []).length > 0
  const ownCmd = (user.Cmd ?? []).length > 0
  return {
    ...user,
    User: or(user.User, image.User), WorkingDir: or(user.WorkingDir, image.WorkingDir), StopSignal: or(user.StopSignal, image.StopSignal),
    Entrypoint: user.Entrypoint ?? image.Entrypoint ?? null,
    Cmd: ownEntrypoint || ownCmd ? user.Cmd ?? null : image.Cmd ?? null,
    Env: mergeEnv(image.Env ?? [], user.Env ?? []),
    ExposedPorts: mergeMaps(image.ExposedPorts, user.ExposedPorts),
    Volumes: mergeMaps(image.Volumes, user.Volumes),
    Labels: { ...image.Labels, ...user.Labels },
    Healthcheck: mergeHealthcheck(user.Healthcheck, image.Healthcheck),
    Shell: user.Shell ?? image.Shell ?? null,
    OnBuild: null,
  }
}

function or(own: string | null | undefined, inherited: string | null | undefined): string {
  return own !== undefined && own !== null && own !== '' ? own : inherited ?? ''
}

/** Later entries win; a name without "=" takes a variable away. */
export function mergeEnv(...lists: readonly (readonly string[])[]): readonly string[] {
  const merged = new Map<string, string>()
  for (const entry of lists.flat()) {
    const name = entry.split('=', 1)[0] ?? ''
    if (entry.includes('=')) merged.set(name, entry)
    else merged.delete(name)
  }
  return [...merged.values()]
}

function mergeMaps<T>(image: Readonly<Record<string, T>> | null | undefined, user: Readonly<Record<string, T>> | null | undefined): Readonly<Record<string, T>> | null {
  const merged = { ...image, ...user }
  return Object.keys(merged).length === 0 ? null : merged
}

function mergeHealthcheck(user: ContainerConfig['Healthcheck'], image: ContainerConfig['Healthcheck']): ContainerConfig['Healthcheck'] {
  if (user === undefined || user === null) return image ?? null
  if (image === undefined || image === null) return user
  const set = Object.fromEntries(Object.entries(user).filter(([, value]) => value !== 0 && value !== null && value !== undefined))
  const test = (user.Test ?? []).length === 0 ? image.Test : user.Test
  return { ...image, ...set, Test: test }
}

export interface HostFacts { readonly cpuCount: number; readonly memoryBytes: number; readonly cgroupVersion: 1 | 2; readonly capabilities: ReadonlySet<string>; readonly hasBlockWeight: boolean }

/** Fills in what a request leaves out, as `docker inspect` shows it. */
export function completeHostConfig(host: HostConfig, facts: HostFacts): HostConfig {
  const mode = host.NetworkMode
  return {
    Binds: null, ContainerIDFile: '', PortBindings: {}, AutoRemove: false, VolumeDriver: '', VolumesFrom: null, CapAdd: null, CapDrop: null, Dns: [], DnsOptions: [], DnsSearch: [],
    ExtraHosts: null, GroupAdd: null, Cgroup: '', Links: null, OomScoreAdj: 0, PidMode: '', Privileged: false, PublishAllPorts: false, ReadonlyRootfs: false, SecurityOpt: null,
    UTSMode: '', UsernsMode: '', Isolation: '', CpuShares: 0, Memory: 0, NanoCpus: 0, CgroupParent: '', BlkioWeight: 0, CpuPeriod: 0, CpuQuota: 0, CpusetCpus: '', CpusetMems: '',
    Devices: [], DeviceCgroupRules: null, DeviceRequests: null, MemoryReservation: 0, MemorySwap: 0, MemorySwappiness: null as unknown as number, OomKillDisable: false, Ulimits: null, ConsoleSize: [0, 0],
    ...withoutUndefined(host),
    PidsLimit: (host.PidsLimit ?? 0) > 0 ? host.PidsLimit : null,
    NetworkMode: mode === undefined || mode === '' ? 'default' : mode,
    LogConfig: { Type: or(host.LogConfig?.Type, 'json-file') as 'json-file', Config: host.LogConfig?.Config ?? {} },
    RestartPolicy: { Name: or(host.RestartPolicy?.Name, 'no') as 'no', MaximumRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0 },
    IpcMode: or(host.IpcMode, 'private'),
    CgroupnsMode: or(host.CgroupnsMode, facts.cgroupVersion === 1 || host.Privileged === true ? 'host' : 'private') as 'host',
    ShmSize: host.ShmSize !== undefined && host.ShmSize > 0 ? host.ShmSize : 67_108_864,
    Runtime: or(host.Runtime, 'runc'),
    ...(host.Memory !== undefined && host.Memory > 0 && (host.MemorySwap ?? 0) === 0 ? { MemorySwap: host.Memory * 2 } : {}),
  }
}

function withoutUndefined(host: HostConfig): HostConfig {
  return Object.fromEntries(Object.entries(host).filter(([, value]) => value !== undefined))
}

/**
 * Refuses what cannot work, and tells what is only ignored.
 * @returns warnings @throws ShoalError (invalid-argument)
 */
export function validateCreate(config: ContainerConfig, host: HostConfig, facts: HostFacts): readonly string[] {
  if ((config.Entrypoint ?? []).length + (config.Cmd ?? []).length === 0) throw invalid('no-command', 'no command specified')
  if (config.WorkingDir !== undefined && config.WorkingDir !== '' && !config.WorkingDir.startsWith('/')) throw invalid('invalid-config', `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`)
  if (config.StopSignal !== undefined && config.StopSignal !== null && config.StopSignal !== '') parseSignal(config.StopSignal)
  for (const entry of config.Env ?? []) if (entry.startsWith('=') || entry === '') throw invalid('invalid-config', `invalid environment variable: ${entry}`)
  validateResources(host, facts)
  validateHost(host)
  const { missing } = chooseCapabilities({ add: host.CapAdd ?? [], drop: host.CapDrop ?? [], privileged: host.Privileged === true }, facts.capabilities)
  const weight = (host.BlkioWeight ?? 0) > 0 && !facts.hasBlockWeight ? ['Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.'] : []
  return [...weight, ...missing.map(name => `This machine does not have ${name}; the container runs without it.`)]
}

function validateResources(host: HostConfig, facts: HostFacts): void {
  const { Memory: memory = 0, MemorySwap: swap = 0, NanoCpus: nanoCpus = 0 } = host
  if (memory !== 0 && memory < MEMORY_BYTES_MIN) throw invalid('invalid-config', 'Minimum memory limit allowed is 6MB')
  if (memory > 0 && swap > 0 && swap < memory) throw invalid('invalid-config', 'Minimum memoryswap limit should be larger than memory limit, see usage')
  if (memory === 0 && swap > 0) throw invalid('invalid-config', 'You should always set the Memory limit when using Memoryswap limit, see usage')
  if (nanoCpus < 0 || nanoCpus > facts.cpuCount * 1e9) throw invalid('invalid-config', `range of CPUs is from 0.01 to ${facts.cpuCount}.00, as there are only ${facts.cpuCount} CPUs available`)
  if (nanoCpus > 0 && (host.CpuPeriod ?? 0) > 0) throw invalid('invalid-config', 'Conflicting options: Nano CPUs and CPU Period cannot both be set.')
  if (host.OomScoreAdj !== undefined && (host.OomScoreAdj < -1000 || host.OomScoreAdj > 1000)) throw invalid('invalid-config', `Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`)
}

function validateHost(host: HostConfig): void {
  const policy = host.RestartPolicy?.Name ?? ''
  if (!RESTART_POLICIES.includes(policy)) throw invalid('invalid-config', `invalid restart policy: unknown policy '${policy}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`)
  if ((host.RestartPolicy?.MaximumRetryCount ?? 0) > 0 && policy !== 'on-failure') throw invalid('invalid-config', `invalid restart policy: maximum retry count can only be used with 'on-failure'`)
  if (host.AutoRemove === true && policy !== '' && policy !== 'no') throw invalid('invalid-config', `can't create 'AutoRemove' container with restart policy`)
  for (const [port, bindings] of Object.entries(host.PortBindings ?? {})) {
    if (!/^\d{1,5}(?:\/(?:tcp|udp|sctp))?$/i.test(port) || Number.parseInt(port, 10) > PORT_MAX) throw invalid('invalid-config', `invalid port specification: "${port}"`)
    for (const { HostPort = '' } of bindings ?? []) if (!/^(?:\d{1,5}(?:-\d{1,5})?)?$/.test(HostPort) || HostPort.split('-').some(part => Number(part) > PORT_MAX)) throw invalid('invalid-config', `invalid port specification: "${HostPort}"`)
  }
  if (host.UsernsMode !== undefined && host.UsernsMode !== '' && host.UsernsMode !== 'host') throw invalid('unsupported-userns', 'user namespaces are not supported; leave --userns out')
  if ((host.DeviceRequests ?? []).length > 0) throw invalid('unsupported-device-request', 'could not select device driver: device requests such as --gpus are not supported')
  for (const key of ['PidMode', 'UTSMode'] as const) {
    const mode = host[key] ?? ''
    if (mode !== '' && mode !== 'host' && mode !== 'private' && !(key === 'PidMode' && mode.startsWith('container:'))) throw invalid('invalid-config', `invalid ${key === 'PidMode' ? 'PID' : 'UTS'} mode: ${mode}`)
  }
  if (!/^(private|shareable|host|none|container:.+)$/.test(host.IpcMode ?? 'private')) throw invalid('invalid-config', `invalid IPC mode: ${host.IpcMode}`)
}

/** @throws `invalid-name` (invalid-argument) */
export function checkName(name: string, shownBefore: '' | '/' = ''): string {
  if (!NAME.test(name)) throw invalid('invalid-name', `Invalid container name (${shownBefore}${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`)
  return name.replace(/^\//, '')
}

/** @throws `invalid-detach-keys` */
export function detachKeysOf(text: string | undefined): readonly number[] {
  const keys = parseDetachKeys(text === undefined || text === '' ? 'ctrl-p,ctrl-q' : text)
  if (keys === undefined) throw invalid('invalid-detach-keys', `Invalid detach keys (${text})`)
  return keys
}

function invalid(code: string, message: string): ShoalError { return new ShoalError('invalid-argument', code, message) }
