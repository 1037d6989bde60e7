import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, run, type Output } from './lab.ts'

/** user:secret, made with `htpasswd -Bbn`. */
const HTPASSWD = 'user:$2y$05$R38SMU41p8GUqTQLoEfCju8GBop6Ujl4MIWniLq8AXiUZtrJZ066K\n'

/** Hosts of deploy/lab. */
export interface LabHosts { readonly name: string; readonly folder: string; readonly script: string; lab(...args: readonly string[]): Promise<Output> }

export interface DebianRegistryOptions {
  readonly address: string
  readonly port: number
  /** With a certificate of an authority of its own, `folder`/ca.crt. */
  readonly tls?: boolean
  /** Only for user "user" with password "secret". */
  readonly auth?: boolean
}

/** True where Debian's registry and skopeo are installed (deploy/setup/install.sh test). */
export function hasRegistry(): boolean { return existsSync('/usr/bin/docker-registry') && existsSync('/usr/bin/skopeo') }

/** Debian's docker-registry on a host of the lab. Disposing ends it; its files go with the lab. */
export class DebianRegistry implements AsyncDisposable {
  readonly folder: string
  readonly #process: ChildProcess

  private constructor(folder: string, child: ChildProcess) {
    this.folder = folder
    this.#process = child
  }

  static async start(lab: LabHosts, host: number, options: DebianRegistryOptions): Promise<DebianRegistry> {
    const folder = join(lab.folder, `registry-${options.port}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'htpasswd'), HTPASSWD)
    if (options.tls === true) await makeCertificates(folder, options.address)
    const config = join(folder, 'config.yml')
    writeFileSync(config, JSON.stringify({
      version: '0.1', log: { level: 'warn' }, storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
      http: { addr: `${options.address}:${options.port}`, secret: 'test', ...(options.tls === true ? { tls: { certificate: join(folder, 'server.crt'), key: join(folder, 'server.key') } } : {}) },
      ...(options.auth === true ? { auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } } } : {}),
    }))
    const child = spawn('bash', [lab.script, 'exec', String(host), 'docker-registry', 'serve', config], { env: { ...process.env, LAB: lab.name }, stdio: 'ignore' })
    const registry = new DebianRegistry(folder, child)
    const url = `${options.tls === true ? 'https' : 'http'}://${options.address}:${options.port}/v2/`
    await eventually(`the registry at ${url} answers`, 20_000, async () => ((await lab.lab('exec', String(host), 'curl', '-sko', '/dev/null', url)).status === 0 ? true : undefined))
    return registry
  }

  /** The file that holds a blob. */
  blobPath(digest: string): string {
    const hex = digest.replace('sha256:', '')
    return join(this.folder, 'data/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
  }

  /** Layers of an image, by its tag. */
  async layers(repository: string, tag: string): Promise<readonly string[]> {
    const digest = readFileSync(join(this.folder, 'data/docker/registry/v2/repositories', repository, '_manifests/tags', tag, 'current/link'), 'utf8')
    return (JSON.parse(readFileSync(this.blobPath(digest), 'utf8')) as { layers: readonly { digest: string }[] }).layers.map(layer => layer.digest)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise<void>(resolve => { this.#process.once('exit', () => resolve()) })
    if (this.#process.exitCode !== null || !this.#process.kill('SIGTERM')) return
    await ended
  }
}

async function makeCertificates(folder: string, address: string): Promise<void> {
  writeFileSync(join(folder, 'extensions'), `subjectAltName=IP:${address}\n`)
  const file = (name: string): string => join(folder, name)
  const steps = [
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test authority', '-keyout', file('ca.key'), '-out', file('ca.crt')],
    ['req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${address}`, '-keyout', file('server.key'), '-out', file('server.csr')],
    ['x509', '-req', '-in', file('server.csr'), '-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', file('extensions'), '-out', file('server.crt')],
  ]
  for (const step of steps) {
    const { status, stderr } = await run('openssl', step)
    if (status !== 0) throw new Error(`openssl ${step[0] ?? ''}: ${stderr}`)
  }
}
