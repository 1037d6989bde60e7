import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface RegistryBehaviour {
  /** By digest: how many GETs of it break off half way. */
  readonly cuts: Map<string, number>
  /** Blob uploads (PATCH) that break off half way. */
  uploadCutsLeft: number
  /** Digests whose content comes with a byte changed. */
  readonly tampered: Set<string>
  /** Answers to any request under /v2/REPOSITORY before it is looked at. */
  failWith: { status: number; code: string; times: number } | undefined
  /** Credentials wanted, by Basic or with a token that is fetched with them. */
  auth: { readonly kind: 'basic' | 'bearer'; readonly username: string; readonly password: string } | undefined
  /** Blobs are given whole even when a range is asked for. */
  ignoresRanges: boolean
}

/** A registry in this process, on loopback: the twin of Debian's docker-registry, which can be made to misbehave. */
export class MemoryRegistry implements AsyncDisposable {
  readonly blobs = new Map<string, Buffer>()
  /** "repository:reference" -> manifest */
  readonly manifests = new Map<string, { readonly bytes: Buffer; readonly mediaType: string }>()
  /** "GET /v2/… bytes=5-" in the order they came. */
  readonly requests: string[] = []
  readonly behaviour: RegistryBehaviour = { cuts: new Map(), uploadCutsLeft: 0, tampered: new Set(), failWith: undefined, auth: undefined, ignoresRanges: false }
  readonly #uploads = new Map<string, Buffer>()
  readonly #server: Server
  #nextUpload = 1

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => { response.destroy(error as Error) })
    })
  }

  static async listen(): Promise<MemoryRegistry> {
    const registry = new MemoryRegistry()
    await new Promise<void>(resolve => { registry.#server.listen(0, '127.0.0.1', resolve) })
    return registry
  }

  get domain(): string { return `127.0.0.1:${(this.#server.address() as AddressInfo).port}` }

  addBlob(bytes: Buffer): { readonly digest: string; readonly size: number } {
    const digest = digestOf(bytes)
    this.blobs.set(digest, bytes)
    return { digest, size: bytes.length }
  }

  /** Under a tag and under its digest. */
  addManifest(repository: string, tag: string, manifest: unknown, mediaType = 'application/vnd.oci.image.manifest.v1+json'): string {
    const bytes = Buffer.from(JSON.stringify(manifest))
    for (const reference of [tag, digestOf(bytes)]) this.manifests.set(`${repository}:${reference}`, { bytes, mediaType })
    return digestOf(bytes)
  }

  /** An image of these layers, which are tars as they are. @returns the manifest's digest */
  addImage(repository: string, tag: string, layers: readonly Buffer[], options: { readonly architecture?: string; readonly diffIds?: readonly string[]; readonly layerType?: string } = {}): string {
    const config = this.addBlob(Buffer.from(JSON.stringify({
      architecture: options.architecture ?? 'amd64', os: 'linux', created: '2024-01-01T00:00:00Z', config: { Cmd: ['sh'] }, rootfs: { type: 'layers', diff_ids: options.diffIds ?? layers.map(digestOf) }, history: layers.map(() => ({ created_by: 'test' })),
    })))
    return this.addManifest(repository, tag, {
      schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: layers.map(layer => ({ mediaType: options.layerType ?? 'application/vnd.oci.image.layer.v1.tar', ...this.addBlob(layer) })),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>(resolve => { this.#server.close(() => resolve()) })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `http://${this.domain}`)
    this.requests.push(`${request.method} ${url.pathname}${request.headers.range === undefined ? '' : ` ${request.headers.range}`}`)
    if (url.pathname === '/token') return this.#token(request, response)
    if (!this.#isWelcome(request, response)) return undefined
    if (url.pathname === '/v2/') return void response.end('{}')
    const { failWith } = this.behaviour
    if (failWith !== undefined && failWith.times-- > 0) return fail(response, failWith.status, failWith.code)
    const [, repository = '', kind, rest = ''] = /^\/v2\/(.+)\/(manifests|blobs|tags)\/(.*)$/.exec(url.pathname) ?? []
    if (kind === 'tags') return void response.end(JSON.stringify({ name: repository, tags: [...this.manifests.keys()].filter(key => key.startsWith(`${repository}:`) && !key.includes('sha256')).map(key => key.slice(repository.length + 1)) }))
    if (kind === 'manifests') return this.#manifest(request, response, repository, rest)
    if (rest.startsWith('uploads/')) return this.#upload(request, response, repository, url)
    return this.#blob(request, response, rest)
  }

  #isWelcome(request: IncomingMessage, response: ServerResponse): boolean {
    const { auth } = this.behaviour
    if (auth === undefined) return true
    const basic = `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`
    if (request.headers.authorization === (auth.kind === 'basic' ? basic : 'Bearer let-me-in')) return true
    response.setHeader('www-authenticate', auth.kind === 'basic' ? 'Basic realm="test"' : `Bearer realm="http://${this.domain}/token",service="test"`)
    fail(response, 401, 'UNAUTHORIZED')
    return false
  }

  #token(request: IncomingMessage, response: ServerResponse): void {
    const { username = '', password = '' } = this.behaviour.auth ?? {}
    if (request.headers.authorization !== `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`) return fail(response, 401, 'UNAUTHORIZED')
    response.end(JSON.stringify({ token: 'let-me-in', expires_in: 300, refresh_token: 'again' }))
    return undefined
  }

  async #manifest(request: IncomingMessage, response: ServerResponse, repository: string, reference: string): Promise<void> {
    if (request.method === 'PUT') {
      const bytes = await bodyOf(request)
      const digest = digestOf(bytes)
      for (const name of [reference, digest]) this.manifests.set(`${repository}:${name}`, { bytes, mediaType: request.headers['content-type'] ?? '' })
      return void response.writeHead(201, { 'docker-content-digest': digest }).end()
    }
    const manifest = this.manifests.get(`${repository}:${reference}`)
    if (manifest === undefined) return fail(response, 404, 'MANIFEST_UNKNOWN')
    const bytes = this.#given(digestOf(manifest.bytes), manifest.bytes)
    return void response.writeHead(200, { 'content-type': manifest.mediaType, 'docker-content-digest': digestOf(manifest.bytes), 'content-length': bytes.length }).end(request.method === 'HEAD' ? undefined : bytes)
  }

  #blob(request: IncomingMessage, response: ServerResponse, digest: string): void {
    const whole = this.blobs.get(digest)
    if (whole === undefined) return fail(response, 404, 'BLOB_UNKNOWN')
    const start = this.behaviour.ignoresRanges ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const bytes = this.#given(digest, whole).subarray(start)
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': bytes.length, ...(start > 0 ? { 'content-range': `bytes ${start}-${whole.length - 1}/${whole.length}` } : {}) })
    if (request.method === 'HEAD') return void response.end()
    const cuts = this.behaviour.cuts.get(digest) ?? 0
    if (cuts > 0) {
      this.behaviour.cuts.set(digest, cuts - 1)
      response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => { response.destroy() })
      return undefined
    }
    return void response.end(bytes)
  }

  async #upload(request: IncomingMessage, response: ServerResponse, repository: string, url: URL): Promise<void> {
    const mount = url.searchParams.get('mount')
    if (request.method === 'POST' && mount !== null && this.blobs.has(mount)) return void response.writeHead(201, { location: `/v2/${repository}/blobs/${mount}` }).end()
    const id = request.method === 'POST' ? String(this.#nextUpload++) : url.pathname.slice(url.pathname.lastIndexOf('/') + 1)
    const had = this.#uploads.get(id) ?? Buffer.alloc(0)
    if (request.method === 'PATCH' && this.behaviour.uploadCutsLeft > 0) return this.#cutUpload(request, id, had)
    const now = Buffer.concat([had, await bodyOf(request)])
    this.#uploads.set(id, now)
    const digest = url.searchParams.get('digest')
    if (request.method === 'PUT') {
      if (digestOf(now) !== digest) return fail(response, 400, 'DIGEST_INVALID')
      this.blobs.set(digest, now)
      return void response.writeHead(201, { 'docker-content-digest': digest }).end()
    }
    return void response.writeHead(request.method === 'GET' ? 204 : 202, { location: `/v2/${repository}/blobs/uploads/${id}`, range: `0-${Math.max(0, now.length - 1)}` }).end()
  }

  async #cutUpload(request: IncomingMessage, id: string, had: Buffer): Promise<void> {
    this.behaviour.uploadCutsLeft--
    const bytes = await bodyOf(request)
    this.#uploads.set(id, Buffer.concat([had, bytes.subarray(0, Math.ceil(bytes.length / 2))]))
    request.socket.destroy()
  }

  #given(digest: string, bytes: Buffer): Buffer {
    if (!this.behaviour.tampered.has(digest)) return bytes
    const changed = Buffer.from(bytes)
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 0xff
    return changed
  }
}

export function digestOf(bytes: Uint8Array): string { return `sha256:${createHash('sha256').update(bytes).digest('hex')}` }

function fail(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] }))
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
