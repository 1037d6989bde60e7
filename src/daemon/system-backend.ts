import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { arch, cpus, hostname, release, totalmem } from 'node:os'
import type { ContainerSummary, ImageSummary, SystemInfo, SystemVersion } from '../api/engine/engine-json.ts'
import { CONTROL_RPC } from '../api/codec/methods.ts'
import type { StoreObject } from '../api/swarm/objects.ts'
import type { Clock } from '../base/clock.ts'
import type { SystemBackend } from '../http/routes/system.ts'
import type { DaemonConfig } from './daemon-config.ts'
import type { SwarmNode } from './swarm-node.ts'
import { VERSION } from './version.ts'

type SwarmInfo = NonNullable<SystemInfo['Swarm']>

/** Where the answers of /info and /version come from. */
export interface SystemBackendParts {
  readonly config: () => DaemonConfig
  readonly clock: Clock
  /** Stable id of this engine. */
  readonly engineId: string
  readonly runtime: string
  readonly cgroupVersion: '1' | '2'
  readonly swarm: SwarmNode
  readonly containers: { list(options: { readonly all: boolean }): Promise<readonly ContainerSummary[]> }
  readonly images: { list(options: { readonly all: boolean }): Promise<readonly ImageSummary[]> }
  /** Of a cluster object, as GET /swarm shows it; for the Cluster part of info. */
  readonly clusterJson: (object: StoreObject) => SwarmInfo['Cluster']
}

/** What this host knows of itself, for /info, /version and /_ping. */
export function createSystemBackend(parts: SystemBackendParts): SystemBackend {
  return {
    version: async () => systemVersion(),
    info: async () => systemInfo(parts),
    // Asked with every _ping: nothing here may wait for a manager.
    swarmInfo: async () => localSwarmInfo(parts.swarm),
  }
}

function systemVersion(): SystemVersion {
  return { Version: VERSION, Os: 'linux', Arch: goArch(), KernelVersion: release(), GoVersion: `node ${process.version}` }
}

async function systemInfo(parts: SystemBackendParts): Promise<SystemInfo> {
  const { clock, swarm } = parts
  const config = parts.config()
  const [containers, images, swarmInfo] = await Promise.all([parts.containers.list({ all: true }), parts.images.list({ all: true }), wholeSwarmInfo(parts)])
  const count = (state: string): number => containers.filter(container => container.State === state).length
  const warnings = config.hosts.filter(host => host.startsWith('tcp://') && config.tls?.verify !== true).map(host => `WARNING: API is accessible on ${host.replace('tcp://', 'http://')} without encryption. Access to the remote API is equivalent to root access on the host.`)
  return {
    ID: parts.engineId, Containers: containers.length, ContainersRunning: count('running'), ContainersPaused: count('paused'), ContainersStopped: containers.length - count('running') - count('paused'), Images: images.length,
    Driver: 'overlay2', DriverStatus: [['Backing Filesystem', backingFilesystem(config.dataRoot)]],
    Debug: config.logLevel === 'debug', SystemTime: new Date(clock.nowMs()).toISOString(), CgroupDriver: 'cgroupfs', CgroupVersion: parts.cgroupVersion, KernelVersion: release(), OperatingSystem: operatingSystem('PRETTY_NAME'), OSVersion: operatingSystem('VERSION_ID'),
    Architecture: arch() === 'x64' ? 'x86_64' : arch() === 'arm64' ? 'aarch64' : arch(), NCPU: cpus().length, MemTotal: totalmem(), DockerRootDir: config.dataRoot, Name: hostname(), Labels: [...config.labels], ServerVersion: VERSION,
    Runtimes: { [parts.runtime]: { path: parts.runtime } }, DefaultRuntime: parts.runtime, InitBinary: 'shoal-monitor', SecurityOptions: ['name=seccomp,profile=builtin'], IPv4Forwarding: true,
    RegistryConfig: { InsecureRegistryCIDRs: ['127.0.0.0/8'], IndexConfigs: Object.fromEntries(config.insecureRegistries.map(name => [name, { Name: name, Mirrors: [], Secure: false, Official: false }])), Mirrors: [...config.registryMirrors] }, Warnings: [...warnings, ...(await managerWarnings(swarm, swarmInfo))], Swarm: swarmInfo,
  }
}

/** An even number of managers tolerates no more failures than one fewer. */
async function managerWarnings(swarm: SwarmNode, info: SwarmInfo): Promise<readonly string[]> {
  if (swarm.localState !== 'active' || info.Managers !== 2) return []
  return ['WARNING: Running Swarm in a two-manager configuration. This configuration provides no fault tolerance, and poses a high risk to lose control over the cluster. Refer to https://docs.docker.com/engine/swarm/admin_guide/ to configure the Swarm for fault-tolerance.']
}

function localSwarmInfo(swarm: SwarmNode): SwarmInfo {
  const state = swarm.state
  const host = state?.advertiseAddress.replace(/:\d+$/, '') ?? ''
  return {
    NodeID: state?.nodeId ?? '', NodeAddr: host, LocalNodeState: swarm.localState, ControlAvailable: state?.role === 'manager', Error: swarm.error,
    RemoteManagers: state === undefined ? null : state.managers.map(({ nodeId, addr }) => ({ NodeID: nodeId, Addr: addr })),
  }
}

/** With the counts and the cluster, where this host's manager answers. */
async function wholeSwarmInfo(parts: SystemBackendParts): Promise<SwarmInfo> {
  const local = localSwarmInfo(parts.swarm)
  if (local.ControlAvailable !== true || (await parts.swarm.managerStatus())?.hasLeader !== true) return local
  const client = parts.swarm.manager()
  const [nodes, clusters] = await Promise.all([client.unary(CONTROL_RPC.list, { kind: 'node', filters: {} }), client.unary(CONTROL_RPC.list, { kind: 'cluster', filters: {} })])
  const cluster = clusters.objects[0]
  return { ...local, Nodes: nodes.objects.length, Managers: nodes.objects.filter(({ node }) => node?.role === 'manager').length, ...(cluster === undefined ? {} : { Cluster: parts.clusterJson(cluster) }) }
}

/** Magic numbers of statfs(2). */
const FILESYSTEMS: Readonly<Record<number, string>> = { 0xef53: 'extfs', 0x58465342: 'xfs', 0x9123683e: 'btrfs', 0x01021994: 'tmpfs', 0x2fc12fc1: 'zfs', 0x794c7630: 'overlayfs', 0x6969: 'nfs' }

function backingFilesystem(folder: string): string {
  const { type } = statfsSync(folder)
  return FILESYSTEMS[type] ?? `0x${type.toString(16)}`
}

function goArch(): string { return arch() === 'x64' ? 'amd64' : arch() }

function operatingSystem(key: string): string {
  if (!existsSync('/etc/os-release')) return ''
  return new RegExp(`^${key}="?([^"\n]*)"?$`, 'm').exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? ''
}

