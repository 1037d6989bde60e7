import { lstatSync, readdirSync, statSync } from 'node:fs'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { ContainerSandbox } from '../network/container-networks.ts'
import { ConfinedRoot } from '../files/confined-root.ts'
import { chooseCapabilities } from '../runtime/capabilities.ts'
import type { OciDevice } from '../runtime/oci-resources.ts'
import type { OciMount, OciProcess, SpecInput } from '../runtime/oci-spec.ts'
import { buildProcess } from '../runtime/oci-spec.ts'
import { makeDirectoryInRoot, readInRoot } from '../runtime/path-in-root.ts'
import { DEFAULT_SECCOMP_PROFILE } from '../runtime/seccomp-profile.ts'
import { resolveCustomSeccomp, resolveSeccomp, type OciSeccomp } from '../runtime/seccomp.ts'
import { lookUpUser, type LookedUpUser } from '../runtime/user-lookup.ts'
import { mergeEnv } from './container-create.ts'
import type { ContainerRecord } from './container-record.ts'

const PATH_DEFAULT = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** More of a container's passwd and group files is not looked at. */
export const ACCOUNTS_BYTES_MAX = 8 * 1024 * 1024
export const INIT_PATH = '/sbin/docker-init'

export interface StartContext {
  readonly kernel: Kernel
  readonly rootfs: string
  readonly sandbox: ContainerSandbox
  readonly cgroupPath: string
  readonly architecture: string
  /** The user's and the engine's own mounts, sources looked up. */
  readonly mounts: readonly OciMount[]
  readonly initPath: string
  /** Process of another container, for namespaces that are shared with it. */
  readonly pidOf: (ref: string) => number
}

/** Everything the specification of one start is built from; looks into the image for accounts, makes the working directory. */
export async function planStart(record: ContainerRecord, context: StartContext): Promise<SpecInput> {
  const { config, hostConfig } = record
  const user = await findUser(context.rootfs, config.User ?? '', hostConfig.GroupAdd ?? [])
  const cwd = config.WorkingDir === undefined || config.WorkingDir === '' ? '/' : config.WorkingDir
  if (cwd !== '/') await makeDirectoryInRoot(context.rootfs, cwd, user)
  const security = securityOptions(hostConfig.SecurityOpt ?? [])
  const { granted } = chooseCapabilities({ add: hostConfig.CapAdd ?? [], drop: hostConfig.CapDrop ?? [], privileged: hostConfig.Privileged === true }, context.kernel.host.capabilities())
  const init = hostConfig.Init === true
  const command = [...config.Entrypoint ?? [], ...config.Cmd ?? []]
  return {
    hostConfig, cwd, user, tty: config.Tty === true, rootfs: context.rootfs,
    args: init ? [INIT_PATH, '--', ...command] : command,
    env: environment(record, user),
    hostname: config.Hostname ?? '',
    capabilities: granted,
    seccomp: hostConfig.Privileged === true || !context.kernel.host.hasSeccomp ? undefined : seccomp(security.seccomp, granted, context.architecture),
    noNewPrivileges: security.noNewPrivileges,
    mounts: init ? [...context.mounts, { destination: INIT_PATH, type: 'bind', source: context.initPath, options: ['bind', 'ro'] }] : context.mounts,
    netnsPath: context.sandbox.netnsPath,
    pidNamespace: namespace(hostConfig.PidMode ?? '', 'pid', context.pidOf),
    ipcNamespace: namespace(hostConfig.IpcMode ?? '', 'ipc', context.pidOf),
    utsNamespace: hostConfig.UTSMode === 'host' ? undefined : '',
    cgroupNamespace: hostConfig.CgroupnsMode === 'private',
    cgroupPath: context.cgroupPath,
    cgroupVersion: context.kernel.cgroups.version,
    hasBlockWeight: context.kernel.cgroups.hasBlockWeight,
    devices: hostConfig.Privileged === true ? hostDevices() : (hostConfig.Devices ?? []).flatMap(device => devicesAt(device.PathOnHost ?? '', device.PathInContainer ?? device.PathOnHost ?? '', device.CgroupPermissions ?? 'rwm')),
    cpuCount: context.kernel.host.cpuCount,
    annotations: {},
  }
}

/** The process of an exec: the container's surroundings with its own command, user and terminal. */
export async function planExec(record: ContainerRecord, pid: number, available: ReadonlySet<string>, exec: {
  readonly cmd: readonly string[]; readonly env: readonly string[]; readonly tty: boolean; readonly privileged: boolean; readonly user?: string; readonly workingDir?: string
}): Promise<OciProcess> {
  const { config, hostConfig } = record
  const user = await findUserOf(pid, exec.user === undefined || exec.user === '' ? config.User ?? '' : exec.user, hostConfig.GroupAdd ?? [])
  const { granted } = chooseCapabilities({ add: hostConfig.CapAdd ?? [], drop: hostConfig.CapDrop ?? [], privileged: hostConfig.Privileged === true || exec.privileged }, available)
  const cwd = [exec.workingDir, config.WorkingDir].find(path => path !== undefined && path !== '') ?? '/'
  const terminal = exec.tty ? ['TERM=xterm'] : []
  return buildProcess({
    hostConfig: { ...hostConfig, ConsoleSize: [0, 0] }, args: exec.cmd, cwd, user, tty: exec.tty, capabilities: granted, noNewPrivileges: securityOptions(hostConfig.SecurityOpt ?? []).noNewPrivileges,
    env: withHome(mergeEnv([PATH_DEFAULT, `HOSTNAME=${config.Hostname ?? ''}`], terminal, config.Env ?? [], exec.env), user),
  })
}

async function findUser(rootfs: string, user: string, groups: readonly string[]): Promise<LookedUpUser> {
  const [passwd, group] = await Promise.all([readInRoot(rootfs, '/etc/passwd'), readInRoot(rootfs, '/etc/group')])
  return lookUpUser(user, groups, { passwd, group })
}

/** In a container that runs, which may change its links while they are followed. */
async function findUserOf(pid: number, user: string, groups: readonly string[]): Promise<LookedUpUser> {
  await using root = await ConfinedRoot.open(`/proc/${pid}/root`, { writable: false })
  const [passwd, group] = await Promise.all([root.readText('/etc/passwd', ACCOUNTS_BYTES_MAX), root.readText('/etc/group', ACCOUNTS_BYTES_MAX)])
  return lookUpUser(user, groups, { passwd, group })
}

function environment(record: ContainerRecord, user: LookedUpUser): readonly string[] {
  const { config } = record
  return withHome(mergeEnv([PATH_DEFAULT, `HOSTNAME=${config.Hostname ?? ''}`, ...(config.Tty === true ? ['TERM=xterm'] : [])], config.Env ?? []), user)
}

function withHome(env: readonly string[], user: LookedUpUser): readonly string[] {
  return env.some(entry => entry.startsWith('HOME=')) ? env : [...env, `HOME=${user.home}`]
}

/** "" for its own, a path to share another's, undefined for the host's. */
function namespace(mode: string, kind: string, pidOf: (ref: string) => number): string | undefined {
  if (mode === 'host') return undefined
  if (!mode.startsWith('container:')) return ''
  return `/proc/${pidOf(mode.slice('container:'.length))}/ns/${kind}`
}

interface SecurityOptions { readonly seccomp: string; readonly noNewPrivileges: boolean }

/** @throws `invalid-security-option` (invalid-argument) */
export function securityOptions(options: readonly string[]): SecurityOptions {
  let result: SecurityOptions = { seccomp: '', noNewPrivileges: false }
  for (const option of options) {
    const [, key = '', value = ''] = /^([^=:]+)(?:[=:]([\s\S]*))?$/.exec(option) ?? []
    if (key === 'no-new-privileges') result = { ...result, noNewPrivileges: value !== 'false' }
    else if (key === 'seccomp') result = { ...result, seccomp: value }
    // No AppArmor or SELinux policy is applied by this engine, so turning them off is what happens anyway.
    else if (!((key === 'apparmor' || key === 'label') && /^(unconfined|disable)$/.test(value)) && key !== 'systempaths') {
      throw new ShoalError('invalid-argument', 'invalid-security-option', `invalid --security-opt: "${option}"; use seccomp=…, no-new-privileges, apparmor=unconfined or label=disable`)
    }
  }
  return result
}

function seccomp(profile: string, capabilities: readonly string[], architecture: string): OciSeccomp | undefined {
  if (profile === 'unconfined') return undefined
  if (profile === '' || profile === 'builtin' || profile === 'default') return resolveSeccomp(DEFAULT_SECCOMP_PROFILE, capabilities, architecture)
  try {
    return resolveCustomSeccomp(profile, capabilities, architecture)
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'invalid-security-option', 'the seccomp profile is not JSON', { cause })
  }
}

function devicesAt(hostPath: string, path: string, access: string): readonly OciDevice[] {
  let stat
  try {
    stat = statSync(hostPath)
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'no-such-device', `error gathering device information while adding custom device "${hostPath}": no such file or directory`, { cause })
  }
  if (stat.isDirectory()) return readdirSync(hostPath).flatMap(name => devicesAt(join(hostPath, name), join(path, name), access))
  if (!stat.isCharacterDevice() && !stat.isBlockDevice()) throw new ShoalError('invalid-argument', 'no-such-device', `error gathering device information while adding custom device "${hostPath}": not a device node`)
  return [{ path, type: stat.isBlockDevice() ? 'b' : 'c', ...deviceNumbers(stat.rdev), fileMode: stat.mode & 0o777, uid: stat.uid, gid: stat.gid, access }]
}

/** All of /dev but what the runtime makes itself. */
function hostDevices(directory = '/dev'): readonly OciDevice[] {
  const own = /^\/dev\/(pts|shm|fd|mqueue|\.lxc|\.lxd-mounts|\.udev|console|ptmx|stdin|stdout|stderr)(\/|$)/
  return readdirSync(directory).map(name => join(directory, name)).filter(path => !own.test(path)).flatMap(path => {
    const stat = lstatSync(path)
    if (stat.isDirectory()) return hostDevices(path)
    return stat.isCharacterDevice() || stat.isBlockDevice() ? devicesAt(path, path, 'rwm') : []
  })
}

/** dev_t of Linux: 12 bits of the minor number are split around the major. */
function deviceNumbers(rdev: number): { readonly major: number; readonly minor: number } {
  return { major: (rdev >> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00) }
}

/** Reads a small text file of the host; "" when it is not there. */
export function readHostFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
