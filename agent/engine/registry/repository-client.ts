import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { ACCEPTED_MANIFESTS, MANIFEST_BYTES_MAX } from './manifest.ts'
import { RegistryRefusal } from './registry-error.ts'
import { discard, readBody, type RegistryReply, type RegistrySession } from './registry-session.ts'

const TAG_PAGES_MAX = 1000
const TAG_PAGE_BYTES_MAX = 4 * 1024 * 1024

export interface FetchedManifest { readonly bytes: Buffer; readonly mediaType: string; readonly digest: string }
/** A blob's bytes from `startByte` on, which is 0 when the registry does not do ranges. */
export interface FetchedBlob { readonly startByte: number; readonly body: Readable }
/** An upload that was begun; `offset` bytes of it are there. */
export interface Upload { readonly location: string; readonly offset: number }

/** One repository of a registry: the calls of the OCI distribution specification, one method each. */
export class RepositoryClient {
  readonly #session: RegistrySession
  /** "library/busybox" */
  readonly path: string
  readonly #actions: 'pull' | 'pull,push'

  constructor(session: RegistrySession, path: string, actions: 'pull' | 'pull,push' = 'pull') {
    this.#session = session
    this.path = path
    this.#actions = actions
  }

  /** By tag or digest. @throws RegistryRefusal with MANIFEST_UNKNOWN, or when what comes has another digest */
  async manifest(reference: string, signal?: AbortSignal): Promise<FetchedManifest> {
    const reply = await this.#call('GET', `manifests/${reference}`, { headers: { accept: ACCEPTED_MANIFESTS }, signal })
    const bytes = await readBody(reply, MANIFEST_BYTES_MAX)
    const digest = digestOf(bytes)
    if (reference.includes(':') && reference !== digest) throw new RegistryRefusal(reply.status, 'DIGEST_INVALID', `manifest verification failed for digest ${reference}`)
    return { bytes, digest, mediaType: mediaTypeOf(reply) }
  }

  /** The digest that a tag has now; undefined when the registry does not say. */
  async manifestDigest(reference: string, signal?: AbortSignal): Promise<string | undefined> {
    const reply = await this.#call('HEAD', `manifests/${reference}`, { headers: { accept: ACCEPTED_MANIFESTS }, signal })
    await discard(reply)
    const digest = reply.headers.get('docker-content-digest')
    return digest !== undefined && /^sha256:[0-9a-f]{64}$/.test(digest) ? digest : undefined
  }

  async blob(digest: string, fromByte: number, signal?: AbortSignal): Promise<FetchedBlob> {
    const reply = await this.#call('GET', `blobs/${digest}`, { headers: { 'accept-encoding': 'identity', ...(fromByte > 0 ? { range: `bytes=${fromByte}-` } : {}) }, signal })
    const start = reply.status === 206 ? /^bytes (\d+)-/.exec(reply.headers.get('content-range') ?? '')?.[1] : undefined
    return { startByte: Number(start ?? 0), body: reply.body }
  }

  /** All of a small blob, its digest checked. */
  async smallBlob(digest: string, bytesMax: number, signal?: AbortSignal): Promise<Buffer> {
    const bytes = await readBody(await this.#call('GET', `blobs/${digest}`, { headers: { 'accept-encoding': 'identity' }, signal }), bytesMax)
    if (digestOf(bytes) !== digest) throw new RegistryRefusal(200, 'DIGEST_INVALID', `image config verification failed for digest ${digest}`)
    return bytes
  }

  async hasBlob(digest: string, signal?: AbortSignal): Promise<boolean> {
    try {
      await discard(await this.#call('HEAD', `blobs/${digest}`, { signal }))
      return true
    } catch (error) {
      if (error instanceof RegistryRefusal && error.status === 404) return false
      throw error
    }
  }

  async tags(signal?: AbortSignal): Promise<readonly string[]> {
    const tags: string[] = []
    let next: string | undefined = 'tags/list'
    for (let page = 0; next !== undefined && page < TAG_PAGES_MAX; page++) {
      const reply = await this.#call('GET', next, { signal })
      const { tags: some } = JSON.parse((await readBody(reply, TAG_PAGE_BYTES_MAX)).toString()) as { tags?: unknown }
      if (Array.isArray(some)) tags.push(...some.filter((tag): tag is string => typeof tag === 'string'))
      const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec(reply.headers.get('link') ?? '')?.[1]
      next = link === undefined ? undefined : new URL(link, reply.url).href
    }
    return tags
  }

  /** Takes a blob over from another repository of this registry; otherwise an upload is begun. */
  async mountOrBegin(digest: string, fromPath: string, signal?: AbortSignal): Promise<Upload | 'mounted'> {
    const query = new URLSearchParams({ mount: digest, from: fromPath }).toString()
    const reply = await this.#call('POST', `blobs/uploads/?${query}`, { signal, scopes: [`repository:${fromPath}:pull`], headers: { 'content-length': '0' } })
    await discard(reply)
    return reply.status === 201 ? 'mounted' : uploadOf(reply)
  }

  async beginUpload(signal?: AbortSignal): Promise<Upload> {
    const reply = await this.#call('POST', 'blobs/uploads/', { signal, headers: { 'content-length': '0' } })
    await discard(reply)
    return uploadOf(reply)
  }

  /** Sends bytes from `upload.offset` on. */
  async sendChunk(upload: Upload, bytes: () => Readable | Uint8Array, length: number, signal?: AbortSignal): Promise<Upload> {
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(length), 'content-range': `${upload.offset}-${upload.offset + length - 1}` }
    const reply = await this.#call('PATCH', upload.location, { signal, body: bytes, headers })
    await discard(reply)
    return uploadOf(reply)
  }

  /** How much of an upload that broke off has arrived. */
  async uploadStatus(upload: Upload, signal?: AbortSignal): Promise<Upload> {
    const reply = await this.#call('GET', upload.location, { signal })
    await discard(reply)
    return { ...upload, ...uploadOf(reply, upload.location) }
  }

  async finishUpload(upload: Upload, digest: string, signal?: AbortSignal): Promise<void> {
    const url = new URL(upload.location)
    url.searchParams.set('digest', digest)
    await discard(await this.#call('PUT', url.href, { signal, headers: { 'content-length': '0' } }))
  }

  /** @returns the digest the registry stored it under */
  async putManifest(reference: string, bytes: Uint8Array, mediaType: string, signal?: AbortSignal): Promise<string> {
    const reply = await this.#call('PUT', `manifests/${reference}`, { signal, body: () => bytes, headers: { 'content-type': mediaType, 'content-length': String(bytes.length) } })
    await discard(reply)
    return reply.headers.get('docker-content-digest') ?? digestOf(bytes)
  }

  /** `what` is below this repository, unless it is a whole URL. */
  async #call(method: string, what: string, { scopes = [], ...call }: { readonly headers?: Readonly<Record<string, string>>; readonly body?: () => Readable | Uint8Array; readonly signal?: AbortSignal; readonly scopes?: readonly string[] }): Promise<RegistryReply> {
    const path = /^https?:\/\//.test(what) ? what : `/v2/${this.path}/${what}`
    return this.#session.call(method, path, { ...call, scopes: [`repository:${this.path}:${this.#actions}`, ...scopes] })
  }
}

export function digestOf(bytes: Uint8Array): string { return `sha256:${createHash('sha256').update(bytes).digest('hex')}` }

function mediaTypeOf(reply: RegistryReply): string { return (reply.headers.get('content-type') ?? '').split(';')[0]?.trim() ?? '' }

function uploadOf(reply: RegistryReply, fallback = reply.url): Upload {
  const last = /^(?:bytes=)?0-(\d+)$/.exec(reply.headers.get('range') ?? '')?.[1]
  // An upload without a byte says 0-0, as one with a single byte does: the caller sends that byte again, and the digest tells.
  const offset = last === undefined || last === '0' ? 0 : Number(last) + 1
  return { location: new URL(reply.headers.get('location') ?? fallback, reply.url).href, offset }
}
