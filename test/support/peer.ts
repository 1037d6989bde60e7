import { spawn } from 'node:child_process'
import { existsSync, openSync, readFileSync } from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, run, type Output } from './lab.ts'

const START_MS = 60_000

/** Debian's real dockerd (package docker.io) on one host of deploy/lab: the oracle for what Shoal should answer. Dispose removes every trace. */
export class Peer implements AsyncDisposable {
  readonly name: string
  readonly folder: string
  readonly #configFolder = mkdtempSync(join(tmpdir(), 'docker-config-'))
  readonly script = join(process.cwd(), 'deploy/lab/lab.sh')

  private constructor(name: string) {
    this.name = name
    this.folder = `/var/lib/${name}-lab`
  }

  /** One host with dockerd and the image busybox:latest. @throws when dockerd is not installed (deploy/setup/install.sh peer) or does not answer */
  static async up(name: string): Promise<Peer> {
    const peer = new Peer(name)
    try {
      await peer.lab('down')
      await peer.#must(['up', '1'])
      await peer.#startDaemon()
      await peer.#importBusybox()
      return peer
    } catch (error) {
      await peer[Symbol.asyncDispose]()
      throw error
    }
  }

  get socket(): string { return join(this.folder, 'h1', 'docker.sock') }

  /** lab.sh for its host. */
  async lab(...args: readonly string[]): Promise<Output> { return run('bash', [this.script, ...args], { env: { LAB: this.name } }) }

  /** The stock CLI against the real dockerd. */
  async docker(args: readonly string[], input?: string): Promise<Output> {
    return run('docker', args, { ...(input === undefined ? {} : { input }), env: { DOCKER_HOST: `unix://${this.socket}`, DOCKER_CONFIG: this.#configFolder, DOCKER_CLI_HINTS: 'false' } })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopDaemon()
    await this.lab('down')
    rmSync(this.#configFolder, { recursive: true, force: true })
  }

  async #startDaemon(): Promise<void> {
    const dir = join(this.folder, 'h1')
    const log = openSync(join(dir, 'docker.log'), 'a')
    spawn('bash', [this.script, 'exec', '1', 'dockerd', '--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec'), '--pidfile', join(dir, 'docker.pid'), '-H', `unix://${this.socket}`,
      '--exec-opt', 'native.cgroupdriver=cgroupfs', '--cgroup-parent', `/${this.name}-lab/h1`],
    { env: { ...process.env, LAB: this.name }, stdio: ['ignore', log, log], detached: true }).unref()
    await eventually('dockerd answers', START_MS, async () => ((await run('curl', ['-sf', '--unix-socket', this.socket, 'http://d/_ping'])).status === 0 ? true : undefined))
      .catch((error: unknown) => { throw new Error(`dockerd did not start: ${readFileSync(join(dir, 'docker.log'), 'utf8').split('\n').slice(-5).join('\n')}`, { cause: error }) })
  }

  async #stopDaemon(): Promise<void> {
    const path = join(this.folder, 'h1', 'docker.pid')
    if (!existsSync(path)) return
    const pid = Number(readFileSync(path, 'utf8'))
    const alive = (): boolean => existsSync(`/proc/${pid}`)
    if (alive()) process.kill(pid, 'SIGTERM')
    await eventually('dockerd ends', 20_000, async () => (alive() ? undefined : true)).catch(() => { if (alive()) process.kill(pid, 'SIGKILL') })
  }

  async #importBusybox(): Promise<void> {
    const tar = join(this.folder, 'busybox.tar')
    const made = await run('bash', ['deploy/examples/image.sh', tar])
    if (made.status !== 0) throw new Error(made.stderr)
    const imported = await this.docker(['import', '-c', 'CMD ["sh"]', tar, 'busybox:latest'])
    if (imported.status !== 0) throw new Error(imported.stderr)
  }

  async #must(args: readonly string[]): Promise<void> {
    const output = await this.lab(...args)
    if (output.status !== 0) throw new Error(`lab ${args.join(' ')}: ${output.stderr}`)
  }
}
