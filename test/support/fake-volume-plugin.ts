import { mkdirSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'

interface Request { readonly Name: string; readonly ID?: string; readonly Opts?: Readonly<Record<string, string>> }

/** A volume plugin as the protocol describes it, with its volumes as directories of `folder`. */
export class FakeVolumePlugin implements AsyncDisposable {
  /** "Method Name ID", oldest first. */
  readonly calls: string[] = []
  /** Names of volumes. */
  readonly volumes = new Set<string>()
  /** What is answered instead, by method. */
  readonly errors = new Map<string, string>()
  /** Methods that are never answered. */
  readonly silent = new Set<string>()
  readonly #folder: string
  readonly #server: Server

  private constructor(folder: string) {
    this.#folder = folder
    this.#server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => { body += chunk.toString() })
      request.on('end', () => {
        const method = (request.url ?? '').slice(1)
        const { Name = '', ID = '' } = JSON.parse(body || '{}') as Partial<Request>
        this.calls.push([method.replace('VolumeDriver.', ''), Name, ID].filter(word => word !== '').join(' '))
        if (this.silent.has(method)) return
        const answer = this.errors.has(method) ? { Err: this.errors.get(method) } : this.#answer(method, Name)
        response.writeHead('Err' in answer && answer.Err !== '' ? 500 : 200, { 'content-type': 'application/vnd.docker.plugins.v1.2+json' }).end(JSON.stringify(answer))
      })
    })
  }

  static async listen(socketPath: string, folder: string): Promise<FakeVolumePlugin> {
    const plugin = new FakeVolumePlugin(folder)
    mkdirSync(folder, { recursive: true })
    await new Promise<void>(resolve => plugin.#server.listen(socketPath, resolve))
    return plugin
  }

  path(name: string): string { return join(this.#folder, name) }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #answer(method: string, name: string): object {
    const describe = (volume: string): object => ({ Name: volume, Mountpoint: this.path(volume), CreatedAt: '2024-01-02T03:04:05Z', Status: { Kind: 'fake' } })
    switch (method) {
      case 'Plugin.Activate': return { Implements: ['VolumeDriver'] }
      case 'VolumeDriver.Capabilities': return { Capabilities: { Scope: 'global' } }
      case 'VolumeDriver.Create':
        mkdirSync(this.path(name), { recursive: true })
        this.volumes.add(name)
        return { Err: '' }
      case 'VolumeDriver.Remove':
        rmSync(this.path(name), { recursive: true, force: true })
        this.volumes.delete(name)
        return { Err: '' }
      case 'VolumeDriver.Get': return this.volumes.has(name) ? { Volume: describe(name), Err: '' } : { Err: `no such volume: ${name}` }
      case 'VolumeDriver.List': return { Volumes: [...this.volumes].map(describe), Err: '' }
      case 'VolumeDriver.Mount': case 'VolumeDriver.Path': return { Mountpoint: this.path(name), Err: '' }
      case 'VolumeDriver.Unmount': return { Err: '' }
      default: return { Err: `unknown method ${method}` }
    }
  }
}
