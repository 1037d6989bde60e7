import type { ContainerConfig, HostConfig, ImageConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { chooseCapabilities } from '../runtime/capabilities.ts'
import { parseDetachKeys } from '../runtime/attach-stream.ts'
import { MASKED_PATHS, READONLY_PATHS } from '../runtime/oci-spec.ts'
import { checkConfig, checkHost } from './check-host.ts'
import { checkModes } from './check-modes.ts'
import { checkResources } from './check-resources.ts'
import type { HostFacts } from './host-facts.ts'

const NAME = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/

/** What the user asked for on top of what the image says. */
export function mergeConfig(user: ContainerConfig, image: ImageConfig): ContainerConfig {
  const ownEntrypoint = (user.Entrypoint ?? []).length > 0
  const ownCmd = (user.Cmd ?? []).length > 0
  // --entrypoint "" means none, and comes as one empty word.
  const isReset = user.Entrypoint?.length === 1 && user.Entrypoint[0] === ''
  return {
    ...user,
    User: or(user.User, image.User), WorkingDir: or(user.WorkingDir, image.WorkingDir), StopSignal: or(user.StopSignal, image.StopSignal),
    Entrypoint: isReset ? null : user.Entrypoint ?? image.Entrypoint ?? null,
    Cmd: ownEntrypoint || ownCmd ? user.Cmd ?? null : image.Cmd ?? null,
    Env: orNull(mergeEnv(image.Env ?? [], user.Env ?? [])),
    ExposedPorts: mergeMaps(image.ExposedPorts, user.ExposedPorts),
    Volumes: mergeMaps(image.Volumes, user.Volumes),
    Labels: { ...image.Labels, ...user.Labels },
    Healthcheck: mergeHealthcheck(user.Healthcheck, image.Healthcheck),
    Shell: user.Shell ?? image.Shell ?? null,
    OnBuild: null,
  }
}

function orNull(list: readonly string[]): readonly string[] | null { return list.length === 0 ? null : list }

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

/** Fills in what a request leaves out, as `docker inspect` shows it. */
export function completeHostConfig(host: HostConfig, facts: HostFacts): HostConfig {
  const mode = host.NetworkMode
  const privileged = host.Privileged === true
  const seesHost = privileged || host.PidMode === 'host' || host.IpcMode === 'host'
  return {
    Binds: null, ContainerIDFile: '', PortBindings: {}, AutoRemove: false, VolumeDriver: '', VolumesFrom: null, Dns: [], DnsOptions: [], DnsSearch: [],
    ExtraHosts: null, GroupAdd: null, Cgroup: '', Links: null, OomScoreAdj: 0, PidMode: '', Privileged: false, PublishAllPorts: false, ReadonlyRootfs: false,
    UTSMode: '', UsernsMode: '', Isolation: '', CpuShares: 0, Memory: 0, NanoCpus: 0, CgroupParent: '', BlkioWeight: 0, CpuPeriod: 0, CpuQuota: 0, CpusetCpus: '', CpusetMems: '',
    Devices: [], DeviceCgroupRules: null, DeviceRequests: null, MemoryReservation: 0, MemorySwap: 0, OomKillDisable: false, Ulimits: null, ConsoleSize: [0, 0],
    ...withoutUndefined(host),
    PidsLimit: (host.PidsLimit ?? 0) > 0 ? host.PidsLimit : null,
    NetworkMode: mode === undefined || mode === '' ? 'default' : mode,
    LogConfig: { Type: or(host.LogConfig?.Type, 'json-file') as 'json-file', Config: host.LogConfig?.Config ?? {} },
    RestartPolicy: { Name: or(host.RestartPolicy?.Name, 'no') as 'no', MaximumRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0 },
    IpcMode: or(host.IpcMode, 'private'),
    CgroupnsMode: or(host.CgroupnsMode, facts.cgroupVersion === 1 || host.Privileged === true ? 'host' : 'private') as 'host',
    ShmSize: host.ShmSize !== undefined && host.ShmSize > 0 ? host.ShmSize : 67_108_864,
    Runtime: or(host.Runtime, facts.runtimes[0] ?? 'runc'),
    MaskedPaths: host.MaskedPaths ?? (privileged ? null : MASKED_PATHS),
    ReadonlyPaths: host.ReadonlyPaths ?? (privileged ? null : READONLY_PATHS),
    MemorySwappiness: host.MemorySwappiness === -1 ? null as unknown as number : host.MemorySwappiness ?? null as unknown as number,
    SecurityOpt: seesHost && !(host.SecurityOpt ?? []).some(option => option.startsWith('label=')) ? [...host.SecurityOpt ?? [], 'label=disable'] : host.SecurityOpt ?? null,
    CapAdd: host.CapAdd ?? null, CapDrop: host.CapDrop ?? null,
    ...(host.Memory !== undefined && host.Memory > 0 && (host.MemorySwap ?? 0) === 0 ? { MemorySwap: host.Memory * 2 } : {}),
  }
}

function withoutUndefined(host: HostConfig): HostConfig {
  return Object.fromEntries(Object.entries(host).filter(([, value]) => value !== undefined))
}

/**
 * Refuses what cannot work; what this machine cannot do and can be done without is taken out of the host configuration, with a warning.
 * @throws ShoalError (invalid-argument)
 */
export function validateCreate<T extends HostConfig>(config: ContainerConfig, host: T, facts: HostFacts): { readonly host: T; readonly warnings: readonly string[] } {
  checkConfig(config)
  checkHost(host, facts)
  checkModes(config, host, facts)
  const checked = checkResources(host, facts)
  const { missing } = chooseCapabilities({ add: host.CapAdd ?? [], drop: host.CapDrop ?? [], privileged: host.Privileged === true }, facts.capabilities)
  const ports = host.NetworkMode === 'host' && Object.keys(host.PortBindings ?? {}).length > 0 ? ['Published ports are discarded when using host network mode'] : []
  return { host: checked.host, warnings: [...checked.warnings, ...ports, ...missing.map(name => `This machine does not have ${name}; the container runs without it.`)] }
}

/** @throws `invalid-name` (invalid-argument) */
export function checkName(name: string, shownBefore: '' | '/' = ''): string {
  if (!NAME.test(name)) throw invalid('invalid-name', `Invalid container name (${shownBefore}${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`)
  return name.replace(/^\//, '')
}

/** @throws `invalid-detach-keys` */
export function detachKeysOf(text: string | undefined, what: 'detach' | 'escape' = 'detach'): readonly number[] {
  const keys = parseDetachKeys(text === undefined || text === '' ? 'ctrl-p,ctrl-q' : text)
  if (keys === undefined) throw invalid('invalid-detach-keys', `Invalid ${what} keys (${text}) provided`)
  return keys
}

function invalid(code: string, message: string): ShoalError { return new ShoalError('invalid-argument', code, message) }
