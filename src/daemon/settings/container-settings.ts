import { accepted, refused, working } from './setting.ts'
import { ANYTHING, badConfig, BYTES, choiceType, expectObject, integerType, LIST, SWITCH, TEXT, textType, type SettingType } from './setting-types.ts'

const ULIMIT_NAMES: readonly string[] = ['core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc', 'rss', 'rtprio', 'rttime', 'sigpending', 'stack']
const RUNTIME = textType(name => {
  if (name !== '' && name !== 'crun' && name !== 'runc') throw badConfig(`unknown runtime ${name}: crun or runc`)
  return name
})
const STORAGE_DRIVER = textType(name => {
  if (name !== '' && name !== 'overlay2' && name !== 'overlay') throw badConfig(`unknown storage driver ${name}: overlay2 is the one there is`)
  return name
})

/** nofile=1024:2048, or in the file {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 2048}}. */
const ULIMITS: SettingType<readonly Ulimit[]> = {
  flagForm: 'words',
  fromFlag: (words, name) => words.map(word => {
    const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(word)
    if (match === null) throw badConfig(`invalid argument "${word}" for "--${name}" flag: invalid ulimit argument: ${word}`)
    return checkUlimit(match[1] ?? '', Number(match[2]), Number(match[3] ?? match[2]))
  }),
  fromJson: (value, name) => Object.entries(expectObject(value, name)).map(([key, item]) => {
    const { Soft, Hard } = expectObject(item, `${name}.${key}`)
    if (typeof Soft !== 'number' || typeof Hard !== 'number') throw badConfig(`${name}.${key} takes {"Name": "${key}", "Soft": 1024, "Hard": 1024}`)
    return checkUlimit(key, Soft, Hard)
  }),
}

export interface Ulimit { readonly Name: string; readonly Soft: number; readonly Hard: number }

function checkUlimit(Name: string, Soft: number, Hard: number): Ulimit {
  if (!ULIMIT_NAMES.includes(Name)) throw badConfig(`invalid ulimit type: ${Name}`)
  if (Hard !== -1 && (Soft === -1 || Soft > Hard)) throw badConfig(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`)
  return { Name, Soft, Hard }
}

/** What containers get when they ask for nothing else, and who runs them. */
export const CONTAINER_SETTINGS = {
  cgroupParent: working({ flag: '--cgroup-parent <path>', key: 'cgroup-parent', type: TEXT, fallback: '/shoal', help: 'parent cgroup of all containers' }),
  runtime: working({ flag: '--default-runtime <name>', key: 'default-runtime', type: RUNTIME, fallback: '', reloadable: true, help: 'crun or runc; chosen by itself when not given' }),
  defaultUlimits: working({ flag: '--default-ulimit <name=soft:hard>', key: 'default-ulimits', type: ULIMITS, fallback: [], help: 'limit of processes in containers that set none' }),
  defaultShmBytes: working({ flag: '--default-shm-size <bytes>', key: 'default-shm-size', type: BYTES, fallback: 0, reloadable: true, help: 'size of /dev/shm in containers that set none (64M)' }),
  defaultIpcMode: working({ flag: '--default-ipc-mode <mode>', key: 'default-ipc-mode', type: choiceType(['private', 'shareable'] as const, mode => `IPC mode "${mode}" is not supported as default value; use "shareable" or "private"`), fallback: 'private', reloadable: true, help: 'private or shareable' }),
  defaultCgroupNamespace: working({ flag: '--default-cgroupns-mode <mode>', key: 'default-cgroupns-mode', type: choiceType(['', 'host', 'private'] as const, mode => `invalid default cgroup namespace (${mode}): use "host" or "private"`), fallback: '', reloadable: true, help: 'host or private; by the cgroup version when not given' }),
  init: working({ flag: '--init', key: 'init', type: SWITCH, fallback: false, help: 'run an init in containers that do not say' }),
  noNewPrivileges: working({ flag: '--no-new-privileges', key: 'no-new-privileges', type: SWITCH, fallback: false, help: 'no-new-privileges in containers that do not say' }),
  seccompProfile: working({ flag: '--seccomp-profile <path>', key: 'seccomp-profile', type: TEXT, fallback: 'builtin', help: 'a profile, builtin or unconfined, for containers that name none' }),
  usernsRemap: working({ flag: '--userns-remap <user>', key: 'userns-remap', type: TEXT, fallback: '', help: 'user[:group] whose subordinate ids containers get in user namespaces; "default" for dockremap' }),

  storageDriver: accepted({ flag: '-s, --storage-driver <name>', key: 'storage-driver', type: STORAGE_DRIVER, why: 'overlay2 is what is used' }),
  storageOptions: refused({ flag: '--storage-opt <option>', key: 'storage-opts', type: LIST, unless: [], why: 'overlay2 has no options here' }),
  addRuntime: refused({ flag: '--add-runtime <name=path>', key: 'runtimes', type: ANYTHING, why: 'crun and runc are the runtimes' }),
  initPath: refused({ flag: '--init-path <path>', key: 'init-path', type: TEXT, unless: '', why: 'the init of --init is the monitor itself' }),
  defaultInit: refused({ key: 'default-init', type: TEXT, unless: '', why: 'the init of --init is the monitor itself' }),
  selinuxEnabled: refused({ flag: '--selinux-enabled', key: 'selinux-enabled', type: SWITCH, unless: false, why: 'SELinux labels are not there yet' }),
  cdiSpecDirs: refused({ flag: '--cdi-spec-dir <dir>', key: 'cdi-spec-dirs', type: LIST, unless: [], why: 'not there yet' }),
  cpuRealtimePeriod: refused({ flag: '--cpu-rt-period <microseconds>', key: 'cpu-rt-period', type: integerType(0), unless: 0, why: 'not there yet' }),
  cpuRealtimeRuntime: refused({ flag: '--cpu-rt-runtime <microseconds>', key: 'cpu-rt-runtime', type: integerType(0), unless: 0, why: 'not there yet' }),
} as const
