import { spawn } from 'node:child_process'
import { closeSync, readFileSync } from 'node:fs'
import { connect, Socket } from 'node:net'
import { Readable, type Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ShoalError } from '../../../src/base/errors.ts'
import type { KernelProcesses, RunResult, SpawnedMonitor } from '../kernel.ts'
import { errnoError, type Libc } from './libc.ts'

const AF_UNIX = 1
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000
const WNOHANG = 1
/** A monitor ends within milliseconds of its container; one that was let go may live on for years. */
const REAP_FIRST_MS = 5
const REAP_MAX_MS = 5000
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export class LinuxProcesses implements KernelProcesses {
  readonly #libc: Libc

  constructor(libc: Libc) { this.#libc = libc }

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

  async run(argv: readonly string[], options: { readonly input?: AsyncIterable<Uint8Array>; readonly signal?: AbortSignal; readonly cwd?: string } = {}): Promise<RunResult> {
    const [command = '', ...args] = argv
    const child = spawn(command, args, { stdio: 'pipe', env: { PATH: PATH.slice(5) }, cwd: options.cwd, signal: options.signal })
    const [code, stdout, stderr] = await Promise.all([
      exitCode(child, command), collect(child.stdout), collect(child.stderr),
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
      return undefined
    }
  }

  #socketPair(): readonly [number, number] {
    const pair = new Int32Array(2)
    if (this.#libc.socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair) !== 0) throw errnoError('resource-exhausted', 'spawn-failed', 'cannot make a socket pair', this.#libc.errno())
    const [ours = -1, theirs = -1] = pair
    return [ours, theirs]
  }
}

function exitCode(child: ReturnType<typeof spawn>, command: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', error => reject(new ShoalError('failed-precondition', 'spawn-failed', `cannot run ${command}: ${error.message}; is it installed?`, { cause: error })))
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 137)))
  })
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
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
