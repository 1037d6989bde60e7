/** JSON shapes of the Docker Engine API 1.50 for Swarm objects (its public OpenAPI description, Apache-2.0). */
import type { ClusterInfo, GenericResources, HealthConfig, Mount, ObjectVersion, Platform, SwarmSpec, TLSInfo } from './engine-json.ts'

export interface Limit {
  readonly NanoCPUs?: number
  readonly MemoryBytes?: number
  readonly Pids?: number
}

export interface ResourceObject {
  readonly NanoCPUs?: number
  readonly MemoryBytes?: number
  readonly GenericResources?: GenericResources | null
}


export interface NodeSpec {
  readonly Name?: string
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Role?: 'worker' | 'manager' | null
  readonly Availability?: 'active' | 'pause' | 'drain' | null
}

export interface Node {
  readonly ID?: string
  readonly Version?: ObjectVersion | null
  readonly CreatedAt?: string
  readonly UpdatedAt?: string
  readonly Spec?: NodeSpec | null
  readonly Description?: NodeDescription | null
  readonly Status?: NodeStatus | null
  readonly ManagerStatus?: ManagerStatus | null
}

export interface NodeDescription {
  readonly Hostname?: string
  readonly Platform?: Platform | null
  readonly Resources?: ResourceObject | null
  readonly Engine?: EngineDescription | null
  readonly TLSInfo?: TLSInfo | null
}

export interface EngineDescription {
  readonly EngineVersion?: string
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Plugins?: readonly {
    readonly Type?: string
    readonly Name?: string
  }[] | null
}

export interface NodeStatus {
  readonly State?: NodeState | null
  readonly Message?: string
  readonly Addr?: string
}

export type NodeState = 'unknown' | 'down' | 'ready' | 'disconnected'

export interface ManagerStatus {
  readonly Leader?: boolean
  readonly Reachability?: Reachability | null
  readonly Addr?: string
}

export type Reachability = 'unknown' | 'unreachable' | 'reachable'

export interface JoinTokens {
  readonly Worker?: string
  readonly Manager?: string
}

export type Swarm = ClusterInfo & {
  readonly JoinTokens?: JoinTokens | null
}

export interface FileTarget {
  readonly Name?: string
  readonly UID?: string
  readonly GID?: string
  readonly Mode?: number
}

export interface SecretReference {
  readonly File?: FileTarget | null
  readonly SecretID?: string
  readonly SecretName?: string
}

export interface ConfigReference {
  readonly File?: FileTarget | null
  readonly Runtime?: Readonly<Record<string, unknown>> | null
  readonly ConfigID?: string
  readonly ConfigName?: string
}

export interface Privileges {
  readonly CredentialSpec?: {
    readonly Config?: string
    readonly File?: string
    readonly Registry?: string
  } | null
  readonly SELinuxContext?: {
    readonly Disable?: boolean
    readonly User?: string
    readonly Role?: string
    readonly Type?: string
    readonly Level?: string
  } | null
  readonly Seccomp?: {
    readonly Mode?: string
    /** base 64 */
    readonly Profile?: string
  } | null
  readonly AppArmor?: {
    readonly Mode?: string
  } | null
  readonly NoNewPrivileges?: boolean
}

export interface Ulimit {
  readonly Name?: string
  readonly Soft?: number
  readonly Hard?: number
}

export interface DnsConfig {
  readonly Nameservers?: readonly string[] | null
  readonly Search?: readonly string[] | null
  readonly Options?: readonly string[] | null
}

export interface ContainerSpec {
  readonly Image?: string
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Command?: readonly string[] | null
  readonly Args?: readonly string[] | null
  readonly Hostname?: string
  readonly Env?: readonly string[] | null
  readonly Dir?: string
  readonly User?: string
  readonly Groups?: readonly string[] | null
  readonly Privileges?: Privileges | null
  readonly TTY?: boolean
  readonly OpenStdin?: boolean
  readonly ReadOnly?: boolean
  readonly Mounts?: readonly Mount[] | null
  readonly StopSignal?: string
  readonly StopGracePeriod?: number
  /** "Healthcheck" on the wire, whatever the OpenAPI description says. */
  readonly Healthcheck?: HealthConfig | null
  readonly Hosts?: readonly string[] | null
  readonly DNSConfig?: DnsConfig | null
  readonly Secrets?: readonly SecretReference[] | null
  readonly OomScoreAdj?: number
  readonly Configs?: readonly ConfigReference[] | null
  readonly Isolation?: string
  readonly Init?: boolean | null
  readonly Sysctls?: Readonly<Record<string, string>> | null
  readonly CapabilityAdd?: readonly string[] | null
  readonly CapabilityDrop?: readonly string[] | null
  readonly Ulimits?: readonly Ulimit[] | null
}

export interface ResourceRequirements {
  readonly Limits?: Limit | null
  readonly Reservations?: ResourceObject | null
  /** Newer than API 1.50 (1.52), accepted from any version. */
  readonly SwapBytes?: number
  readonly MemorySwappiness?: number
}

export interface RestartPolicy {
  readonly Condition?: string
  readonly Delay?: number
  readonly MaxAttempts?: number
  readonly Window?: number
}

export interface Placement {
  readonly Constraints?: readonly string[] | null
  readonly Preferences?: readonly {
    readonly Spread?: {
      readonly SpreadDescriptor?: string
    } | null
  }[] | null
  readonly MaxReplicas?: number
  readonly Platforms?: readonly Platform[] | null
}

export interface TaskSpec {
  readonly PluginSpec?: Readonly<Record<string, unknown>> | null
  readonly ContainerSpec?: ContainerSpec | null
  readonly NetworkAttachmentSpec?: {
    readonly ContainerID?: string
  } | null
  readonly Resources?: ResourceRequirements | null
  readonly RestartPolicy?: RestartPolicy | null
  readonly Placement?: Placement | null
  readonly ForceUpdate?: number
  readonly Runtime?: string
  readonly Networks?: readonly NetworkAttachmentConfig[] | null
  readonly LogDriver?: Driver | null
}

export type TaskState = 'new' | 'allocated' | 'pending' | 'assigned' | 'accepted' | 'preparing' | 'ready' | 'starting' | 'running' | 'complete' | 'shutdown' | 'failed' | 'rejected' | 'remove' | 'orphaned'

export interface ContainerStatus {
  readonly ContainerID?: string
  readonly PID?: number
  readonly ExitCode?: number
}

export interface PortStatus {
  readonly Ports?: readonly EndpointPortConfig[] | null
}

export interface TaskStatus {
  readonly Timestamp?: string
  readonly State?: TaskState | null
  readonly Message?: string
  readonly Err?: string
  readonly ContainerStatus?: ContainerStatus | null
  readonly PortStatus?: PortStatus | null
}

export interface Task {
  readonly ID?: string
  readonly Version?: ObjectVersion | null
  readonly CreatedAt?: string
  readonly UpdatedAt?: string
  readonly Name?: string
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Spec?: TaskSpec | null
  readonly ServiceID?: string
  readonly Slot?: number
  readonly NodeID?: string
  readonly AssignedGenericResources?: GenericResources | null
  readonly Status?: TaskStatus | null
  readonly DesiredState?: TaskState | null
  readonly JobIteration?: ObjectVersion | null
  readonly NetworksAttachments?: readonly NetworkAttachment[] | null
}

export interface ServiceMode {
  readonly Replicated?: {
    readonly Replicas?: number
  } | null
  readonly Global?: Readonly<Record<string, unknown>> | null
  readonly ReplicatedJob?: {
    readonly MaxConcurrent?: number
    readonly TotalCompletions?: number
  } | null
  readonly GlobalJob?: Readonly<Record<string, unknown>> | null
}

export interface UpdateConfig {
  readonly Parallelism?: number
  readonly Delay?: number
  readonly FailureAction?: string
  readonly Monitor?: number
  readonly MaxFailureRatio?: number
  readonly Order?: string
}

export interface ServiceSpec {
  readonly Name?: string
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly TaskTemplate?: TaskSpec | null
  readonly Mode?: ServiceMode | null
  readonly UpdateConfig?: UpdateConfig | null
  readonly RollbackConfig?: UpdateConfig | null
  readonly Networks?: readonly NetworkAttachmentConfig[] | null
  readonly EndpointSpec?: EndpointSpec | null
}

export interface EndpointPortConfig {
  readonly Name?: string
  readonly Protocol?: string
  readonly TargetPort?: number
  readonly PublishedPort?: number
  readonly PublishMode?: string
}

export interface EndpointSpec {
  readonly Mode?: string
  readonly Ports?: readonly EndpointPortConfig[] | null
}

export interface Service {
  readonly ID?: string
  readonly Version?: ObjectVersion | null
  readonly CreatedAt?: string
  readonly UpdatedAt?: string
  readonly Spec?: ServiceSpec | null
  readonly PreviousSpec?: ServiceSpec | null
  readonly Endpoint?: {
    readonly Spec?: EndpointSpec | null
    readonly Ports?: readonly EndpointPortConfig[] | null
    readonly VirtualIPs?: readonly {
      readonly NetworkID?: string
      readonly Addr?: string
    }[] | null
  }
  readonly UpdateStatus?: {
    readonly State?: 'updating' | 'paused' | 'completed' | 'rollback_started' | 'rollback_paused' | 'rollback_completed' | null
    readonly StartedAt?: string
    readonly CompletedAt?: string
    readonly Message?: string
  }
  readonly ServiceStatus?: {
    readonly RunningTasks?: number
    readonly DesiredTasks?: number
    readonly CompletedTasks?: number
  }
  readonly JobStatus?: {
    readonly JobIteration?: ObjectVersion | null
    readonly LastExecution?: string
  }
}

export interface ServiceCreateResponse {
  readonly ID?: string
  readonly Warnings?: readonly string[] | null
}

export interface ServiceUpdateResponse {
  readonly Warnings?: readonly string[] | null
}

export interface Driver {
  readonly Name?: string
  readonly Options?: Readonly<Record<string, string>> | null
}

export interface SecretSpec {
  readonly Name?: string
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Data?: string
  readonly Driver?: Driver | null
  readonly Templating?: Driver | null
}

export interface Secret {
  readonly ID?: string
  readonly Version?: ObjectVersion | null
  readonly CreatedAt?: string
  readonly UpdatedAt?: string
  readonly Spec?: SecretSpec | null
}

export interface ConfigSpec {
  readonly Name?: string
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Data?: string
  readonly Templating?: Driver | null
}

export interface Config {
  readonly ID?: string
  readonly Version?: ObjectVersion | null
  readonly CreatedAt?: string
  readonly UpdatedAt?: string
  readonly Spec?: ConfigSpec | null
}

export interface NetworkAttachmentConfig {
  readonly Target?: string
  readonly Aliases?: readonly string[] | null
  readonly DriverOpts?: Readonly<Record<string, string>> | null
}

/** A swarm network as tasks carry it: not the shape of GET /networks. */
export interface SwarmNetwork {
  readonly ID?: string
  readonly Version?: ObjectVersion | null
  readonly CreatedAt?: string
  readonly UpdatedAt?: string
  readonly Spec?: {
    readonly Name?: string
    readonly Labels?: Readonly<Record<string, string>> | null
    readonly DriverConfiguration?: Driver | null
    readonly IPv6Enabled?: boolean
    readonly Internal?: boolean
    readonly Attachable?: boolean
    readonly Ingress?: boolean
    readonly IPAMOptions?: SwarmIpamOptions | null
    readonly Scope?: string
  }
  readonly DriverState?: Driver
  readonly IPAMOptions?: SwarmIpamOptions | null
}

export interface SwarmIpamOptions {
  readonly Driver?: Driver
  readonly Configs?: readonly { readonly Subnet?: string; readonly Range?: string; readonly Gateway?: string }[] | null
}

export interface NetworkAttachment {
  readonly Network?: SwarmNetwork | null
  readonly Addresses?: readonly string[] | null
}

/** Body of POST /swarm/init. */
export interface SwarmInitRequest {
  readonly ListenAddr?: string
  readonly AdvertiseAddr?: string
  readonly DataPathAddr?: string
  readonly DataPathPort?: number
  readonly DefaultAddrPool?: readonly string[] | null
  readonly SubnetSize?: number
  readonly ForceNewCluster?: boolean
  readonly Spec?: SwarmSpec | null
  readonly AutoLockManagers?: boolean
  readonly Availability?: string
}

/** Body of POST /swarm/join. */
export interface SwarmJoinRequest {
  readonly ListenAddr?: string
  readonly AdvertiseAddr?: string
  readonly DataPathAddr?: string
  readonly RemoteAddrs?: readonly string[] | null
  readonly JoinToken?: string
  readonly Availability?: string
}
