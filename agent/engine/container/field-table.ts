/**
 * What becomes of each field of a container's configuration in API 1.50. `applied`: it has its effect, or is refused with the reason when it cannot have it.
 * `refused`: any value but the empty one is an error with this code. `told`: kept and shown, and meant for clients only. `ignored`: as dockerd on Linux does.
 */
export type FieldFate =
  | { readonly kind: 'applied'; readonly note?: string }
  | { readonly kind: 'refused'; readonly code: string; readonly note?: string }
  | { readonly kind: 'told'; readonly note: string }
  | { readonly kind: 'ignored'; readonly note: string }

const APPLIED: FieldFate = { kind: 'applied' }
function applied(note: string): FieldFate { return { kind: 'applied', note } }
function refused(code: string, note: string): FieldFate { return { kind: 'refused', code, note } }
function told(note: string): FieldFate { return { kind: 'told', note } }
function ignored(note: string): FieldFate { return { kind: 'ignored', note } }

export type FieldTable = Readonly<Record<string, Readonly<Record<string, FieldFate>>>>

/** By the names of the API description's schemas. */
export const FIELD_TABLE: FieldTable = {
  ContainerConfig: {
    Hostname: APPLIED, Domainname: APPLIED, User: APPLIED, AttachStdin: told('clients attach by a call of its own'), AttachStdout: told('as AttachStdin'), AttachStderr: told('as AttachStdin'),
    ExposedPorts: APPLIED, Tty: APPLIED, OpenStdin: APPLIED, StdinOnce: APPLIED, Env: APPLIED, Cmd: APPLIED, Healthcheck: APPLIED, ArgsEscaped: ignored('Windows only'), Image: APPLIED, Volumes: APPLIED,
    WorkingDir: applied('made when it is not there'), Entrypoint: applied('[""] resets the image\'s'), NetworkDisabled: APPLIED, MacAddress: applied('before API 1.44; later ones give it per network'),
    OnBuild: ignored('belongs to images'), Labels: APPLIED, StopSignal: APPLIED, StopTimeout: APPLIED, Shell: applied('of health checks'),
  },
  Resources: {
    CpuShares: APPLIED, Memory: APPLIED, CgroupParent: APPLIED, BlkioWeight: applied('discarded with a warning where the kernel has no weights'), BlkioWeightDevice: applied('as BlkioWeight'),
    BlkioDeviceReadBps: APPLIED, BlkioDeviceWriteBps: APPLIED, BlkioDeviceReadIOps: APPLIED, BlkioDeviceWriteIOps: APPLIED, CpuPeriod: APPLIED, CpuQuota: APPLIED, CpuRealtimePeriod: applied('cgroup v1'),
    CpuRealtimeRuntime: applied('cgroup v1'), CpusetCpus: APPLIED, CpusetMems: APPLIED, Devices: applied('nodes, and all nodes of a directory'), DeviceCgroupRules: APPLIED,
    DeviceRequests: applied('driver cdi, and graphics cards that /etc/cdi describes; others are refused: unsupported-device-request'), KernelMemoryTCP: applied('cgroup v1; discarded with a warning on v2'), MemoryReservation: APPLIED,
    MemorySwap: applied('limited without swap, with a warning, where the kernel does not count it'), MemorySwappiness: applied('cgroup v1; discarded with a warning on v2'), NanoCpus: APPLIED,
    OomKillDisable: applied('cgroup v1; discarded with a warning on v2'), Init: applied('the monitor\'s own program is the init'), PidsLimit: APPLIED, Ulimits: APPLIED,
    CpuCount: ignored('Windows only'), CpuPercent: ignored('Windows only'), IOMaximumIOps: refused('invalid-config', 'Windows only'), IOMaximumBandwidth: refused('invalid-config', 'Windows only'),
  },
  HostConfig: {
    Binds: APPLIED, ContainerIDFile: told('the client writes it'), LogConfig: applied('drivers that are not there are refused: unsupported-log-driver'), NetworkMode: APPLIED, PortBindings: APPLIED,
    RestartPolicy: APPLIED, AutoRemove: APPLIED, VolumeDriver: APPLIED, VolumesFrom: APPLIED, Mounts: APPLIED, ConsoleSize: APPLIED, Annotations: APPLIED, CapAdd: applied('what the machine lacks is left out with a warning'),
    CapDrop: APPLIED, CgroupnsMode: APPLIED, Dns: APPLIED, DnsOptions: APPLIED, DnsSearch: APPLIED, ExtraHosts: APPLIED, GroupAdd: APPLIED, IpcMode: APPLIED, Cgroup: refused('invalid-config', 'joining another container\'s cgroup'),
    Links: APPLIED, OomScoreAdj: APPLIED, PidMode: APPLIED, Privileged: APPLIED, PublishAllPorts: APPLIED, ReadonlyRootfs: APPLIED,
    SecurityOpt: applied('seccomp, no-new-privileges, writable-cgroups; apparmor where the machine has it; label means nothing, for there is no SELinux policy'),
    StorageOpt: refused('unsupported-storage-option', 'as dockerd with overlay on ext4'), Tmpfs: APPLIED, UTSMode: APPLIED, UsernsMode: applied('host, or that of the daemon: userns-remap'), ShmSize: APPLIED,
    Sysctls: APPLIED, Runtime: applied('crun, runc'), Isolation: refused('invalid-config', 'all but default'), MaskedPaths: APPLIED, ReadonlyPaths: APPLIED,
  },
  Mount: {
    Target: APPLIED, Source: APPLIED, Type: applied('bind, volume, tmpfs, image; cluster and npipe are refused: unsupported-mount'), ReadOnly: APPLIED, Consistency: ignored('macOS only'),
    BindOptions: APPLIED, VolumeOptions: APPLIED, ImageOptions: APPLIED, TmpfsOptions: APPLIED,
  },
  NetworkingConfig: { EndpointsConfig: APPLIED },
  EndpointSettings: {
    IPAMConfig: applied('on networks that users made'), Links: APPLIED, MacAddress: APPLIED, Aliases: APPLIED, DriverOpts: told('drivers here have none'), GwPriority: told('the first network is the way out'),
    NetworkID: ignored('an answer'), EndpointID: ignored('an answer'), Gateway: ignored('an answer'), IPAddress: ignored('an answer'), IPPrefixLen: ignored('an answer'), IPv6Gateway: ignored('an answer'),
    GlobalIPv6Address: ignored('an answer'), GlobalIPv6PrefixLen: ignored('an answer'), DNSNames: ignored('an answer'),
  },
}
