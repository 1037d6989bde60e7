import { spawn } from 'node:child_process'
import { accessSync, closeSync, constants, fstatSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, Socket } from 'node:net'
import { join } from 'node:path'
import { Readable, type Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ShoalError } from '../../../src/base/errors.ts'
import type { DatagramSender, HeldPath, KernelProcesses, RunOptions, RunResult, SpawnedMonitor } from '../kernel.ts'
import { connectDatagram } from './datagram-sender.ts'
import { errnoError, type Libc } from './libc.ts'

const AF_UNIX = 1
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000
const WNOHANG = 1
/** A monitor ends within milliseconds of its container; one that was let go may live on for years. */
const REAP_FIRST_MS = 5
const REAP_MAX_MS = 5000
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const PATH = `PATH=${FOLDERS.join(':')}`
/** memfd_create(2): closed in whatever we start, and sealable; 0x10: executable whatever vm.memfd_noexec says (since Linux 6.3). */
const MFD_CLOEXEC_SEALABLE = 0x1 | 0x2
const MFD_EXEC = 0x10
/** fcntl(2) F_ADD_SEALS with F_SEAL_SEAL, _SHRINK, _GROW and _WRITE. */
const F_ADD_SEALS = 1033
const ALL_SEALS = 0xf
/** ioctl_ns(2) */
const NS_GET_USERNS = 0xb701

export class LinuxProcesses implements KernelProcesses {
  readonly #libc: Libc

  constructor(libc: Libc) { this.#libc = libc }

  sealProgram(name: string): string {
    const path = FOLDERS.map(folder => join(folder, name)).find(isProgram)
    if (path === undefined) throw new ShoalError('failed-precondition', 'spawn-failed', `cannot find the program ${name} in ${FOLDERS.join(', ')}; is it installed?`)
    const executable = this.#libc.memfdCreate(name, MFD_CLOEXEC_SEALABLE | MFD_EXEC)
    const fd = executable >= 0 ? executable : this.#libc.memfdCreate(name, MFD_CLOEXEC_SEALABLE)
    if (fd < 0) throw errnoError('resource-exhausted', 'spawn-failed', `cannot copy ${path} into memory`, this.#libc.errno())
    writeFileSync(fd, readFileSync(path))
    if (this.#libc.fcntl(fd, F_ADD_SEALS, ALL_SEALS) !== 0) throw errnoError('internal', 'spawn-failed', `cannot seal the copy of ${path}`, this.#libc.errno())
    return `/proc/${process.pid}/fd/${fd}`
  }

  spawnMonitor(argv: readonly string[], options: { readonly stderrPath: string; readonly withClient?: boolean }): SpawnedMonitor {
    const pairs: (readonly [number, number])[] = []
    let pid: number
    try {
      for (let at = 0; at < (options.withClient === true ? 2 : 1); at++) pairs.push(this.#socketPair())
      pid = this.#libc.spawn(argv, [PATH], { stderrPath: options.stderrPath, fds: pairs.map(([, theirs]) => theirs) })
    } catch (error) {
      for (const [ours] of pairs) closeSync(ours)
      throw error
    } finally {
      for (const [, theirs] of pairs) closeSync(theirs)
    }
    const [control, client] = pairs.map(([ours]) => new Socket({ fd: ours, readable: true, writable: true, allowHalfOpen: false })) as [Socket, Socket?]
    control.once('close', () => this.#reap(pid, REAP_FIRST_MS))
    return { pid, control, ...(client === undefined ? {} : { client }) }
  }

  /** Asks instead of waiting: a connection that this side let go says nothing about the monitor's life, and a blocked pool thread would keep a stopping daemon from exiting. */
  #reap(pid: number, delayMs: number): void {
    if (this.#libc.waitpid(pid, null, WNOHANG) !== 0) return
    setTimeout(() => this.#reap(pid, Math.min(2 * delayMs, REAP_MAX_MS)), delayMs).unref()
  }

  async run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const [command = '', ...args] = argv
    const child = spawn(command, args, { stdio: 'pipe', env: { PATH: PATH.slice(5) }, cwd: options.cwd, signal: options.signal })
    const [code, stdout, stderr] = await Promise.all([
      exitCode(child, command), collect(child.stdout, options.onStdout), collect(child.stderr),
      options.input === undefined ? child.stdin.end() : feed(options.input, child.stdin),
    ])
    return { code, stdout, stderr }
  }

  async *filter(argv: readonly string[], input: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const [command = '', ...args] = argv
    const child = spawn(command, args, { stdio: 'pipe', env: { PATH: PATH.slice(5) } })
    const exited = exitCode(child, command)
    exited.catch(() => undefined)
    const stderr = collect(child.stderr)
    const feeding = feed(input, child.stdin)
    feeding.catch(() => undefined)
    try {
      yield* child.stdout as AsyncIterable<Uint8Array>
      await feeding
      if (await exited !== 0) throw new ShoalError('invalid-argument', 'tool-failed', `${command}: ${(await stderr).toString().trim()}`)
    } finally {
      child.kill('SIGKILL')
    }
  }

  connect(path: string): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const socket = connect(path)
      socket.once('error', error => reject(new ShoalError('unavailable', 'connect-failed', `cannot connect to ${path}: ${error.message}`, { cause: error })))
      socket.once('connect', () => { socket.removeAllListeners('error'); resolve(socket) })
    })
  }

  connectDatagram(path: string): DatagramSender | undefined { return connectDatagram(this.#libc, path) }

  userNamespaceOf(netnsPath: string): HeldPath | undefined {
    const netns = openSync(netnsPath, 'r')
    try {
      const fd = this.#libc.ioctl(netns, NS_GET_USERNS)
      if (fd < 0) throw errnoError('internal', 'userns-failed', `cannot tell the user namespace of ${netnsPath}`, this.#libc.errno())
      const close = (): void => closeSync(fd)
      if (fstatSync(fd).ino !== statSync('/proc/self/ns/user').ino) return { path: `/proc/${process.pid}/fd/${fd}`, close }
      close()
      return undefined
    } finally {
      closeSync(netns)
    }
  }

  kill(pid: number, signal: number): boolean {
    try {
      process.kill(pid, signal)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
      throw error
    }
  }

  startTicks(pid: number): number | undefined {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
    } catch {
      return undefined // No such process.
    }
  }

  #socketPair(): readonly [number, number] {
    const pair = new Int32Array(2)
    if (this.#libc.socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair) !== 0) throw errnoError('resource-exhausted', 'spawn-failed', 'cannot make a socket pair', this.#libc.errno())
    const [ours = -1, theirs = -1] = pair
    return [ours, theirs]
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function exitCode(child: ReturnType<typeof spawn>, command: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', error => reject(new ShoalError('failed-precondition', 'spawn-failed', `cannot run ${command}: ${error.message}; is it installed?`, { cause: error })))
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 137)))
  })
}

async function collect(stream: AsyncIterable<Uint8Array>, take?: (chunk: Uint8Array) => void): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) {
    if (take === undefined) chunks.push(chunk)
    else take(chunk)
  }
  return Buffer.concat(chunks)
}

/** A tool that stops reading early has said why by its exit status; an input that fails is the caller's error. */
async function feed(input: AsyncIterable<Uint8Array>, sink: NodeJS.WritableStream): Promise<void> {
  try {
    await pipeline(Readable.from(input, { objectMode: false }), sink)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'EPIPE' && code !== 'ERR_STREAM_PREMATURE_CLOSE' && code !== 'ERR_STREAM_DESTROYED') throw error
  }
}
