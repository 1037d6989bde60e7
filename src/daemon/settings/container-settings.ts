import { accepted, refused, working } from './setting.ts'
import { ANYTHING, badConfig, BYTES, integerType, LIST, SWITCH, TEXT, textType } from './setting-types.ts'

const RUNTIME = textType(name => {
  if (name !== '' && name !== 'crun' && name !== 'runc') throw badConfig(`unknown runtime ${name}: crun or runc`)
  return name
})
const STORAGE_DRIVER = textType(name => {
  if (name !== '' && name !== 'overlay2' && name !== 'overlay') throw badConfig(`unknown storage driver ${name}: overlay2 is the one there is`)
  return name
})

/** What containers get when they ask for nothing else, and who runs them. */
export const CONTAINER_SETTINGS = {
  cgroupParent: working({ flag: '--cgroup-parent <path>', key: 'cgroup-parent', type: TEXT, fallback: '/shoal', help: 'parent cgroup of all containers' }),
  runtime: working({ flag: '--default-runtime <name>', key: 'default-runtime', type: RUNTIME, fallback: '', help: 'crun or runc; chosen by itself when not given' }),

  storageDriver: accepted({ flag: '-s, --storage-driver <name>', key: 'storage-driver', type: STORAGE_DRIVER, why: 'overlay2 is what is used' }),
  storageOptions: refused({ flag: '--storage-opt <option>', key: 'storage-opts', type: LIST, unless: [], why: 'overlay2 has no options here' }),
  addRuntime: refused({ flag: '--add-runtime <name=path>', key: 'runtimes', type: ANYTHING, why: 'crun and runc are the runtimes' }),
  defaultUlimits: refused({ flag: '--default-ulimit <name=soft:hard>', key: 'default-ulimits', type: ANYTHING, why: 'not there yet' }),
  defaultShmSize: refused({ flag: '--default-shm-size <bytes>', key: 'default-shm-size', type: BYTES, unless: 64 * 2 ** 20, why: 'not there yet' }),
  defaultIpcMode: refused({ flag: '--default-ipc-mode <mode>', key: 'default-ipc-mode', type: TEXT, unless: 'private', why: 'not there yet' }),
  defaultCgroupnsMode: refused({ flag: '--default-cgroupns-mode <mode>', key: 'default-cgroupns-mode', type: TEXT, why: 'not there yet' }),
  init: refused({ flag: '--init', key: 'init', type: SWITCH, unless: false, why: 'give --init to each container' }),
  initPath: refused({ flag: '--init-path <path>', key: 'init-path', type: TEXT, unless: '', why: 'the init of --init is the monitor itself' }),
  defaultInit: refused({ key: 'default-init', type: TEXT, unless: '', why: 'the init of --init is the monitor itself' }),
  noNewPrivileges: refused({ flag: '--no-new-privileges', key: 'no-new-privileges', type: SWITCH, unless: false, why: 'not there yet' }),
  seccompProfile: refused({ flag: '--seccomp-profile <path>', key: 'seccomp-profile', type: TEXT, unless: 'builtin', why: 'not there yet' }),
  selinuxEnabled: refused({ flag: '--selinux-enabled', key: 'selinux-enabled', type: SWITCH, unless: false, why: 'SELinux labels are not there yet' }),
  usernsRemap: refused({ flag: '--userns-remap <user>', key: 'userns-remap', type: TEXT, unless: '', why: 'not there yet' }),
  cdiSpecDirs: refused({ flag: '--cdi-spec-dir <dir>', key: 'cdi-spec-dirs', type: LIST, unless: [], why: 'not there yet' }),
  cpuRealtimePeriod: refused({ flag: '--cpu-rt-period <microseconds>', key: 'cpu-rt-period', type: integerType(0), unless: 0, why: 'not there yet' }),
  cpuRealtimeRuntime: refused({ flag: '--cpu-rt-runtime <microseconds>', key: 'cpu-rt-runtime', type: integerType(0), unless: 0, why: 'not there yet' }),
} as const
