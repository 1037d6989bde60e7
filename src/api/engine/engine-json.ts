/**
 * JSON shapes of the Docker Engine API 1.50 that have nothing to do with Swarm (its public OpenAPI description, Apache-2.0).
 * All fields are optional: clients send partial objects, and older API versions leave fields out.
 */

export interface ImageHistoryResponseItem {
  readonly Id?: string
  readonly Created?: number
  readonly CreatedBy?: string
  readonly Tags?: readonly string[] | null
  readonly Size?: number
  readonly Comment?: string
}

export interface Port {
  readonly IP?: string
  readonly PrivatePort?: number
  readonly PublicPort?: number
  readonly Type?: 'tcp' | 'udp' | 'sctp' | null
}

export type MountType = 'bind' | 'cluster' | 'image' | 'npipe' | 'tmpfs' | 'volume'

export interface MountPoint {
  readonly Type?: MountType | null
  readonly Name?: string
  readonly Source?: string
  readonly Destination?: string
  readonly Driver?: string
  readonly Mode?: string
  readonly RW?: boolean
  readonly Propagation?: string
}

export interface DeviceMapping {
  readonly PathOnHost?: string
  readonly PathInContainer?: string
  readonly CgroupPermissions?: string
}

export interface DeviceRequest {
  readonly Driver?: string
  readonly Count?: number
  readonly DeviceIDs?: readonly string[] | null
  readonly Capabilities?: readonly (readonly string[])[] | null
  readonly Options?: Readonly<Record<string, string>> | null
}

export interface ThrottleDevice {
  readonly Path?: string
  readonly Rate?: number
}

export interface Mount {
  readonly Target?: string
  readonly Source?: string
  readonly Type?: MountType | null
  readonly ReadOnly?: boolean
  readonly Consistency?: string
  readonly BindOptions?: {
    readonly Propagation?: 'private' | 'rprivate' | 'shared' | 'rshared' | 'slave' | 'rslave' | null
    readonly NonRecursive?: boolean
    readonly CreateMountpoint?: boolean
    readonly ReadOnlyNonRecursive?: boolean
    readonly ReadOnlyForceRecursive?: boolean
  }
  readonly VolumeOptions?: {
    readonly NoCopy?: boolean
    readonly Labels?: Readonly<Record<string, string>> | null
    readonly DriverConfig?: {
      readonly Name?: string
      readonly Options?: Readonly<Record<string, string>> | null
    }
    readonly Subpath?: string
  }
  readonly ImageOptions?: {
    readonly Subpath?: string
  }
  readonly TmpfsOptions?: {
    readonly SizeBytes?: number
    readonly Mode?: number
    readonly Options?: readonly (readonly string[])[] | null
  }
}

export interface RestartPolicy {
  readonly Name?: '' | 'no' | 'always' | 'unless-stopped' | 'on-failure' | null
  readonly MaximumRetryCount?: number
}

export interface Resources {
  readonly CpuShares?: number
  readonly Memory?: number
  readonly CgroupParent?: string
  readonly BlkioWeight?: number
  readonly BlkioWeightDevice?: readonly {
    readonly Path?: string
    readonly Weight?: number
  }[] | null
  readonly BlkioDeviceReadBps?: readonly ThrottleDevice[] | null
  readonly BlkioDeviceWriteBps?: readonly ThrottleDevice[] | null
  readonly BlkioDeviceReadIOps?: readonly ThrottleDevice[] | null
  readonly BlkioDeviceWriteIOps?: readonly ThrottleDevice[] | null
  readonly CpuPeriod?: number
  readonly CpuQuota?: number
  readonly CpuRealtimePeriod?: number
  readonly CpuRealtimeRuntime?: number
  readonly CpusetCpus?: string
  readonly CpusetMems?: string
  readonly Devices?: readonly DeviceMapping[] | null
  readonly DeviceCgroupRules?: readonly string[] | null
  readonly DeviceRequests?: readonly DeviceRequest[] | null
  readonly KernelMemoryTCP?: number
  readonly MemoryReservation?: number
  readonly MemorySwap?: number
  readonly MemorySwappiness?: number
  readonly NanoCpus?: number
  readonly OomKillDisable?: boolean
  readonly Init?: boolean | null
  readonly PidsLimit?: number | null
  readonly Ulimits?: readonly {
    readonly Name?: string
    readonly Soft?: number
    readonly Hard?: number
  }[] | null
  readonly CpuCount?: number
  readonly CpuPercent?: number
  readonly IOMaximumIOps?: number
  readonly IOMaximumBandwidth?: number
}

export type GenericResources = readonly {
  readonly NamedResourceSpec?: {
    readonly Kind?: string
    readonly Value?: string
  }
  readonly DiscreteResourceSpec?: {
    readonly Kind?: string
    readonly Value?: number
  }
}[]

export interface HealthConfig {
  readonly Test?: readonly string[] | null
  readonly Interval?: number
  readonly Timeout?: number
  readonly Retries?: number
  readonly StartPeriod?: number
  readonly StartInterval?: number
}

export interface Health {
  readonly Status?: 'none' | 'starting' | 'healthy' | 'unhealthy' | null
  readonly FailingStreak?: number
  readonly Log?: readonly HealthcheckResult[] | null
}

export interface HealthcheckResult {
  readonly Start?: string
  readonly End?: string
  readonly ExitCode?: number
  readonly Output?: string
}

export type HostConfig = Resources & {
  readonly Binds?: readonly string[] | null
  readonly ContainerIDFile?: string
  readonly LogConfig?: {
    readonly Type?: 'local' | 'json-file' | 'syslog' | 'journald' | 'gelf' | 'fluentd' | 'awslogs' | 'splunk' | 'etwlogs' | 'none' | null
    readonly Config?: Readonly<Record<string, string>> | null
  }
  readonly NetworkMode?: string
  readonly PortBindings?: PortMap | null
  readonly RestartPolicy?: RestartPolicy | null
  readonly AutoRemove?: boolean
  readonly VolumeDriver?: string
  readonly VolumesFrom?: readonly string[] | null
  readonly Mounts?: readonly Mount[] | null
  readonly ConsoleSize?: readonly number[] | null
  readonly Annotations?: Readonly<Record<string, string>> | null
  readonly CapAdd?: readonly string[] | null
  readonly CapDrop?: readonly string[] | null
  readonly CgroupnsMode?: 'private' | 'host' | null
  readonly Dns?: readonly string[] | null
  readonly DnsOptions?: readonly string[] | null
  readonly DnsSearch?: readonly string[] | null
  readonly ExtraHosts?: readonly string[] | null
  readonly GroupAdd?: readonly string[] | null
  readonly IpcMode?: string
  readonly Cgroup?: string
  readonly Links?: readonly string[] | null
  readonly OomScoreAdj?: number
  readonly PidMode?: string
  readonly Privileged?: boolean
  readonly PublishAllPorts?: boolean
  readonly ReadonlyRootfs?: boolean
  readonly SecurityOpt?: readonly string[] | null
  readonly StorageOpt?: Readonly<Record<string, string>> | null
  readonly Tmpfs?: Readonly<Record<string, string>> | null
  readonly UTSMode?: string
  readonly UsernsMode?: string
  readonly ShmSize?: number
  readonly Sysctls?: Readonly<Record<string, string>> | null
  readonly Runtime?: string | null
  readonly Isolation?: 'default' | 'process' | 'hyperv' | '' | null
  readonly MaskedPaths?: readonly string[] | null
  readonly ReadonlyPaths?: readonly string[] | null
}

export interface ContainerConfig {
  readonly Hostname?: string
  readonly Domainname?: string
  readonly User?: string
  readonly AttachStdin?: boolean
  readonly AttachStdout?: boolean
  readonly AttachStderr?: boolean
  readonly ExposedPorts?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | null
  readonly Tty?: boolean
  readonly OpenStdin?: boolean
  readonly StdinOnce?: boolean
  readonly Env?: readonly string[] | null
  readonly Cmd?: readonly string[] | null
  readonly Healthcheck?: HealthConfig | null
  readonly ArgsEscaped?: boolean | null
  readonly Image?: string
  readonly Volumes?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | null
  readonly WorkingDir?: string
  readonly Entrypoint?: readonly string[] | null
  readonly NetworkDisabled?: boolean | null
  readonly MacAddress?: string | null
  readonly OnBuild?: readonly string[] | null
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly StopSignal?: string | null
  readonly StopTimeout?: number | null
  readonly Shell?: readonly string[] | null
}

export interface ImageConfig {
  readonly User?: string
  readonly ExposedPorts?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | null
  readonly Env?: readonly string[] | null
  readonly Cmd?: readonly string[] | null
  readonly Healthcheck?: HealthConfig | null
  readonly ArgsEscaped?: boolean | null
  readonly Volumes?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | null
  readonly WorkingDir?: string
  readonly Entrypoint?: readonly string[] | null
  readonly OnBuild?: readonly string[] | null
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly StopSignal?: string | null
  readonly Shell?: readonly string[] | null
}

export interface NetworkingConfig {
  readonly EndpointsConfig?: Readonly<Record<string, EndpointSettings>> | null
}

export interface NetworkSettings {
  readonly Bridge?: string
  readonly SandboxID?: string
  readonly HairpinMode?: boolean
  readonly LinkLocalIPv6Address?: string
  readonly LinkLocalIPv6PrefixLen?: number
  readonly Ports?: PortMap | null
  readonly SandboxKey?: string
  readonly SecondaryIPAddresses?: readonly Address[] | null
  readonly SecondaryIPv6Addresses?: readonly Address[] | null
  readonly EndpointID?: string
  readonly Gateway?: string
  readonly GlobalIPv6Address?: string
  readonly GlobalIPv6PrefixLen?: number
  readonly IPAddress?: string
  readonly IPPrefixLen?: number
  readonly IPv6Gateway?: string
  readonly MacAddress?: string
  readonly Networks?: Readonly<Record<string, EndpointSettings>> | null
}

export interface Address {
  readonly Addr?: string
  readonly PrefixLen?: number
}

export type PortMap = Readonly<Record<string, readonly PortBinding[]>>

export interface PortBinding {
  readonly HostIp?: string
  readonly HostPort?: string
}

export interface DriverData {
  readonly Name?: string
  readonly Data?: Readonly<Record<string, string>> | null
}

export interface FilesystemChange {
  readonly Path?: string
  readonly Kind?: ChangeType | null
}

export type ChangeType = number

export interface ImageInspect {
  readonly Id?: string
  readonly Descriptor?: OCIDescriptor | null
  readonly Manifests?: readonly ImageManifestSummary[] | null
  readonly RepoTags?: readonly string[] | null
  readonly RepoDigests?: readonly string[] | null
  readonly Parent?: string
  readonly Comment?: string
  readonly Created?: string | null
  readonly DockerVersion?: string
  readonly Author?: string
  readonly Config?: ImageConfig | null
  readonly Architecture?: string
  readonly Variant?: string | null
  readonly Os?: string
  readonly OsVersion?: string | null
  readonly Size?: number
  readonly GraphDriver?: DriverData | null
  readonly RootFS?: {
    readonly Type?: string
    readonly Layers?: readonly string[] | null
  }
  readonly Metadata?: {
    readonly LastTagTime?: string | null
  }
}

export interface ImageSummary {
  readonly Id?: string
  readonly ParentId?: string
  readonly RepoTags?: readonly string[] | null
  readonly RepoDigests?: readonly string[] | null
  readonly Created?: number
  readonly Size?: number
  readonly SharedSize?: number
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Containers?: number
  readonly Manifests?: readonly ImageManifestSummary[] | null
  readonly Descriptor?: OCIDescriptor | null
}

export interface AuthConfig {
  readonly username?: string
  readonly password?: string
  readonly email?: string
  readonly serveraddress?: string
}

export interface ProcessConfig {
  readonly privileged?: boolean
  readonly user?: string
  readonly tty?: boolean
  readonly entrypoint?: string
  readonly arguments?: readonly string[] | null
}

export interface Volume {
  readonly Name?: string
  readonly Driver?: string
  readonly Mountpoint?: string
  readonly CreatedAt?: string
  readonly Status?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | null
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Scope?: 'local' | 'global' | null
  readonly ClusterVolume?: ClusterVolume | null
  readonly Options?: Readonly<Record<string, string>> | null
  readonly UsageData?: {
    readonly Size?: number
    readonly RefCount?: number
  } | null
}

export interface VolumeCreateOptions {
  readonly Name?: string
  readonly Driver?: string
  readonly DriverOpts?: Readonly<Record<string, string>> | null
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly ClusterVolumeSpec?: ClusterVolumeSpec | null
}

export interface VolumeListResponse {
  readonly Volumes?: readonly Volume[] | null
  readonly Warnings?: readonly string[] | null
}

export interface Network {
  readonly Name?: string
  readonly Id?: string
  readonly Created?: string
  readonly Scope?: string
  readonly Driver?: string
  readonly EnableIPv4?: boolean
  readonly EnableIPv6?: boolean
  readonly IPAM?: IPAM | null
  readonly Internal?: boolean
  readonly Attachable?: boolean
  readonly Ingress?: boolean
  readonly ConfigFrom?: ConfigReference | null
  readonly ConfigOnly?: boolean
  readonly Containers?: Readonly<Record<string, NetworkContainer>> | null
  readonly Options?: Readonly<Record<string, string>> | null
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Peers?: readonly PeerInfo[] | null
}

export interface ConfigReference {
  readonly Network?: string
}

export interface IPAM {
  readonly Driver?: string
  readonly Config?: readonly IPAMConfig[] | null
  readonly Options?: Readonly<Record<string, string>> | null
}

export interface IPAMConfig {
  readonly Subnet?: string
  readonly IPRange?: string
  readonly Gateway?: string
  readonly AuxiliaryAddresses?: Readonly<Record<string, string>> | null
}

export interface NetworkContainer {
  readonly Name?: string
  readonly EndpointID?: string
  readonly MacAddress?: string
  readonly IPv4Address?: string
  readonly IPv6Address?: string
}

export interface PeerInfo {
  readonly Name?: string
  readonly IP?: string
}

export interface NetworkCreateResponse {
  readonly Id?: string
  readonly Warning?: string
}

export interface BuildInfo {
  readonly id?: string
  readonly stream?: string
  readonly error?: string | null
  readonly errorDetail?: ErrorDetail | null
  readonly status?: string
  readonly progress?: string | null
  readonly progressDetail?: ProgressDetail | null
  readonly aux?: ImageID | null
}

export interface BuildCache {
  readonly ID?: string
  readonly Parents?: readonly string[] | null
  readonly Type?: 'internal' | 'frontend' | 'source.local' | 'source.git.checkout' | 'exec.cachemount' | 'regular' | null
  readonly Description?: string
  readonly InUse?: boolean
  readonly Shared?: boolean
  readonly Size?: number
  readonly CreatedAt?: string
  readonly LastUsedAt?: string | null
  readonly UsageCount?: number
}

export interface ImageID {
  readonly ID?: string
}

export interface CreateImageInfo {
  readonly id?: string
  readonly error?: string | null
  readonly errorDetail?: ErrorDetail | null
  readonly status?: string
  readonly progress?: string | null
  readonly progressDetail?: ProgressDetail | null
}

export interface PushImageInfo {
  readonly error?: string | null
  readonly errorDetail?: ErrorDetail | null
  readonly status?: string
  readonly progress?: string | null
  readonly progressDetail?: ProgressDetail | null
}

export interface DeviceInfo {
  readonly Source?: string
  readonly ID?: string
}

export interface ErrorDetail {
  readonly code?: number
  readonly message?: string
}

export interface ProgressDetail {
  readonly current?: number
  readonly total?: number
}

export interface ErrorResponse {
  readonly message?: string
}

export interface IDResponse {
  readonly Id?: string
}

export interface EndpointSettings {
  readonly IPAMConfig?: EndpointIPAMConfig | null
  readonly Links?: readonly string[] | null
  readonly MacAddress?: string
  readonly Aliases?: readonly string[] | null
  readonly DriverOpts?: Readonly<Record<string, string>> | null
  readonly GwPriority?: number
  readonly NetworkID?: string
  readonly EndpointID?: string
  readonly Gateway?: string
  readonly IPAddress?: string
  readonly IPPrefixLen?: number
  readonly IPv6Gateway?: string
  readonly GlobalIPv6Address?: string
  readonly GlobalIPv6PrefixLen?: number
  readonly DNSNames?: readonly string[] | null
}

export interface EndpointIPAMConfig {
  readonly IPv4Address?: string
  readonly IPv6Address?: string
  readonly LinkLocalIPs?: readonly string[] | null
}

export interface PluginMount {
  readonly Name?: string
  readonly Description?: string
  readonly Settable?: readonly string[] | null
  readonly Source?: string
  readonly Destination?: string
  readonly Type?: string
  readonly Options?: readonly string[] | null
}

export interface PluginDevice {
  readonly Name?: string
  readonly Description?: string
  readonly Settable?: readonly string[] | null
  readonly Path?: string
}

export interface PluginEnv {
  readonly Name?: string
  readonly Description?: string
  readonly Settable?: readonly string[] | null
  readonly Value?: string
}

export interface PluginInterfaceType {
  readonly Prefix?: string
  readonly Capability?: string
  readonly Version?: string
}

export interface Plugin {
  readonly Id?: string
  readonly Name?: string
  readonly Enabled?: boolean
  readonly Settings?: {
    readonly Mounts?: readonly PluginMount[] | null
    readonly Env?: readonly string[] | null
    readonly Args?: readonly string[] | null
    readonly Devices?: readonly PluginDevice[] | null
  }
  readonly PluginReference?: string
  readonly Config?: {
    readonly DockerVersion?: string
    readonly Description?: string
    readonly Documentation?: string
    readonly Interface?: {
      readonly Types?: readonly PluginInterfaceType[] | null
      readonly Socket?: string
      readonly ProtocolScheme?: '' | 'moby.plugins.http/v1' | null
    }
    readonly Entrypoint?: readonly string[] | null
    readonly WorkDir?: string
    readonly User?: {
      readonly UID?: number
      readonly GID?: number
    }
    readonly Network?: {
      readonly Type?: string
    }
    readonly Linux?: {
      readonly Capabilities?: readonly string[] | null
      readonly AllowAllDevices?: boolean
      readonly Devices?: readonly PluginDevice[] | null
    }
    readonly PropagatedMount?: string
    readonly IpcHost?: boolean
    readonly PidHost?: boolean
    readonly Mounts?: readonly PluginMount[] | null
    readonly Env?: readonly PluginEnv[] | null
    readonly Args?: {
      readonly Name?: string
      readonly Description?: string
      readonly Settable?: readonly string[] | null
      readonly Value?: readonly string[] | null
    }
    readonly rootfs?: {
      readonly type?: string
      readonly diff_ids?: readonly string[] | null
    }
  }
}

export interface ObjectVersion {
  readonly Index?: number
}

export interface Platform {
  readonly Architecture?: string
  readonly OS?: string
}

export interface TLSInfo {
  readonly TrustRoot?: string
  readonly CertIssuerSubject?: string
  readonly CertIssuerPublicKey?: string
}

export interface SwarmSpec {
  readonly Name?: string
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Orchestration?: {
    readonly TaskHistoryRetentionLimit?: number
  } | null
  readonly Raft?: {
    readonly SnapshotInterval?: number
    readonly KeepOldSnapshots?: number
    readonly LogEntriesForSlowFollowers?: number
    readonly ElectionTick?: number
    readonly HeartbeatTick?: number
  }
  readonly Dispatcher?: {
    readonly HeartbeatPeriod?: number
  } | null
  readonly CAConfig?: {
    readonly NodeCertExpiry?: number
    readonly ExternalCAs?: readonly {
      readonly Protocol?: 'cfssl' | null
      readonly URL?: string
      readonly Options?: Readonly<Record<string, string>> | null
      readonly CACert?: string
    }[] | null
    readonly SigningCACert?: string
    readonly SigningCAKey?: string
    readonly ForceRotate?: number
  } | null
  readonly EncryptionConfig?: {
    readonly AutoLockManagers?: boolean
  }
  readonly TaskDefaults?: {
    readonly LogDriver?: {
      readonly Name?: string
      readonly Options?: Readonly<Record<string, string>> | null
    }
  }
}

export interface ClusterInfo {
  readonly ID?: string
  readonly Version?: ObjectVersion | null
  readonly CreatedAt?: string
  readonly UpdatedAt?: string
  readonly Spec?: SwarmSpec | null
  readonly TLSInfo?: TLSInfo | null
  readonly RootRotationInProgress?: boolean
  readonly DataPathPort?: number
  readonly DefaultAddrPool?: readonly string[] | null
  readonly SubnetSize?: number
}

export interface ImageDeleteResponseItem {
  readonly Untagged?: string
  readonly Deleted?: string
}

export interface ContainerInspectResponse {
  readonly Id?: string
  readonly Created?: string | null
  readonly Path?: string
  readonly Args?: readonly string[] | null
  readonly State?: ContainerState | null
  readonly Image?: string
  readonly ResolvConfPath?: string
  readonly HostnamePath?: string
  readonly HostsPath?: string
  readonly LogPath?: string | null
  readonly Name?: string
  readonly RestartCount?: number
  readonly Driver?: string
  readonly Platform?: string
  readonly ImageManifestDescriptor?: OCIDescriptor | null
  readonly MountLabel?: string
  readonly ProcessLabel?: string
  readonly AppArmorProfile?: string
  readonly ExecIDs?: readonly string[] | null
  readonly HostConfig?: HostConfig | null
  readonly GraphDriver?: DriverData | null
  readonly SizeRw?: number | null
  readonly SizeRootFs?: number | null
  readonly Mounts?: readonly MountPoint[] | null
  readonly Config?: ContainerConfig | null
  readonly NetworkSettings?: NetworkSettings | null
}

export interface ContainerSummary {
  readonly Id?: string
  readonly Names?: readonly string[] | null
  readonly Image?: string
  readonly ImageID?: string
  readonly ImageManifestDescriptor?: OCIDescriptor | null
  readonly Command?: string
  readonly Created?: number
  readonly Ports?: readonly Port[] | null
  readonly SizeRw?: number | null
  readonly SizeRootFs?: number | null
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly State?: 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'removing' | 'dead' | null
  readonly Status?: string
  readonly HostConfig?: {
    readonly NetworkMode?: string
    readonly Annotations?: Readonly<Record<string, string>> | null
  }
  readonly NetworkSettings?: {
    readonly Networks?: Readonly<Record<string, EndpointSettings>> | null
  }
  readonly Mounts?: readonly MountPoint[] | null
}

export interface ContainerState {
  readonly Status?: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead' | null
  readonly Running?: boolean
  readonly Paused?: boolean
  readonly Restarting?: boolean
  readonly OOMKilled?: boolean
  readonly Dead?: boolean
  readonly Pid?: number
  readonly ExitCode?: number
  readonly Error?: string
  readonly StartedAt?: string
  readonly FinishedAt?: string
  readonly Health?: Health | null
}

export interface ContainerCreateResponse {
  readonly Id?: string
  readonly Warnings?: readonly string[] | null
}

export interface ContainerUpdateResponse {
  readonly Warnings?: readonly string[] | null
}

export interface ContainerStatsResponse {
  readonly name?: string | null
  readonly id?: string | null
  readonly read?: string
  readonly preread?: string
  readonly pids_stats?: ContainerPidsStats | null
  readonly blkio_stats?: ContainerBlkioStats | null
  readonly num_procs?: number
  readonly storage_stats?: ContainerStorageStats | null
  readonly cpu_stats?: ContainerCPUStats | null
  readonly precpu_stats?: ContainerCPUStats | null
  readonly memory_stats?: ContainerMemoryStats | null
  readonly networks?: Readonly<Record<string, ContainerNetworkStats>> | null
}

export interface ContainerBlkioStats {
  readonly io_service_bytes_recursive?: readonly ContainerBlkioStatEntry[] | null
  readonly io_serviced_recursive?: readonly ContainerBlkioStatEntry[] | null
  readonly io_queue_recursive?: readonly ContainerBlkioStatEntry[] | null
  readonly io_service_time_recursive?: readonly ContainerBlkioStatEntry[] | null
  readonly io_wait_time_recursive?: readonly ContainerBlkioStatEntry[] | null
  readonly io_merged_recursive?: readonly ContainerBlkioStatEntry[] | null
  readonly io_time_recursive?: readonly ContainerBlkioStatEntry[] | null
  readonly sectors_recursive?: readonly ContainerBlkioStatEntry[] | null
}

export interface ContainerBlkioStatEntry {
  readonly major?: number
  readonly minor?: number
  readonly op?: string
  readonly value?: number
}

export interface ContainerCPUStats {
  readonly cpu_usage?: ContainerCPUUsage | null
  readonly system_cpu_usage?: number | null
  readonly online_cpus?: number | null
  readonly throttling_data?: ContainerThrottlingData | null
}

export interface ContainerCPUUsage {
  readonly total_usage?: number
  readonly percpu_usage?: readonly number[] | null
  readonly usage_in_kernelmode?: number
  readonly usage_in_usermode?: number
}

export interface ContainerPidsStats {
  readonly current?: number | null
  readonly limit?: number | null
}

export interface ContainerThrottlingData {
  readonly periods?: number
  readonly throttled_periods?: number
  readonly throttled_time?: number
}

export interface ContainerMemoryStats {
  readonly usage?: number | null
  readonly max_usage?: number | null
  readonly stats?: Readonly<Record<string, number>> | null
  readonly failcnt?: number | null
  readonly limit?: number | null
  readonly commitbytes?: number | null
  readonly commitpeakbytes?: number | null
  readonly privateworkingset?: number | null
}

export interface ContainerNetworkStats {
  readonly rx_bytes?: number
  readonly rx_packets?: number
  readonly rx_errors?: number
  readonly rx_dropped?: number
  readonly tx_bytes?: number
  readonly tx_packets?: number
  readonly tx_errors?: number
  readonly tx_dropped?: number
  readonly endpoint_id?: string | null
  readonly instance_id?: string | null
}

export interface ContainerStorageStats {
  readonly read_count_normalized?: number | null
  readonly read_size_bytes?: number | null
  readonly write_count_normalized?: number | null
  readonly write_size_bytes?: number | null
}

export interface ContainerTopResponse {
  readonly Titles?: readonly string[] | null
  readonly Processes?: readonly (readonly string[])[] | null
}

export interface ContainerWaitResponse {
  readonly StatusCode?: number
  readonly Error?: ContainerWaitExitError | null
}

export interface ContainerWaitExitError {
  readonly Message?: string
}

export interface SystemVersion {
  readonly Platform?: {
    readonly Name?: string
  }
  readonly Components?: readonly {
    readonly Name?: string
    readonly Version?: string
    readonly Details?: Readonly<Record<string, unknown>> | null
  }[] | null
  readonly Version?: string
  readonly ApiVersion?: string
  readonly MinAPIVersion?: string
  readonly GitCommit?: string
  readonly GoVersion?: string
  readonly Os?: string
  readonly Arch?: string
  readonly KernelVersion?: string
  readonly Experimental?: boolean
  readonly BuildTime?: string
}

export interface SystemInfo {
  readonly ID?: string
  readonly Containers?: number
  readonly ContainersRunning?: number
  readonly ContainersPaused?: number
  readonly ContainersStopped?: number
  readonly Images?: number
  readonly Driver?: string
  readonly DriverStatus?: readonly (readonly string[])[] | null
  readonly DockerRootDir?: string
  readonly Plugins?: PluginsInfo | null
  readonly MemoryLimit?: boolean
  readonly SwapLimit?: boolean
  readonly KernelMemoryTCP?: boolean
  readonly CpuCfsPeriod?: boolean
  readonly CpuCfsQuota?: boolean
  readonly CPUShares?: boolean
  readonly CPUSet?: boolean
  readonly PidsLimit?: boolean
  readonly OomKillDisable?: boolean
  readonly IPv4Forwarding?: boolean
  readonly Debug?: boolean
  readonly NFd?: number
  readonly NGoroutines?: number
  readonly SystemTime?: string
  readonly LoggingDriver?: string
  readonly CgroupDriver?: 'cgroupfs' | 'systemd' | 'none' | null
  readonly CgroupVersion?: '1' | '2' | null
  readonly NEventsListener?: number
  readonly KernelVersion?: string
  readonly OperatingSystem?: string
  readonly OSVersion?: string
  readonly OSType?: string
  readonly Architecture?: string
  readonly NCPU?: number
  readonly MemTotal?: number
  readonly IndexServerAddress?: string
  readonly RegistryConfig?: RegistryServiceConfig | null
  readonly GenericResources?: GenericResources | null
  readonly HttpProxy?: string
  readonly HttpsProxy?: string
  readonly NoProxy?: string
  readonly Name?: string
  readonly Labels?: readonly string[] | null
  readonly ExperimentalBuild?: boolean
  readonly ServerVersion?: string
  readonly Runtimes?: Readonly<Record<string, Runtime>> | null
  readonly DefaultRuntime?: string
  readonly Swarm?: SwarmInfo | null
  readonly LiveRestoreEnabled?: boolean
  readonly Isolation?: 'default' | 'hyperv' | 'process' | '' | null
  readonly InitBinary?: string
  readonly ContainerdCommit?: Commit | null
  readonly RuncCommit?: Commit | null
  readonly InitCommit?: Commit | null
  readonly SecurityOptions?: readonly string[] | null
  readonly ProductLicense?: string
  readonly DefaultAddressPools?: readonly {
    readonly Base?: string
    readonly Size?: number
  }[] | null
  readonly FirewallBackend?: FirewallInfo | null
  readonly DiscoveredDevices?: readonly DeviceInfo[] | null
  readonly Warnings?: readonly string[] | null
  readonly CDISpecDirs?: readonly string[] | null
  readonly Containerd?: ContainerdInfo | null
}

export interface ContainerdInfo {
  readonly Address?: string
  readonly Namespaces?: {
    readonly Containers?: string
    readonly Plugins?: string
  }
}

export interface FirewallInfo {
  readonly Driver?: string
  readonly Info?: readonly (readonly string[])[] | null
}

export interface PluginsInfo {
  readonly Volume?: readonly string[] | null
  readonly Network?: readonly string[] | null
  readonly Authorization?: readonly string[] | null
  readonly Log?: readonly string[] | null
}

export interface RegistryServiceConfig {
  readonly InsecureRegistryCIDRs?: readonly string[] | null
  readonly IndexConfigs?: Readonly<Record<string, IndexInfo>> | null
  readonly Mirrors?: readonly string[] | null
}

export interface IndexInfo {
  readonly Name?: string
  readonly Mirrors?: readonly string[] | null
  readonly Secure?: boolean
  readonly Official?: boolean
}

export interface Runtime {
  readonly path?: string
  readonly runtimeArgs?: readonly string[] | null
  readonly status?: Readonly<Record<string, string>> | null
}

export interface Commit {
  readonly ID?: string
}

export interface SwarmInfo {
  readonly NodeID?: string
  readonly NodeAddr?: string
  readonly LocalNodeState?: LocalNodeState | null
  readonly ControlAvailable?: boolean
  readonly Error?: string
  readonly RemoteManagers?: readonly PeerNode[] | null
  readonly Nodes?: number | null
  readonly Managers?: number | null
  readonly Cluster?: ClusterInfo | null
}

export type LocalNodeState = '' | 'inactive' | 'pending' | 'active' | 'error' | 'locked'

export interface PeerNode {
  readonly NodeID?: string
  readonly Addr?: string
}

export interface EventActor {
  readonly ID?: string
  readonly Attributes?: Readonly<Record<string, string>> | null
}

export interface EventMessage {
  readonly Type?: 'builder' | 'config' | 'container' | 'daemon' | 'image' | 'network' | 'node' | 'plugin' | 'secret' | 'service' | 'volume' | null
  readonly Action?: string
  readonly Actor?: EventActor | null
  readonly scope?: 'local' | 'swarm' | null
  readonly time?: number
  readonly timeNano?: number
}

export interface OCIDescriptor {
  readonly mediaType?: string
  readonly digest?: string
  readonly size?: number
  readonly urls?: readonly string[] | null
  readonly annotations?: Readonly<Record<string, string>> | null
  readonly data?: string | null
  readonly platform?: OCIPlatform | null
  readonly artifactType?: string | null
}

export interface OCIPlatform {
  readonly architecture?: string
  readonly os?: string
  readonly 'os.version'?: string
  readonly 'os.features'?: readonly string[] | null
  readonly variant?: string
}

export interface DistributionInspect {
  readonly Descriptor?: OCIDescriptor | null
  readonly Platforms?: readonly OCIPlatform[] | null
}

export interface ClusterVolume {
  readonly ID?: string
  readonly Version?: ObjectVersion | null
  readonly CreatedAt?: string
  readonly UpdatedAt?: string
  readonly Spec?: ClusterVolumeSpec | null
  readonly Info?: {
    readonly CapacityBytes?: number
    readonly VolumeContext?: Readonly<Record<string, string>> | null
    readonly VolumeID?: string
    readonly AccessibleTopology?: readonly Topology[] | null
  }
  readonly PublishStatus?: readonly {
    readonly NodeID?: string
    readonly State?: 'pending-publish' | 'published' | 'pending-node-unpublish' | 'pending-controller-unpublish' | null
    readonly PublishContext?: Readonly<Record<string, string>> | null
  }[] | null
}

export interface ClusterVolumeSpec {
  readonly Group?: string
  readonly AccessMode?: {
    readonly Scope?: 'single' | 'multi' | null
    readonly Sharing?: 'none' | 'readonly' | 'onewriter' | 'all' | null
    readonly MountVolume?: Readonly<Record<string, unknown>> | null
    readonly Secrets?: readonly {
      readonly Key?: string
      readonly Secret?: string
    }[] | null
    readonly AccessibilityRequirements?: {
      readonly Requisite?: readonly Topology[] | null
      readonly Preferred?: readonly Topology[] | null
    }
    readonly CapacityRange?: {
      readonly RequiredBytes?: number
      readonly LimitBytes?: number
    }
    readonly Availability?: 'active' | 'pause' | 'drain' | null
  }
}

export interface Topology {
  readonly Segments?: Readonly<Record<string, string>> | null
}

export interface ImageManifestSummary {
  readonly ID?: string
  readonly Descriptor?: OCIDescriptor | null
  readonly Available?: boolean
  readonly Size?: {
    readonly Total?: number
    readonly Content?: number
  }
  readonly Kind?: 'image' | 'attestation' | 'unknown' | null
  readonly ImageData?: {
    readonly Platform?: OCIPlatform | null
    readonly Containers?: readonly string[] | null
    readonly Size?: {
      readonly Unpacked?: number
    }
  } | null
  readonly AttestationData?: {
    readonly For?: string
  } | null
}

/** Body of POST /networks/create. */
export interface NetworkCreateRequest {
  readonly Name?: string
  readonly Driver?: string
  readonly Scope?: string
  readonly Internal?: boolean
  readonly Attachable?: boolean
  readonly Ingress?: boolean
  readonly ConfigOnly?: boolean
  readonly ConfigFrom?: ConfigReference
  readonly EnableIPv4?: boolean | null
  readonly EnableIPv6?: boolean | null
  readonly IPAM?: IPAM | null
  readonly Options?: Readonly<Record<string, string>> | null
  readonly Labels?: Readonly<Record<string, string>> | null
}
