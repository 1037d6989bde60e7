import { readFileSync } from 'node:fs'
import { rootOf } from '../../kernel/id-mapping.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { ContainerSandbox } from '../network/container-networks.ts'
import { ConfinedRoot } from '../files/confined-root.ts'
import { chooseCapabilities } from '../runtime/capabilities.ts'
import { deviceEdits } from '../runtime/cdi.ts'
import { devicesOf, deviceWeightsOf, throttlesOf } from '../runtime/host-devices.ts'
import type { OciMount, OciProcess, SpecInput } from '../runtime/oci-spec.ts'
import { buildProcess } from '../runtime/oci-spec.ts'
import { makeStandardFiles } from './standard-files.ts'
import { makeDirectoryInRoot, readInRoot } from '../runtime/path-in-root.ts'
import { seccompOf, securityOptions } from '../runtime/security-options.ts'
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
  readonly userns: SpecInput['userns']
  readonly cgroupPath: string
  readonly architecture: string
  /** The user's and the engine's own mounts, sources looked up. */
  readonly mounts: readonly OciMount[]
  readonly initPath: string
  readonly shm: SpecInput['shm']
  /** Variables that come from linked containers. */
  readonly linkEnv: readonly string[]
  /** Process of another container, for namespaces that are shared with it. */
  readonly pidOf: (ref: string) => number
}

/** Everything the specification of one start is built from; looks into the image for accounts, makes the working directory. */
export async function planStart(record: ContainerRecord, context: StartContext): Promise<SpecInput> {
  const { config, hostConfig } = record
  const user = await findUser(context.rootfs, config.User ?? '', hostConfig.GroupAdd ?? [])
  const cwd = config.WorkingDir === undefined || config.WorkingDir === '' ? '/' : config.WorkingDir
  const owner = context.userns === undefined ? undefined : rootOf(context.userns.ids)
  if (cwd !== '/') await makeDirectoryInRoot(context.rootfs, cwd, owner)
  await makeStandardFiles(context.rootfs, owner)
  const edits = deviceEdits(hostConfig)
  const security = securityOptions(hostConfig.SecurityOpt ?? [])
  const { granted } = chooseCapabilities({ add: hostConfig.CapAdd ?? [], drop: hostConfig.CapDrop ?? [], privileged: hostConfig.Privileged === true }, context.kernel.host.capabilities())
  const init = hostConfig.Init === true
  const command = [...config.Entrypoint ?? [], ...config.Cmd ?? []]
  return {
    hostConfig, cwd, tty: config.Tty === true, rootfs: context.rootfs,
    user: { ...user, additionalGids: [...new Set([...user.additionalGids ?? [], ...edits.additionalGids])] },
    args: init ? [INIT_PATH, '--', ...command] : command,
    env: environment(record, user, [...context.linkEnv, ...edits.env]),
    hostname: config.Hostname ?? '', domainname: config.Domainname ?? '',
    capabilities: granted,
    seccomp: hostConfig.Privileged === true || !context.kernel.host.hasSeccomp ? undefined : seccompOf(security.seccomp, granted, context.architecture),
    noNewPrivileges: security.noNewPrivileges, writableCgroups: security.writableCgroups,
    appArmor: hostConfig.Privileged === true || !context.kernel.host.hasAppArmor ? '' : security.appArmor,
    mounts: init ? [...context.mounts, ...edits.mounts, { destination: INIT_PATH, type: 'bind', source: context.initPath, options: ['bind', 'ro'] }] : [...context.mounts, ...edits.mounts],
    netnsPath: context.sandbox.netnsPath, userns: context.userns,
    pidNamespace: namespace(hostConfig.PidMode ?? '', 'pid', context.pidOf),
    ipcNamespace: namespace(hostConfig.IpcMode ?? '', 'ipc', context.pidOf), shm: context.shm,
    utsNamespace: hostConfig.UTSMode === 'host' ? undefined : '',
    cgroupNamespace: hostConfig.CgroupnsMode === 'private',
    cgroupPath: context.cgroupPath,
    cgroupVersion: context.kernel.cgroups.version,
    hasBlockWeight: context.kernel.cgroups.hasBlockWeight,
    devices: [...devicesOf(hostConfig), ...edits.devices],
    throttles: throttlesOf(hostConfig), deviceWeights: deviceWeightsOf(hostConfig), hooks: edits.hooks,
    cpuCount: context.kernel.host.cpuCount,
    annotations: {},
  }
}

/** The process of an exec: the container's surroundings with its own command, user and terminal. */
export async function planExec(record: ContainerRecord, pid: number, kernel: Kernel, exec: {
  readonly cmd: readonly string[]; readonly env: readonly string[]; readonly tty: boolean; readonly privileged: boolean; readonly user?: string; readonly workingDir?: string; readonly linkEnv?: readonly string[]
}): Promise<OciProcess> {
  const { config, hostConfig } = record
  const user = await findUserOf(pid, exec.user === undefined || exec.user === '' ? config.User ?? '' : exec.user, hostConfig.GroupAdd ?? [])
  const { granted } = chooseCapabilities({ add: hostConfig.CapAdd ?? [], drop: hostConfig.CapDrop ?? [], privileged: hostConfig.Privileged === true || exec.privileged }, kernel.host.capabilities())
  const cwd = [exec.workingDir, config.WorkingDir].find(path => path !== undefined && path !== '') ?? '/'
  const terminal = exec.tty ? ['TERM=xterm'] : []
  const security = securityOptions(hostConfig.SecurityOpt ?? [])
  return buildProcess({
    hostConfig: { ...hostConfig, ConsoleSize: [0, 0] }, args: exec.cmd, cwd, user, tty: exec.tty, capabilities: granted, noNewPrivileges: security.noNewPrivileges, appArmor: kernel.host.hasAppArmor && hostConfig.Privileged !== true && !exec.privileged ? security.appArmor : '',
    env: withHome(mergeEnv([PATH_DEFAULT, `HOSTNAME=${config.Hostname ?? ''}`], [...terminal, ...exec.linkEnv ?? []], config.Env ?? [], exec.env), user),
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

/** `given`: by devices and linked containers; the container's own variables win. */
function environment(record: ContainerRecord, user: LookedUpUser, given: readonly string[]): readonly string[] {
  const { config } = record
  return withHome(mergeEnv([PATH_DEFAULT, `HOSTNAME=${config.Hostname ?? ''}`, ...(config.Tty === true ? ['TERM=xterm'] : [])], given, config.Env ?? []), user)
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

/** Reads a small text file of the host; "" when it is not there. */
export function readHostFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
