import type { ContainerInspectResponse, ContainerSummary, EndpointSettings, MountPoint, NetworkSettings, Port } from '../../../src/api/engine/engine-json.ts'
import type { ContainerMount, ContainerRecord } from './container-record.ts'
import { bridgeLinks } from './link-environment.ts'

/** Where a container's parts are on this host, and what only the live engine knows. */
export interface InspectFacts {
  readonly directory: string
  readonly logPath: string
  readonly driver: string
  readonly graphData: Readonly<Record<string, string>>
  readonly execIds: readonly string[]
  /** What containers that others are linked to are called now, by what the links say. */
  readonly nameOf: (ref: string) => string
}

/** `docker inspect`. */
export function inspectContainer(record: ContainerRecord, facts: InspectFacts): ContainerInspectResponse {
  const { state, config, hostConfig } = record
  const command = commandOf(record)
  const active = ['running', 'paused', 'restarting'].includes(state.status)
  return {
    Id: record.id, Created: record.created, Path: command[0] ?? '', Args: command.slice(1),
    State: {
      Status: state.status, Running: active, Paused: state.status === 'paused', Restarting: state.status === 'restarting', OOMKilled: state.oomKilled, Dead: state.status === 'dead',
      Pid: state.pid, ExitCode: state.exitCode, Error: state.error, StartedAt: state.startedAt, FinishedAt: state.finishedAt, ...(state.health === undefined ? {} : { Health: state.health }),
    },
    Image: record.imageId, ResolvConfPath: `${facts.directory}/resolv.conf`, HostnamePath: `${facts.directory}/hostname`, HostsPath: `${facts.directory}/hosts`,
    LogPath: (hostConfig.LogConfig?.Type ?? 'json-file') === 'json-file' ? facts.logPath : '', Name: `/${record.name}`, RestartCount: record.restartCount, Driver: facts.driver, Platform: 'linux',
    MountLabel: '', ProcessLabel: '', AppArmorProfile: '', ExecIDs: facts.execIds.length === 0 ? null : facts.execIds,
    HostConfig: { ...hostConfig, Links: shownLinks(record, facts.nameOf) }, GraphDriver: { Name: facts.driver, Data: facts.graphData },
    Mounts: shownMounts(record).map(mountPoint), Config: config, NetworkSettings: networkSettings(record),
  }
}

/** Links of the default bridge by the paths they were known by; elsewhere they belong to the network. */
function shownLinks(record: ContainerRecord, nameOf: (ref: string) => string): readonly string[] | null {
  const links = bridgeLinks(record)
  return links.length === 0 ? null : links.map(({ target, alias }) => `/${nameOf(target)}:/${record.name}/${alias}`)
}

/** Docker tells of --tmpfs in the host configuration alone. */
function shownMounts({ mounts, hostConfig }: ContainerRecord): readonly ContainerMount[] {
  const own = new Set(Object.keys(hostConfig.Tmpfs ?? {}).map(target => target.replace(/\/+$/, '')))
  return mounts.filter(mount => mount.Type !== 'tmpfs' || !own.has(mount.Destination))
}

function mountPoint(mount: ContainerMount): MountPoint {
  return {
    Type: mount.Type, ...(mount.Name === undefined ? {} : { Name: mount.Name }), Source: mount.Source, Destination: mount.Destination,
    ...(mount.Driver === undefined ? {} : { Driver: mount.Driver }), Mode: mount.Mode ?? '', RW: mount.RW, Propagation: mount.Propagation,
  }
}

function endpointsOf(record: ContainerRecord): Readonly<Record<string, EndpointSettings>> {
  if (record.sandbox !== undefined && Object.keys(record.sandbox.endpoints).length > 0) return record.sandbox.endpoints
  if (Object.keys(record.endpoints).length > 0 || record.hasLeftMode === true) return Object.fromEntries(Object.entries(record.endpoints).map(([name, endpoint]) => [name === 'default' ? 'bridge' : name, endpoint]))
  const mode = record.hostConfig.NetworkMode ?? 'default'
  return mode.startsWith('container:') ? {} : { [mode === 'default' ? 'bridge' : mode]: {} }
}

const NO_ENDPOINT = { EndpointID: '', Gateway: '', IPAddress: '', IPPrefixLen: 0, IPv6Gateway: '', GlobalIPv6Address: '', GlobalIPv6PrefixLen: 0, MacAddress: '' }

function networkSettings(record: ContainerRecord): NetworkSettings {
  const networks = Object.fromEntries(Object.entries(endpointsOf(record)).map(([name, endpoint]) => [name, {
    IPAMConfig: null, Links: null, Aliases: null, DriverOpts: null, GwPriority: 0, NetworkID: '', ...NO_ENDPOINT, DNSNames: null, ...endpoint,
  }]))
  const bridge = networks['bridge']
  return {
    Bridge: '', SandboxID: record.sandbox === undefined ? '' : record.id, HairpinMode: false, LinkLocalIPv6Address: '', LinkLocalIPv6PrefixLen: 0,
    Ports: (record.sandbox?.ports ?? {}) as NetworkSettings['Ports'], SandboxKey: record.sandbox?.netnsPath ?? '', SecondaryIPAddresses: null, SecondaryIPv6Addresses: null,
    EndpointID: bridge?.EndpointID ?? '', Gateway: bridge?.Gateway ?? '', GlobalIPv6Address: bridge?.GlobalIPv6Address ?? '', GlobalIPv6PrefixLen: bridge?.GlobalIPv6PrefixLen ?? 0,
    IPAddress: bridge?.IPAddress ?? '', IPPrefixLen: bridge?.IPPrefixLen ?? 0, IPv6Gateway: bridge?.IPv6Gateway ?? '', MacAddress: bridge?.MacAddress ?? '',
    Networks: networks,
  }
}

/** One line of `docker ps`. `image` is the name as given, or the id when that name means another image now; `linkNames` are those that linked containers have for it. */
export function summarizeContainer(record: ContainerRecord, image: string, nowMs: number, linkNames: readonly string[] = []): ContainerSummary {
  const { state } = record
  return {
    Id: record.id, Names: [`/${record.name}`, ...linkNames], Image: image, ImageID: record.imageId, Command: commandOf(record).map(word => (word.includes(' ') ? `'${word}'` : word)).join(' '), Created: Math.floor(Date.parse(record.created) / 1000),
    Ports: portsOf(record), Labels: record.config.Labels ?? {}, State: state.status, Status: describeStatus(record, nowMs),
    HostConfig: { NetworkMode: record.hostConfig.NetworkMode ?? 'default', ...(record.hostConfig.Annotations === undefined ? {} : { Annotations: record.hostConfig.Annotations }) },
    NetworkSettings: { Networks: networkSettings(record).Networks ?? {} }, Mounts: shownMounts(record).map(mountPoint),
  }
}

function commandOf(record: ContainerRecord): readonly string[] { return [...record.config.Entrypoint ?? [], ...record.config.Cmd ?? []] }

/** Published ports, and exposed ones of a running container. */
export function portsOf(record: ContainerRecord): readonly Port[] {
  return Object.entries(record.sandbox?.ports ?? {}).flatMap(([key, bindings]): Port[] => {
    const [port = '', protocol = 'tcp'] = key.split('/')
    const base = { PrivatePort: Number(port), Type: protocol as 'tcp' }
    return bindings === null || bindings.length === 0 ? [base] : bindings.map(({ HostIp, HostPort }) => ({ IP: HostIp, ...base, PublicPort: Number(HostPort) }))
  })
}

/** "Up 2 minutes (healthy)", "Exited (0) 3 hours ago". */
export function describeStatus(record: ContainerRecord, nowMs: number): string {
  const { state } = record
  const since = (time: string): string => humanDuration(nowMs - Date.parse(time))
  switch (state.status) {
    case 'created': return 'Created'
    case 'running': return `Up ${since(state.startedAt)}${health(record)}`
    case 'paused': return `Up ${since(state.startedAt)} (Paused)`
    case 'restarting': return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`
    case 'removing': return 'Removal In Progress'
    case 'dead': return 'Dead'
    case 'exited': return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`
  }
}

function health(record: ContainerRecord): string {
  const status = record.state.health?.Status ?? 'none'
  return status === 'none' ? '' : status === 'starting' ? ' (health: starting)' : ` (${status})`
}

const STEPS: readonly (readonly [belowSeconds: number, unitSeconds: number, unit: string])[] = [
  [60, 1, 'seconds'], [120, 60, 'About a minute'], [3600, 60, 'minutes'], [5400, 3600, 'About an hour'], [172_800, 3600, 'hours'], [1_209_600, 86_400, 'days'],
  [5_184_000, 604_800, 'weeks'], [63_072_000, 2_592_000, 'months'], [Infinity, 31_536_000, 'years'],
]

/** "Less than a second", "5 minutes", "About an hour", … */
export function humanDuration(durationMs: number): string {
  const seconds = Math.floor(durationMs / 1000)
  if (seconds < 1) return 'Less than a second'
  if (seconds === 1) return '1 second'
  const [, unitSeconds, unit] = STEPS.find(([below]) => seconds < below) ?? [0, 1, 'seconds']
  if (unit.startsWith('About')) return unit
  const count = unit === 'hours' ? Math.round(seconds / unitSeconds) : Math.floor(seconds / unitSeconds)
  return `${count} ${unit}`
}
