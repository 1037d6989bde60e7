import koffi from 'koffi'
import { closeSync, openSync } from 'node:fs'
import { ShoalError } from '../../../src/base/errors.ts'

const CLONE_NEWNET = 0x40000000
const SOCK_CLOEXEC = 0x80000
/** The kernel never sends larger netlink datagrams than 32 KiB. */
const RECEIVE_BYTES = 64 * 1024

/** A call that can be made on another thread too. */
interface Call<Arguments extends unknown[]> {
  (...args: Arguments): number
  async(...args: [...Arguments, done: (error: Error | null, result: number) => void]): void
}

/** The C library calls that the network kernel needs. Failing calls return -1 and leave errno(). */
export class NetworkLibc {
  readonly socket: (family: number, type: number, protocol: number) => number
  readonly bind: (fd: number, address: Buffer, length: number) => number
  readonly listen: (fd: number, backlog: number) => number
  readonly getsockname: (fd: number, address: Buffer, length: Buffer) => number
  readonly setsockopt: (fd: number, level: number, name: number, value: Buffer, length: number) => number
  readonly send: Call<[fd: number, bytes: Buffer, length: number, flags: number]>
  readonly recv: (fd: number, bytes: Buffer, length: number, flags: number) => number
  readonly mount: (source: string, target: string, type: string | null, flags: number, data: string | null) => number
  readonly umount2: (target: string, flags: number) => number
  readonly if_nametoindex: (name: string) => number
  /** One for all sockets: what is received is read before anything else can run. */
  readonly receiveBuffer = Buffer.alloc(RECEIVE_BYTES)
  readonly #setns: (fd: number, kind: number) => number
  readonly #unshare: (flags: number) => number
  readonly #homeFd: number

  /** Takes the namespace that the thread is in now as the daemon's own. */
  constructor() {
    const libc = koffi.load('libc.so.6')
    this.socket = libc.func('int socket(int, int, int)')
    this.bind = libc.func('int bind(int, const void *, unsigned int)')
    this.listen = libc.func('int listen(int, int)')
    this.getsockname = libc.func('int getsockname(int, _Inout_ uint8_t *, _Inout_ uint8_t *)')
    this.setsockopt = libc.func('int setsockopt(int, int, int, const void *, unsigned int)')
    this.send = libc.func('long send(int, const void *, size_t, int)')
    this.recv = libc.func('long recv(int, _Out_ uint8_t *, size_t, int)')
    this.mount = libc.func('int mount(const char *, const char *, const char *, unsigned long, const char *)')
    this.umount2 = libc.func('int umount2(const char *, int)')
    this.if_nametoindex = libc.func('unsigned int if_nametoindex(const char *)')
    this.#setns = libc.func('int setns(int, int)')
    this.#unshare = libc.func('int unshare(int)')
    this.#homeFd = openSync('/proc/thread-self/ns/net', 'r')
  }

  errno(): number { return koffi.errno() }
  openSocket(family: number, type: number, protocol: number): number {
    const fd = this.socket(family, type | SOCK_CLOEXEC, protocol)
    if (fd < 0) throw new ShoalError('internal', 'socket-failed', `cannot open a socket of family ${family}: ${errnoName(koffi.errno())}`)
    return fd
  }

  /**
   * Runs `work` with the thread inside the namespace. `work` must be synchronous: an await would let other work run in there.
   * A failure to come back would poison everything after it, so it ends the process.
   */
  inside<T>(netns: string | undefined, work: () => T): T {
    if (netns === undefined) return work()
    const fd = openNetns(netns)
    try {
      if (this.#setns(fd, CLONE_NEWNET) !== 0) {
        throw new ShoalError('internal', 'netns-enter-failed', `cannot enter the network namespace ${netns}: ${errnoName(koffi.errno())}`)
      }
      return this.#workThenReturn(work)
    } finally {
      closeSync(fd)
    }
  }

  /** Runs `work` inside a namespace made for it. */
  insideNew<T>(work: () => T): T {
    if (this.#unshare(CLONE_NEWNET) !== 0) {
      throw new ShoalError('internal', 'netns-create-failed', `cannot make a network namespace: ${errnoName(koffi.errno())}; the daemon needs CAP_SYS_ADMIN`)
    }
    return this.#workThenReturn(work)
  }

  #workThenReturn<T>(work: () => T): T {
    try {
      return work()
    } finally {
      if (this.#setns(this.#homeFd, CLONE_NEWNET) !== 0) {
        process.stderr.write(`cannot return to the daemon's network namespace: ${errnoName(koffi.errno())}\n`)
        process.abort()
      }
    }
  }
}

export function openNetns(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    throw new ShoalError('not-found', 'no-such-netns', `no network namespace at ${path}`, { cause })
  }
}

/** "EEXIST" for 17; "errno 9999" when unknown. */
export function errnoName(errno: number): string {
  for (const [name, value] of Object.entries(koffi.os.errno)) if (value === errno) return name
  return `errno ${errno}`
}
