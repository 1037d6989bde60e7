import { list, map, object, STRINGS, STRING_MAP } from './shape.ts'

const HEALTH = object({ Test: STRINGS, Interval: 'integer', Timeout: 'integer', Retries: 'integer', StartPeriod: 'integer', StartInterval: 'integer' })
export const ULIMITS = list(object({ Name: 'string', Soft: 'integer', Hard: 'integer' }))
export const HEALTH_CONFIG = HEALTH

/** One element of HostConfig.Mounts and of a service's ContainerSpec.Mounts. */
export const MOUNT = object({
  Type: 'string', Source: 'string', Target: 'string', ReadOnly: 'boolean', Consistency: 'string',
  BindOptions: object({ Propagation: 'string', NonRecursive: 'boolean', CreateMountpoint: 'boolean', ReadOnlyNonRecursive: 'boolean', ReadOnlyForceRecursive: 'boolean' }),
  VolumeOptions: object({ NoCopy: 'boolean', Labels: STRING_MAP, DriverConfig: object({ Name: 'string', Options: STRING_MAP }), Subpath: 'string' }),
  ImageOptions: object({ Subpath: 'string' }),
  TmpfsOptions: object({ SizeBytes: 'integer', Mode: 'integer', Options: list(STRINGS) }),
  ClusterOptions: 'any',
})

const CONFIG_FIELDS = {
  Hostname: 'string', Domainname: 'string', User: 'string', AttachStdin: 'boolean', AttachStdout: 'boolean', AttachStderr: 'boolean',
  ExposedPorts: map('any'), Tty: 'boolean', OpenStdin: 'boolean', StdinOnce: 'boolean', Env: STRINGS, Cmd: 'words', Healthcheck: HEALTH, ArgsEscaped: 'boolean',
  Image: 'string', Volumes: map('any'), WorkingDir: 'string', Entrypoint: 'words', NetworkDisabled: 'boolean', MacAddress: 'string', OnBuild: STRINGS,
  Labels: STRING_MAP, StopSignal: 'string', StopTimeout: 'integer', Shell: 'words',
} as const

const THROTTLES = list(object({ Path: 'string', Rate: 'integer' }))

const RESOURCE_FIELDS = {
  CpuShares: 'integer', Memory: 'integer', CgroupParent: 'string', BlkioWeight: 'integer', BlkioWeightDevice: list(object({ Path: 'string', Weight: 'integer' })),
  BlkioDeviceReadBps: THROTTLES, BlkioDeviceWriteBps: THROTTLES, BlkioDeviceReadIOps: THROTTLES, BlkioDeviceWriteIOps: THROTTLES,
  CpuPeriod: 'integer', CpuQuota: 'integer', CpuRealtimePeriod: 'integer', CpuRealtimeRuntime: 'integer', CpusetCpus: 'string', CpusetMems: 'string',
  Devices: list(object({ PathOnHost: 'string', PathInContainer: 'string', CgroupPermissions: 'string' })), DeviceCgroupRules: STRINGS,
  DeviceRequests: list(object({ Driver: 'string', Count: 'integer', DeviceIDs: STRINGS, Capabilities: list(STRINGS), Options: STRING_MAP })),
  KernelMemory: 'integer', KernelMemoryTCP: 'integer', MemoryReservation: 'integer', MemorySwap: 'integer', MemorySwappiness: 'integer', NanoCpus: 'integer',
  OomKillDisable: 'boolean', Init: 'boolean', PidsLimit: 'integer', Ulimits: ULIMITS, CpuCount: 'integer', CpuPercent: 'integer',
  IOMaximumIOps: 'integer', IOMaximumBandwidth: 'integer',
} as const

const RESTART_POLICY = object({ Name: 'string', MaximumRetryCount: 'integer' })

export const HOST_CONFIG = object({
  ...RESOURCE_FIELDS,
  Binds: STRINGS, ContainerIDFile: 'string', LogConfig: object({ Type: 'string', Config: STRING_MAP }), NetworkMode: 'string',
  PortBindings: map(list(object({ HostIp: 'string', HostPort: 'string' }))), RestartPolicy: RESTART_POLICY, AutoRemove: 'boolean', VolumeDriver: 'string',
  VolumesFrom: STRINGS, Mounts: list(MOUNT), ConsoleSize: list('integer'), Annotations: STRING_MAP, CapAdd: 'words', CapDrop: 'words', CgroupnsMode: 'string',
  Dns: STRINGS, DnsOptions: STRINGS, DnsSearch: STRINGS, ExtraHosts: STRINGS, GroupAdd: STRINGS, IpcMode: 'string', Cgroup: 'string', Links: STRINGS,
  OomScoreAdj: 'integer', PidMode: 'string', Privileged: 'boolean', PublishAllPorts: 'boolean', ReadonlyRootfs: 'boolean', SecurityOpt: STRINGS, StorageOpt: STRING_MAP,
  Tmpfs: STRING_MAP, UTSMode: 'string', UsernsMode: 'string', ShmSize: 'integer', Sysctls: STRING_MAP, Runtime: 'string', Isolation: 'string',
  MaskedPaths: STRINGS, ReadonlyPaths: STRINGS,
})

export const ENDPOINT_SETTINGS = object({
  IPAMConfig: object({ IPv4Address: 'string', IPv6Address: 'string', LinkLocalIPs: STRINGS }), Links: STRINGS, MacAddress: 'string', Aliases: STRINGS,
  DriverOpts: STRING_MAP, GwPriority: 'integer', NetworkID: 'string', EndpointID: 'string', Gateway: 'string', IPAddress: 'string', IPPrefixLen: 'integer',
  IPv6Gateway: 'string', GlobalIPv6Address: 'string', GlobalIPv6PrefixLen: 'integer', DNSNames: STRINGS,
})

/** Body of POST /containers/create: ContainerConfig with two more members. */
export const CONTAINER_CREATE = object({ ...CONFIG_FIELDS, HostConfig: HOST_CONFIG, NetworkingConfig: object({ EndpointsConfig: map(ENDPOINT_SETTINGS) }) })
/** Body of POST /commit. */
export const CONTAINER_CONFIG = object(CONFIG_FIELDS)
/** Body of POST /containers/{id}/update. */
export const CONTAINER_UPDATE = object({ ...RESOURCE_FIELDS, RestartPolicy: RESTART_POLICY })
/** Body of POST /containers/{id}/exec. */
export const EXEC_CREATE = object({
  User: 'string', Privileged: 'boolean', Tty: 'boolean', ConsoleSize: list('integer'), AttachStdin: 'boolean', AttachStderr: 'boolean', AttachStdout: 'boolean',
  Detach: 'boolean', DetachKeys: 'string', Env: STRINGS, WorkingDir: 'string', Cmd: 'words',
})
/** Body of POST /exec/{id}/start. */
export const EXEC_START = object({ Detach: 'boolean', Tty: 'boolean', ConsoleSize: list('integer') })
