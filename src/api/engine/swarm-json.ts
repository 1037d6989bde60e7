/** JSON shapes of the Docker Engine API 1.50 for Swarm objects (its public OpenAPI description, Apache-2.0). */
import type { ClusterInfo, GenericResources, HealthConfig, Mount, NetworkAttachment, ObjectVersion, Platform, TLSInfo } from './engine-json.ts'

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

export interface PluginPrivilege {
  readonly Name?: string
  readonly Description?: string
  readonly Value?: readonly string[] | null
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

export interface TaskSpec {
  readonly PluginSpec?: {
    readonly Name?: string
    readonly Remote?: string
    readonly Disabled?: boolean
    readonly PluginPrivilege?: readonly PluginPrivilege[] | null
  }
  readonly ContainerSpec?: {
    readonly Image?: string
    readonly Labels?: Readonly<Record<string, string>> | null
    readonly Command?: readonly string[] | null
    readonly Args?: readonly string[] | null
    readonly Hostname?: string
    readonly Env?: readonly string[] | null
    readonly Dir?: string
    readonly User?: string
    readonly Groups?: readonly string[] | null
    readonly Privileges?: {
      readonly CredentialSpec?: {
        readonly Config?: string
        readonly File?: string
        readonly Registry?: string
      }
      readonly SELinuxContext?: {
        readonly Disable?: boolean
        readonly User?: string
        readonly Role?: string
        readonly Type?: string
        readonly Level?: string
      }
      readonly Seccomp?: {
        readonly Mode?: 'default' | 'unconfined' | 'custom' | null
        readonly Profile?: string
      }
      readonly AppArmor?: {
        readonly Mode?: 'default' | 'disabled' | null
      }
      readonly NoNewPrivileges?: boolean
    }
    readonly TTY?: boolean
    readonly OpenStdin?: boolean
    readonly ReadOnly?: boolean
    readonly Mounts?: readonly Mount[] | null
    readonly StopSignal?: string
    readonly StopGracePeriod?: number
    readonly HealthCheck?: HealthConfig | null
    readonly Hosts?: readonly string[] | null
    readonly DNSConfig?: {
      readonly Nameservers?: readonly string[] | null
      readonly Search?: readonly string[] | null
      readonly Options?: readonly string[] | null
    }
    readonly Secrets?: readonly {
      readonly File?: {
        readonly Name?: string
        readonly UID?: string
        readonly GID?: string
        readonly Mode?: number
      }
      readonly SecretID?: string
      readonly SecretName?: string
    }[] | null
    readonly OomScoreAdj?: number
    readonly Configs?: readonly {
      readonly File?: {
        readonly Name?: string
        readonly UID?: string
        readonly GID?: string
        readonly Mode?: number
      }
      readonly Runtime?: Readonly<Record<string, unknown>> | null
      readonly ConfigID?: string
      readonly ConfigName?: string
    }[] | null
    readonly Isolation?: 'default' | 'process' | 'hyperv' | '' | null
    readonly Init?: boolean | null
    readonly Sysctls?: Readonly<Record<string, string>> | null
    readonly CapabilityAdd?: readonly string[] | null
    readonly CapabilityDrop?: readonly string[] | null
    readonly Ulimits?: readonly {
      readonly Name?: string
      readonly Soft?: number
      readonly Hard?: number
    }[] | null
  }
  readonly NetworkAttachmentSpec?: {
    readonly ContainerID?: string
  }
  readonly Resources?: {
    readonly Limits?: Limit | null
    readonly Reservations?: ResourceObject | null
  }
  readonly RestartPolicy?: {
    readonly Condition?: 'none' | 'on-failure' | 'any' | null
    readonly Delay?: number
    readonly MaxAttempts?: number
    readonly Window?: number
  }
  readonly Placement?: {
    readonly Constraints?: readonly string[] | null
    readonly Preferences?: readonly {
      readonly Spread?: {
        readonly SpreadDescriptor?: string
      }
    }[] | null
    readonly MaxReplicas?: number
    readonly Platforms?: readonly Platform[] | null
  }
  readonly ForceUpdate?: number
  readonly Runtime?: string
  readonly Networks?: readonly NetworkAttachmentConfig[] | null
  readonly LogDriver?: {
    readonly Name?: string
    readonly Options?: Readonly<Record<string, string>> | null
  }
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

export interface ServiceSpec {
  readonly Name?: string
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly TaskTemplate?: TaskSpec | null
  readonly Mode?: {
    readonly Replicated?: {
      readonly Replicas?: number
    }
    readonly Global?: Readonly<Record<string, unknown>> | null
    readonly ReplicatedJob?: {
      readonly MaxConcurrent?: number
      readonly TotalCompletions?: number
    }
    readonly GlobalJob?: Readonly<Record<string, unknown>> | null
  }
  readonly UpdateConfig?: {
    readonly Parallelism?: number
    readonly Delay?: number
    readonly FailureAction?: 'continue' | 'pause' | 'rollback' | null
    readonly Monitor?: number
    readonly MaxFailureRatio?: number
    readonly Order?: 'stop-first' | 'start-first' | null
  }
  readonly RollbackConfig?: {
    readonly Parallelism?: number
    readonly Delay?: number
    readonly FailureAction?: 'continue' | 'pause' | null
    readonly Monitor?: number
    readonly MaxFailureRatio?: number
    readonly Order?: 'stop-first' | 'start-first' | null
  }
  readonly Networks?: readonly NetworkAttachmentConfig[] | null
  readonly EndpointSpec?: EndpointSpec | null
}

export interface EndpointPortConfig {
  readonly Name?: string
  readonly Protocol?: 'tcp' | 'udp' | 'sctp' | null
  readonly TargetPort?: number
  readonly PublishedPort?: number
  readonly PublishMode?: 'ingress' | 'host' | null
}

export interface EndpointSpec {
  readonly Mode?: 'vip' | 'dnsrr' | null
  readonly Ports?: readonly EndpointPortConfig[] | null
}

export interface Service {
  readonly ID?: string
  readonly Version?: ObjectVersion | null
  readonly CreatedAt?: string
  readonly UpdatedAt?: string
  readonly Spec?: ServiceSpec | null
  readonly Endpoint?: {
    readonly Spec?: EndpointSpec | null
    readonly Ports?: readonly EndpointPortConfig[] | null
    readonly VirtualIPs?: readonly {
      readonly NetworkID?: string
      readonly Addr?: string
    }[] | null
  }
  readonly UpdateStatus?: {
    readonly State?: 'updating' | 'paused' | 'completed' | null
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
