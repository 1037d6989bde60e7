import { getSystemErrorMap } from 'node:util'
import koffi, { type KoffiFunc, type LibraryHandle } from 'koffi'
import { ShoalError, type ErrorKind } from '../../../src/base/errors.ts'

/** The C functions that Node has no call for. Each returns -1 and sets errno on failure, except posix_spawn, which returns the errno. */
export interface Libc {
  mount(source: string | null, target: string, type: string | null, flags: number, data: string | null): number
  /** Resolves with the errno, 0 for none: until somebody waits for the result, errno() tells of another call. */
  mountAsync(source: string | null, target: string, type: string | null, flags: number, data: string | null): Promise<number>
  umount2(target: string, flags: number): number
  umount2Async(target: string, flags: number): Promise<number>
  /** Resolves with the errno, 0 for none. */
  syncfsAsync(fd: number): Promise<number>
  mknod(path: string, mode: number, device: number): number
  statvfs(path: string, result: Uint8Array): number
  getxattr(path: string, name: string, value: Uint8Array, size: number): number
  setxattr(path: string, name: string, value: Uint8Array, size: number, flags: number): number
  lsetxattr(path: string, name: string, value: Uint8Array, size: number, flags: number): number
  socketpair(domain: number, type: number, protocol: number, fds: Int32Array): number
  socket(domain: number, type: number, protocol: number): number
  connect(fd: number, address: Uint8Array, length: number): number
  send(fd: number, bytes: Uint8Array, length: number, flags: number): number
  waitpid(pid: number, status: null, options: number): number
  memfdCreate(name: string, flags: number): number
  fcntl(fd: number, command: number, argument: number): number
  ioctl(fd: number, request: number): number
  openTree(folder: number, path: string, flags: number): number
  mountSetattr(fd: number, path: string, flags: number, attributes: Uint8Array, size: number): number
  moveMount(fromFd: number, fromPath: string, toFolder: number, to: string, flags: number): number
  spawn(argv: readonly string[], environment: readonly string[], stdio: SpawnStdio): number
  errno(): number
}

/** What the child's descriptors are: 0 and 1 /dev/null, 2 a file, from 3 on ours. None of ours may be below 3 + their number. */
export interface SpawnStdio { readonly stderrPath: string; readonly fds: readonly number[] }

const POSIX_SPAWN_SETSIGMASK = 0x08
const POSIX_SPAWN_SETSID = 0x80
const O_RDWR = 2
const O_CREAT_APPEND = 0o100 | 0o2000 | 1
/** Larger than glibc's posix_spawnattr_t (336), posix_spawn_file_actions_t (80) and sigset_t (128). */
const OPAQUE_SIZE = 512

export function loadLibc(): Libc {
  const lib = koffi.load('libc.so.6')
  const mount = lib.func('int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)')
  const umount2 = lib.func('int umount2(const char *target, int flags)')
  const syncfs = lib.func('int syncfs(int fd)')
  return {
    mount,
    mountAsync: (source, target, type, flags, data) => errnoOf(mount, source, target, type, flags, data),
    umount2,
    umount2Async: (target, flags) => callAsync(umount2, target, flags),
    syncfsAsync: fd => errnoOf(syncfs, fd),
    statvfs: lib.func('int statvfs(const char *path, uint8_t *result)'),
    mknod: lib.func('int mknod(const char *path, unsigned int mode, unsigned long device)'),
    getxattr: lib.func('intptr_t getxattr(const char *path, const char *name, uint8_t *value, size_t size)'),
    setxattr: lib.func('int setxattr(const char *path, const char *name, const uint8_t *value, size_t size, int flags)'),
    lsetxattr: lib.func('int lsetxattr(const char *path, const char *name, const uint8_t *value, size_t size, int flags)'),
    socketpair: lib.func('int socketpair(int domain, int type, int protocol, int32_t *fds)'),
    memfdCreate: lib.func('int memfd_create(const char *name, unsigned int flags)'),
    fcntl: lib.func('int fcntl(int fd, int command, int argument)'),
    ioctl: lib.func('int ioctl(int fd, unsigned long request)'),
    // Called by number, which is the same on all architectures: older C libraries have no functions for them.
    openTree: systemCall(lib, 428, 'long folder, const char *path, unsigned long flags'),
    mountSetattr: systemCall(lib, 442, 'long fd, const char *path, unsigned long flags, const uint8_t *attributes, size_t size'),
    moveMount: systemCall(lib, 429, 'long fromFd, const char *fromPath, long toFolder, const char *to, unsigned long flags'),
    socket: lib.func('int socket(int domain, int type, int protocol)'),
    connect: lib.func('int connect(int fd, const uint8_t *address, unsigned int length)'),
    send: lib.func('intptr_t send(int fd, const uint8_t *bytes, size_t length, int flags)'),
    waitpid: lib.func('int waitpid(int pid, void *status, int options)'),
    spawn: createSpawn(lib),
    errno: () => koffi.errno(),
  }
}

function systemCall(lib: LibraryHandle, number: number, parameters: string): (...args: unknown[]) => number {
  const call = lib.func(`long syscall(long number, ${parameters})`) as (...args: unknown[]) => number
  return (...args) => Number(call(number, ...args))
}

function callAsync(fn: KoffiFunc<(...args: unknown[]) => unknown>, ...args: unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    fn.async(...args, (error: unknown, result: unknown) => { if (error === null || error === undefined) resolve(result as number); else reject(error as Error) })
  })
}

function errnoOf(fn: KoffiFunc<(...args: unknown[]) => unknown>, ...args: unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    fn.async(...args, (error: unknown, result: unknown) => { if (error === null || error === undefined) resolve(result === 0 ? 0 : koffi.errno()); else reject(error as Error) })
  })
}

function createSpawn(lib: LibraryHandle): Libc['spawn'] {
  const actionsInit = lib.func('int posix_spawn_file_actions_init(void *actions)')
  const actionsOpen = lib.func('int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, unsigned int mode)')
  const actionsDup = lib.func('int posix_spawn_file_actions_adddup2(void *actions, int from, int to)')
  const actionsDestroy = lib.func('int posix_spawn_file_actions_destroy(void *actions)')
  const attrInit = lib.func('int posix_spawnattr_init(void *attributes)')
  const attrFlags = lib.func('int posix_spawnattr_setflags(void *attributes, short flags)')
  const attrMask = lib.func('int posix_spawnattr_setsigmask(void *attributes, void *mask)')
  const posixSpawn = lib.func('int posix_spawn(_Out_ int *pid, const char *path, void *actions, void *attributes, const char **argv, const char **environment)')
  return (argv, environment, stdio) => {
    const actions = Buffer.alloc(OPAQUE_SIZE)
    const attributes = Buffer.alloc(OPAQUE_SIZE)
    actionsInit(actions)
    actionsOpen(actions, 0, '/dev/null', O_RDWR, 0)
    actionsOpen(actions, 1, '/dev/null', O_RDWR, 0)
    actionsOpen(actions, 2, stdio.stderrPath, O_CREAT_APPEND, 0o600)
    stdio.fds.forEach((fd, at) => actionsDup(actions, fd, 3 + at))
    attrInit(attributes)
    attrFlags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK)
    attrMask(attributes, Buffer.alloc(OPAQUE_SIZE))
    const pid = [0]
    const errno = posixSpawn(pid, argv[0], actions, attributes, [...argv, null], [...environment, null]) as number
    actionsDestroy(actions)
    if (errno !== 0) throw new ShoalError('internal', 'spawn-failed', `cannot start ${argv[0]}: ${errnoName(errno)}`)
    return pid[0] ?? 0
  }
}

/** "ENOENT" for 2. */
export function errnoName(errno: number): string {
  return Object.entries(koffi.os.errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`
}

/** "no such file or directory" for 2, as Go has it too. */
export function errnoText(errno: number): string { return getSystemErrorMap().get(-errno)?.[1] ?? errnoName(errno) }

export function errnoError(kind: ErrorKind, code: string, what: string, errno: number): ShoalError {
  return new ShoalError(kind, code, `${what}: ${errnoName(errno)}`)
}
