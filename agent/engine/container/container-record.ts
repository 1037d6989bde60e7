import type { ContainerConfig, EndpointSettings, Health, HostConfig, MountPoint } from '../../../src/api/engine/engine-json.ts'
import type { IdMapping } from '../../kernel/id-mapping.ts'
import type { ContainerSandbox } from '../network/container-networks.ts'

export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'dead' | 'removing'

/** All that is known of a container; written to disk as a whole at each change, before the change is acknowledged. */
export interface ContainerRecord {
  readonly id: string
  /** Without the leading slash. */
  readonly name: string
  readonly created: string
  readonly imageId: string
  readonly diffIds: readonly string[]
  /** The request merged with the image's configuration. */
  readonly config: ContainerConfig
  readonly hostConfig: HostConfig
  /** What an update is about to make of it: some of its limits may hold already. */
  readonly updating?: HostConfig | undefined
  readonly endpoints: Readonly<Record<string, EndpointSettings>>
  /** It was disconnected from the network that hostConfig.NetworkMode names: only `endpoints` count. */
  readonly hasLeftMode?: boolean
  readonly mounts: readonly ContainerMount[]
  readonly state: RunState
  readonly restartCount: number
  /** Its user namespace, while it runs; absent for the host's. */
  readonly ids?: IdMapping | undefined
  /** Set while it runs. */
  readonly sandbox?: ContainerSandbox
  /** The user stopped it: no restart policy brings it back, `always` not before the next daemon start. */
  readonly stoppedByUser: boolean
}

/** A mount of the user's. `Source` is the host path, also for volumes. */
export interface ContainerMount extends MountPoint {
  readonly Type: 'bind' | 'volume' | 'tmpfs' | 'image'
  readonly Source: string
  readonly Destination: string
  readonly RW: boolean
  readonly Propagation: string
  /** A volume is filled from the image before its first use. */
  readonly copyUp: boolean
  /** A volume made for this container alone: goes with it. */
  readonly anonymous: boolean
  readonly recursive: boolean
  readonly subpath?: string
  readonly readOnlyReach?: 'only-itself' | 'all'
  /** image: what is mounted. */
  readonly image?: { readonly id: string; readonly diffIds: readonly string[] }
  /** tmpfs: mount options. */
  readonly tmpfsOptions?: readonly string[]
}

export interface RunState {
  readonly status: ContainerStatus
  /** Paused by the daemon itself, for as long as a commit takes. */
  readonly isBriefPause?: boolean | undefined
  readonly pid: number
  readonly exitCode: number
  readonly error: string
  readonly oomKilled: boolean
  /** RFC 3339; ZERO_TIME for never. */
  readonly startedAt: string
  readonly finishedAt: string
  readonly health?: Health
}

export const ZERO_TIME = '0001-01-01T00:00:00Z'
export const NEW_STATE: RunState = { status: 'created', pid: 0, exitCode: 0, error: '', oomKilled: false, startedAt: ZERO_TIME, finishedAt: ZERO_TIME }

/** Has a process, or shall have one again in a moment: what Docker reports as Running. */
export function isActive(state: RunState): boolean { return isUp(state) || state.status === 'restarting' }
/** Has a process now. */
export function isUp(state: RunState): boolean { return state.status === 'running' || state.status === 'paused' }
