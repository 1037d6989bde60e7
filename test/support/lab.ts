import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Output { readonly status: number; readonly stdout: string; readonly stderr: string }

const COMMAND_TIMEOUT_MS = 90_000
/** Of the error that an attempt ended with. */
const LAST_SHOWN = 1000

/** Runs a program to its end; never throws for a non-zero status. */
export async function run(program: string, args: readonly string[], options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string; readonly timeoutMs?: number } = {}): Promise<Output> {
  return new Promise(resolve => {
    const child = execFile(program, [...args], { env: { ...process.env, ...options.env }, timeout: options.timeoutMs ?? COMMAND_TIMEOUT_MS, maxBuffer: 64 * 2 ** 20, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      const code = (error as { code?: unknown } | null)?.code
      resolve({ status: error === null ? 0 : typeof code === 'number' ? code : 255, stdout, stderr: error !== null && typeof code !== 'number' ? `${stderr}\n${error.message}` : stderr })
    })
    child.stdin?.on('error', () => child.stdin?.destroy())
    child.stdin?.end(options.input ?? '')
  })
}

/** Calls `probe` until it returns a value. @throws with `what` and the last error after `timeoutMs` */
export async function eventually<T>(what: string, timeoutMs: number, probe: () => Promise<T | undefined>): Promise<T> {
  const endMs = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value !== undefined) return value
      last = undefined
    } catch (error) {
      last = error
    }
    // What a runner's report says of an error leaves out its cause.
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}${last === undefined ? '' : `; last: ${String(last).slice(0, LAST_SHOWN)}`}`, { cause: last })
    await sleep(100)
  }
}

/**
 * Hosts of deploy/lab for a test, under a name of its own. Dispose takes everything down.
 * `docker` runs the stock CLI against a host, `shoal` ours; both return what was printed.
 */
export class Lab implements AsyncDisposable {
  readonly name: string
  readonly folder: string
  readonly script = join(process.cwd(), 'deploy/lab/lab.sh')
  readonly #configFolder = mkdtempSync(join(tmpdir(), 'docker-config-'))

  private constructor(name: string) {
    this.name = name
    this.folder = `/var/lib/${name}-lab`
  }

  /** Makes `hosts` hosts with a running daemon (of these `flags`) and the image busybox:latest each, and after them idle ones without a daemon. */
  static async up(name: string, hosts: number, options: { readonly images?: boolean; readonly idleHosts?: number; readonly flags?: readonly string[] } = {}): Promise<Lab> {
    const lab = new Lab(name)
    lab.#claim()
    try {
      await lab.lab('down')
      await lab.#must('up', String(hosts + (options.idleHosts ?? 0)))
      writeFileSync(lab.#ownerFile, String(process.pid))
      const all = Array.from({ length: hosts }, (_, i) => i + 1)
      await Promise.all(all.map(async i => lab.start(i, ...options.flags ?? [])))
      if (options.images !== false) await lab.importBusybox(all)
      return lab
    } catch (error) {
      await lab[Symbol.asyncDispose]()
      throw error
    }
  }

  async lab(...args: readonly string[]): Promise<Output> { return run('bash', [this.script, ...args], { env: { LAB: this.name } }) }
  async start(host: number, ...flags: readonly string[]): Promise<void> { await this.#must('start', String(host), ...flags) }
  socket(host: number): string { return join(this.folder, `h${host}`, 'shoal.sock') }
  pid(host: number, what: 'daemon' | 'manager'): number { return Number(readFileSync(join(this.folder, `h${host}`, what === 'daemon' ? 'shoal.pid' : 'exec/manager.pid'), 'utf8')) }
  log(host: number): string { const path = join(this.folder, `h${host}`, 'shoal.log'); return existsSync(path) ? readFileSync(path, 'utf8') : '' }

  async docker(host: number, ...args: readonly string[]): Promise<Output> { return this.dockerWith({}, host, ...args) }
  async dockerWith(options: { readonly input?: string; readonly timeoutMs?: number; readonly program?: string }, host: number, ...args: readonly string[]): Promise<Output> {
    return run(options.program ?? 'docker', args, { ...options, env: { DOCKER_HOST: `unix://${this.socket(host)}`, DOCKER_CONFIG: this.#configFolder, DOCKER_CLI_HINTS: 'false' } })
  }
  /** The stock CLI; a failure of it fails the test. Returns trimmed standard output. */
  async ok(host: number, ...args: readonly string[]): Promise<string> {
    const output = await this.docker(host, ...args)
    if (output.status !== 0) throw new Error(`docker ${args.join(' ')} on h${host}: status ${output.status}\n${output.stdout}${output.stderr}\n--- daemon's log:\n${this.log(host).split('\n').slice(-15).map(line => line.slice(0, 400)).join('\n')}`)
    return output.stdout.trim()
  }
  /** A docker command that goes on until it is killed. */
  spawnDocker(host: number, ...args: readonly string[]): ChildProcess {
    return spawn('docker', [...args], { env: { ...process.env, DOCKER_HOST: `unix://${this.socket(host)}`, DOCKER_CONFIG: this.#configFolder }, stdio: ['ignore', 'pipe', 'pipe'] })
  }
  async shoal(host: number, ...args: readonly string[]): Promise<Output> { return run('deploy/bin/shoal', ['-H', `unix://${this.socket(host)}`, ...args]) }

  /** Fetches from beside the hosts. */
  async fetch(host: number, port: number, path = '/'): Promise<string> {
    const output = await this.lab('client', 'curl', '-sS', '--fail', '--connect-timeout', '3', '--max-time', '10', `http://10.99.0.${host}:${port}${path}`)
    if (output.status !== 0) throw new Error(output.stderr.trim())
    return output.stdout.trim()
  }

  async importBusybox(hosts: readonly number[]): Promise<void> {
    const tar = join(this.folder, 'busybox.tar')
    const made = await run('bash', ['deploy/examples/image.sh', tar])
    if (made.status !== 0) throw new Error(made.stderr)
    await Promise.all(hosts.map(async host => this.ok(host, 'import', '-c', 'CMD ["sh"]', tar, 'busybox:latest')))
  }

  /** Host 1 starts a cluster; the next ones join, `managers` in all as managers. */
  async form(hosts: number, managers: number): Promise<void> {
    await this.ok(1, 'swarm', 'init', '--advertise-addr', '10.99.0.1')
    const [manager, worker] = [await this.ok(1, 'swarm', 'join-token', '-q', 'manager'), await this.ok(1, 'swarm', 'join-token', '-q', 'worker')]
    for (let host = 2; host <= hosts; host++) await this.ok(host, 'swarm', 'join', '--token', host <= managers ? manager : worker, '--advertise-addr', `10.99.0.${host}`, '10.99.0.1:2377')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab('down')
    rmSync(this.#configFolder, { recursive: true, force: true })
  }

  get #ownerFile(): string { return join(this.folder, 'owner') }

  /** What a killed run left is taken down; what another run uses is not. */
  #claim(): void {
    if (!existsSync(this.#ownerFile)) return
    const owner = Number(readFileSync(this.#ownerFile, 'utf8'))
    if (existsSync(`/proc/${owner}`)) throw new Error(`process ${owner} uses the lab ${this.name} right now; run these tests one after the other`)
  }

  async #must(...args: readonly string[]): Promise<void> {
    const output = await this.lab(...args)
    if (output.status !== 0) throw new Error(`lab ${args.join(' ')}: ${output.stderr}`)
  }
}
