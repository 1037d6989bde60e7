import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ShoalError, type ErrorKind } from '../../src/base/errors.ts'
import type { ContainerSandbox, NetworkedContainer } from '../../agent/engine/network/container-networks.ts'

/** For what takes milliseconds on an idle machine. */
const SOON_MS = 20_000

export function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 })
}

interface Answer { readonly result?: unknown; readonly error?: { readonly message: string; readonly code: string; readonly kind: ErrorKind; readonly stack: string } }

/** A machine of a network test: a named namespace with a networking daemon in it. Dispose it to remove all. */
export class NetworkHost implements AsyncDisposable {
  readonly netns: string
  readonly folder = mkdtempSync(join(tmpdir(), 'shoal-network-'))
  readonly #options: object
  readonly #processes = new Set<ChildProcess>()
  #daemon: ChildProcess | undefined
  #nextId = 1
  readonly #waiting = new Map<number, (answer: Answer) => void>()

  constructor(name: string, options: object = {}) {
    this.netns = `network-${name}-${process.pid}`
    this.#options = options
    run('ip', 'netns', 'add', this.netns)
    run('ip', '-n', this.netns, 'link', 'set', 'lo', 'up')
  }

  async start(): Promise<void> {
    const main = new URL('./network-host-main.js', import.meta.url).pathname
    this.#daemon = spawn('nsenter', [`--net=/run/netns/${this.netns}`, process.execPath, main, join(this.folder, 'run'), join(this.folder, 'data'), JSON.stringify(this.#options)], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ready = new Promise<void>((resolve, reject) => {
      this.#waiting.set(0, () => resolve())
      this.#daemon?.once('exit', () => reject(new Error('the daemon ended')))
    })
    createInterface({ input: this.#daemon.stdout as NodeJS.ReadableStream }).on('line', line => {
      const answer = JSON.parse(line) as Answer & { id: number }
      this.#waiting.get(answer.id)?.(answer)
      this.#waiting.delete(answer.id)
    })
    await ready
  }

  /** As a crash would. */
  async killDaemon(): Promise<void> {
    const daemon = this.#daemon
    if (daemon === undefined) return
    await new Promise<void>(resolve => { daemon.once('exit', () => resolve()); daemon.kill('SIGKILL') })
    this.#daemon = undefined
  }

  async call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    const id = this.#nextId++
    const answer = new Promise<Answer>(resolve => this.#waiting.set(id, resolve))
    this.#daemon?.stdin?.write(`${JSON.stringify({ id, method, args })}\n`)
    const { result, error } = await answer
    if (error !== undefined) throw Object.assign(new ShoalError(error.kind ?? 'internal', error.code ?? 'thrown', error.message), { remote: error.stack })
    return result as T
  }

  async attach(container: NetworkedContainer): Promise<ContainerSandbox> {
    await this.call('container', container, true)
    return await this.call<ContainerSandbox>('attach', container)
  }

  /** Runs a command in the host's namespace and returns its output. */
  exec(...command: readonly string[]): string { return run('ip', 'netns', 'exec', this.netns, ...command) }

  /** A program that runs until the test ends. */
  serve(sandbox: ContainerSandbox | undefined, ...command: readonly string[]): ChildProcess {
    return this.#spawn(sandbox?.netnsPath ?? `/run/netns/${this.netns}`, command)
  }

  /** As serve(), in another named namespace. */
  serveIn(netns: string, ...command: readonly string[]): ChildProcess { return this.#spawn(`/run/netns/${netns}`, command) }

  #spawn(netnsPath: string, command: readonly string[]): ChildProcess {
    const child = spawn('nsenter', [`--net=${netnsPath}`, ...command], { stdio: 'ignore' })
    this.#processes.add(child)
    return child
  }

  /** As serve(), with its output. */
  serveText(sandbox: ContainerSandbox, ...command: readonly string[]): { text(): string; until(pattern: RegExp, from?: number): Promise<void> } {
    const child = spawn('nsenter', [`--net=${sandbox.netnsPath ?? ''}`, ...command], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#processes.add(child)
    let text = ''
    child.stdout.on('data', (bytes: Buffer) => { text += String(bytes) })
    return {
      text: () => text,
      until: async (pattern, from = 0) => {
        for (const endMs = performance.now() + SOON_MS; !pattern.test(text.slice(from));) {
          if (performance.now() > endMs) throw new Error(`never saw ${String(pattern)} in: ${text.slice(-500)}`)
          await new Promise(resolve => setTimeout(resolve, 100))
        }
      },
    }
  }

  links(): string[] { return this.exec('ip', '-o', 'link').trim().split('\n').map(line => (line.split(': ')[1] ?? '').replace(/@.*/, '')) }
  rules(): string { return this.exec('nft', 'list', 'ruleset') }
  namespaces(): string[] { return readdirSync(join(this.folder, 'run', 'netns')) }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes) child.kill('SIGKILL')
    await this.killDaemon()
    try {
      for (const name of this.namespaces()) run('umount', '-l', join(this.folder, 'run', 'netns', name))
    } catch (error) {
      process.stderr.write(`${String(error)}\n`)
    }
    run('ip', 'netns', 'del', this.netns)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Runs a command inside a container's namespace. Throws when it fails. */
export function inside(sandbox: ContainerSandbox, ...command: readonly string[]): string {
  return run('nsenter', `--net=${sandbox.netnsPath ?? ''}`, ...command)
}

export function aContainer(name: string, overrides: Partial<NetworkedContainer> = {}): NetworkedContainer {
  const id = Buffer.from(`${name}................................`).toString('hex').slice(0, 64)
  return {
    id, name, hostname: name, domainname: '', mode: 'default', endpoints: {}, portBindings: {}, exposedPorts: [], publishAllPorts: false,
    dns: [], dnsSearch: [], dnsOptions: [], extraHosts: [], links: [], sysctls: {}, ...overrides,
  }
}

/** Tries until it holds: servers need a moment to listen. */
export async function eventually<T>(work: () => T): Promise<T> {
  const endMs = performance.now() + SOON_MS
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (performance.now() > endMs) throw error
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
}
