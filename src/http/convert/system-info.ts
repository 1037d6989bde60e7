import type { SystemInfo } from '../../api/engine/engine-json.ts'
import { isAtLeast, type ApiVersion } from '../server/api-version.ts'

/** What a host says when it says nothing: clients index into these members without looking. */
const UNKNOWN: SystemInfo = {
  ID: '', Containers: 0, ContainersRunning: 0, ContainersPaused: 0, ContainersStopped: 0, Images: 0,
  Driver: 'overlay2', DriverStatus: [], Plugins: { Volume: ['local'], Network: ['bridge', 'host', 'null', 'overlay'], Authorization: null, Log: ['journald', 'json-file', 'local', 'none', 'syslog'] },
  MemoryLimit: true, SwapLimit: true, CpuCfsPeriod: true, CpuCfsQuota: true, CPUShares: true, CPUSet: true, PidsLimit: true, IPv4Forwarding: true,
  Debug: false, NFd: 0, NGoroutines: 0, SystemTime: '', LoggingDriver: 'json-file', CgroupDriver: 'cgroupfs', CgroupVersion: '2', NEventsListener: 0,
  KernelVersion: '', OperatingSystem: '', OSVersion: '', OSType: 'linux', Architecture: '', IndexServerAddress: 'https://index.docker.io/v1/',
  RegistryConfig: { InsecureRegistryCIDRs: [], IndexConfigs: {}, Mirrors: null }, NCPU: 0, MemTotal: 0, GenericResources: null, DockerRootDir: '',
  HttpProxy: '', HttpsProxy: '', NoProxy: '', Name: '', Labels: [], ExperimentalBuild: false, ServerVersion: '', Runtimes: {}, DefaultRuntime: '',
  LiveRestoreEnabled: true, Isolation: '', InitBinary: '', ContainerdCommit: { ID: '' }, RuncCommit: { ID: '' }, InitCommit: { ID: '' },
  SecurityOptions: [], DefaultAddressPools: [], CDISpecDirs: [], Warnings: null,
}

/** GET /info: what the host knows over the defaults, with its place in the swarm: `swarm`, and over it what `known` tells in more detail. */
export function completeInfo(known: SystemInfo, swarm: NonNullable<SystemInfo['Swarm']>, version: ApiVersion): SystemInfo {
  const Swarm = { NodeID: '', NodeAddr: '', LocalNodeState: 'inactive' as const, ControlAvailable: false, Error: '', RemoteManagers: null, ...swarm, ...known.Swarm }
  // Only cgroup version 1 can keep the kernel from killing.
  const info: Record<string, unknown> = { ...UNKNOWN, OomKillDisable: known.CgroupVersion === '1', ...known, Plugins: { ...UNKNOWN.Plugins, ...known.Plugins }, Swarm }
  if (!isAtLeast(version, 50)) {
    delete info.DiscoveredDevices
    if (!isAtLeast(version, 42)) info.KernelMemory = true
    // Old clients warn when these are missing; filtering here does not go through bridge netfilter, so there is nothing to warn of.
    Object.assign(info, { BridgeNfIptables: true, BridgeNfIp6tables: true })
  }
  if (!isAtLeast(version, 49)) delete info.FirewallBackend
  if (!isAtLeast(version, 46)) delete info.Containerd
  if (!isAtLeast(version, 44)) delete info.CDISpecDirs
  return info
}
