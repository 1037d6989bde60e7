import { release } from 'node:os'
import type { Kernel } from '../../agent/kernel/kernel.ts'
import type { ContainerSummary, ImageSummary, SystemInfo, SystemVersion } from '../api/engine/engine-json.ts'
import type { StoreObject } from '../api/swarm/objects.ts'
import type { Clock } from '../base/clock.ts'
import type { SystemBackend } from '../http/routes/system.ts'
import type { DaemonConfig } from './daemon-config.ts'
import { goArch } from './machine-facts.ts'
import { localSwarmInfo } from './swarm-info.ts'
import type { SwarmNode } from './swarm-node.ts'
import { systemInfo } from './system-info.ts'
import { VERSION } from './version.ts'

/** Where the answers of /info and /version come from. */
export interface SystemBackendParts {
  readonly config: () => DaemonConfig
  readonly clock: Clock
  readonly kernel: Kernel
  /** Stable id of this engine. */
  readonly engineId: string
  /** The program that is asked for its version, and shown as path. */
  readonly runtime: string
  /** All that a container can name. */
  readonly runtimes: readonly string[]
  /** Containers have user namespaces unless they ask for the host's. */
  readonly hasUserNamespaces: boolean
  /** Where devices of the Container Device Interface are described. */
  readonly deviceFolders: readonly string[]
  readonly swarm: SwarmNode
  /** Why the cluster is not saved as the configuration says; empty when it is, or is not to be. */
  readonly backupFailure: () => string
  readonly containers: { list(options: { readonly all: boolean }): Promise<readonly ContainerSummary[]> }
  readonly images: { list(options: { readonly all: boolean }): Promise<readonly ImageSummary[]> }
  /** Clients that follow the engine's events. */
  readonly eventListeners: () => number
  /** Names of volume drivers. */
  readonly volumeDrivers: () => readonly string[]
  /** Of a cluster object, as GET /swarm shows it; for the Cluster part of info. */
  readonly clusterJson: (object: StoreObject) => NonNullable<SystemInfo['Swarm']>['Cluster']
  /** Checks credentials against a registry. */
  readonly login?: SystemBackend['auth']
}

/** What this host knows of itself, for /info, /version and /_ping. */
export function createSystemBackend(parts: SystemBackendParts): SystemBackend {
  let versions: Promise<RuntimeVersion> | undefined
  const runtimeVersion = (): Promise<RuntimeVersion> => (versions ??= askVersion(parts.kernel, parts.runtime))
  return {
    version: async () => systemVersion(parts, await runtimeVersion()),
    info: async () => systemInfo(parts, await runtimeVersion()),
    // Asked with every _ping: nothing here may wait for a manager.
    swarmInfo: async () => localSwarmInfo(parts.swarm),
    auth: parts.login,
  }
}

export interface RuntimeVersion { readonly version: string; readonly commit: string }

function systemVersion({ config, runtime }: SystemBackendParts, { version, commit }: RuntimeVersion): SystemVersion {
  return {
    Version: VERSION, Os: 'linux', Arch: goArch(), KernelVersion: release(), GoVersion: `node ${process.version}`, Experimental: config().experimental,
    Components: [
      { Name: runtime, Version: version, Details: { GitCommit: commit } },
      { Name: 'shoal-monitor', Version: VERSION, Details: { GitCommit: '' } },
    ],
  }
}

/** crun says "crun version 1.8.1" and "commit: …", runc "runc version 1.1.5+ds1" and "commit: …". */
async function askVersion(kernel: Kernel, runtime: string): Promise<RuntimeVersion> {
  const { code, stdout } = await kernel.processes.run([runtime, '--version'])
  const text = stdout.toString()
  if (code !== 0) return { version: '', commit: '' }
  return { version: /version (\S+)/.exec(text)?.[1] ?? '', commit: /commit: ?(\S+)/.exec(text)?.[1] ?? '' }
}
