import type { HostConfig } from '../../../src/api/engine/engine-json.ts'

/** What the daemon is configured to give containers that do not say. */
export interface ContainerDefaults {
  readonly ulimits: readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[]
  /** 0: the engine's own. */
  readonly shmBytes: number
  readonly ipcMode: 'private' | 'shareable'
  /** '': by the machine's cgroup version. */
  readonly cgroupNamespace: 'host' | 'private' | ''
  readonly init: boolean
  readonly noNewPrivileges: boolean
  /** 'builtin', 'unconfined' or the JSON of a profile. */
  readonly seccompProfile: string
}

export const NO_DEFAULTS: ContainerDefaults = { ulimits: [], shmBytes: 0, ipcMode: 'private', cgroupNamespace: '', init: false, noNewPrivileges: false, seccompProfile: 'builtin' }

/** The host configuration with the daemon's defaults where it says nothing. */
export function withDefaults(host: HostConfig, defaults: ContainerDefaults): HostConfig {
  const ulimits = withUlimits(host, defaults)
  const security = withSecurity(host, defaults)
  return {
    ...host,
    ...ulimits.length === 0 ? {} : { Ulimits: ulimits },
    ...security.length === 0 ? {} : { SecurityOpt: security },
    ...defaults.shmBytes > 0 && (host.ShmSize ?? 0) === 0 ? { ShmSize: defaults.shmBytes } : {},
    ...defaults.ipcMode !== 'private' && (host.IpcMode ?? '') === '' ? { IpcMode: defaults.ipcMode } : {},
    ...defaults.cgroupNamespace !== '' && (host.CgroupnsMode as string | undefined ?? '') === '' && host.Privileged !== true ? { CgroupnsMode: defaults.cgroupNamespace } : {},
    ...defaults.init && (host.Init === undefined || host.Init === null) ? { Init: true } : {},
  }
}

function withUlimits(host: HostConfig, { ulimits }: ContainerDefaults): NonNullable<HostConfig['Ulimits']> {
  const own = host.Ulimits ?? []
  return [...own, ...ulimits.filter(({ Name }) => !own.some(theirs => theirs.Name === Name))]
}

function withSecurity(host: HostConfig, defaults: ContainerDefaults): readonly string[] {
  const own = host.SecurityOpt ?? []
  const says = (key: string): boolean => own.some(option => option === key || option.startsWith(`${key}=`) || option.startsWith(`${key}:`))
  return [
    ...own,
    ...defaults.noNewPrivileges && !says('no-new-privileges') ? ['no-new-privileges'] : [],
    ...defaults.seccompProfile !== 'builtin' && host.Privileged !== true && !says('seccomp') ? [`seccomp=${defaults.seccompProfile}`] : [],
  ]
}
