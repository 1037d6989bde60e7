import { HEALTH_CONFIG, MOUNT, ULIMITS } from './container-shapes.ts'
import { list, map, object, STRINGS, STRING_MAP } from './shape.ts'

const DRIVER = object({ Name: 'string', Options: STRING_MAP })
const FILE = object({ Name: 'string', UID: 'string', GID: 'string', Mode: 'integer' })
const NETWORKS = list(object({ Target: 'string', Aliases: STRINGS, DriverOpts: STRING_MAP }))
const GENERIC = list(object({
  NamedResourceSpec: object({ Kind: 'string', Value: 'string' }),
  DiscreteResourceSpec: object({ Kind: 'string', Value: 'integer' }),
}))

const PRIVILEGES = object({
  CredentialSpec: object({ Config: 'string', File: 'string', Registry: 'string' }),
  SELinuxContext: object({ Disable: 'boolean', User: 'string', Role: 'string', Type: 'string', Level: 'string' }),
  Seccomp: object({ Mode: 'string', Profile: 'string' }),
  AppArmor: object({ Mode: 'string' }),
  NoNewPrivileges: 'boolean',
})

const CONTAINER_SPEC = object({
  Image: 'string', Labels: STRING_MAP, Command: STRINGS, Args: STRINGS, Hostname: 'string', Env: STRINGS, Dir: 'string', User: 'string', Groups: STRINGS,
  Privileges: PRIVILEGES, TTY: 'boolean', OpenStdin: 'boolean', ReadOnly: 'boolean', Mounts: list(MOUNT), StopSignal: 'string', StopGracePeriod: 'integer',
  Healthcheck: HEALTH_CONFIG, Hosts: STRINGS, DNSConfig: object({ Nameservers: STRINGS, Search: STRINGS, Options: STRINGS }),
  Secrets: list(object({ File: FILE, SecretID: 'string', SecretName: 'string' })), OomScoreAdj: 'integer',
  Configs: list(object({ File: FILE, Runtime: map('any'), ConfigID: 'string', ConfigName: 'string' })),
  Isolation: 'string', Init: 'boolean', Sysctls: STRING_MAP, CapabilityAdd: STRINGS, CapabilityDrop: STRINGS, Ulimits: ULIMITS,
})

const TASK_SPEC = object({
  PluginSpec: map('any'), ContainerSpec: CONTAINER_SPEC, NetworkAttachmentSpec: object({ ContainerID: 'string' }),
  Resources: object({
    Limits: object({ NanoCPUs: 'integer', MemoryBytes: 'integer', Pids: 'integer' }),
    Reservations: object({ NanoCPUs: 'integer', MemoryBytes: 'integer', GenericResources: GENERIC }),
    SwapBytes: 'integer', MemorySwappiness: 'integer',
  }),
  RestartPolicy: object({ Condition: 'string', Delay: 'integer', MaxAttempts: 'integer', Window: 'integer' }),
  Placement: object({
    Constraints: STRINGS, Preferences: list(object({ Spread: object({ SpreadDescriptor: 'string' }) })), MaxReplicas: 'integer',
    Platforms: list(object({ Architecture: 'string', OS: 'string' })),
  }),
  ForceUpdate: 'integer', Runtime: 'string', Networks: NETWORKS, LogDriver: DRIVER,
})

const UPDATE_CONFIG = object({ Parallelism: 'integer', Delay: 'integer', FailureAction: 'string', Monitor: 'integer', MaxFailureRatio: 'number', Order: 'string' })

/** Body of POST /services/create and /services/{id}/update. */
export const SERVICE_SPEC = object({
  Name: 'string', Labels: STRING_MAP, TaskTemplate: TASK_SPEC,
  Mode: object({
    Replicated: object({ Replicas: 'integer' }), Global: map('any'),
    ReplicatedJob: object({ MaxConcurrent: 'integer', TotalCompletions: 'integer' }), GlobalJob: map('any'),
  }),
  UpdateConfig: UPDATE_CONFIG, RollbackConfig: UPDATE_CONFIG, Networks: NETWORKS,
  EndpointSpec: object({
    Mode: 'string',
    Ports: list(object({ Name: 'string', Protocol: 'string', TargetPort: 'integer', PublishedPort: 'integer', PublishMode: 'string' })),
  }),
})

export const NODE_SPEC = object({ Name: 'string', Labels: STRING_MAP, Role: 'string', Availability: 'string' })
/** Body of POST /secrets/create and /secrets/{id}/update. */
export const SECRET_SPEC = object({ Name: 'string', Labels: STRING_MAP, Data: 'string', Driver: DRIVER, Templating: DRIVER })
/** Body of POST /configs/create and /configs/{id}/update. */
export const CONFIG_SPEC = object({ Name: 'string', Labels: STRING_MAP, Data: 'string', Templating: DRIVER })

/** Body of POST /swarm/update. */
export const SWARM_SPEC = object({
  Name: 'string', Labels: STRING_MAP, Orchestration: object({ TaskHistoryRetentionLimit: 'integer' }),
  Raft: object({ SnapshotInterval: 'integer', KeepOldSnapshots: 'integer', LogEntriesForSlowFollowers: 'integer', ElectionTick: 'integer', HeartbeatTick: 'integer' }),
  Dispatcher: object({ HeartbeatPeriod: 'integer' }),
  CAConfig: object({
    NodeCertExpiry: 'integer', ExternalCAs: list(object({ Protocol: 'string', URL: 'string', Options: STRING_MAP, CACert: 'string' })),
    SigningCACert: 'string', SigningCAKey: 'string', ForceRotate: 'integer',
  }),
  EncryptionConfig: object({ AutoLockManagers: 'boolean' }), TaskDefaults: object({ LogDriver: DRIVER }),
})
export const SWARM_INIT = object({
  ListenAddr: 'string', AdvertiseAddr: 'string', DataPathAddr: 'string', DataPathPort: 'integer', DefaultAddrPool: STRINGS, SubnetSize: 'integer',
  ForceNewCluster: 'boolean', Spec: SWARM_SPEC, AutoLockManagers: 'boolean', Availability: 'string',
})
export const SWARM_JOIN = object({ ListenAddr: 'string', AdvertiseAddr: 'string', DataPathAddr: 'string', RemoteAddrs: STRINGS, JoinToken: 'string', Availability: 'string' })
export const SWARM_UNLOCK = object({ UnlockKey: 'string' })
