import { STATUS_CODES } from 'node:http'
import { isIP } from 'node:net'
import type { Readable } from 'node:stream'
import type { Clock } from '../../../src/base/clock.ts'
import { splitRepository } from '../image/image-reference.ts'
import type { NameLookup } from './name-lookup.ts'
import type { RegistryConfig, RegistryCredentials } from './registry-config.ts'
import { endpointsOf, HUB_DOMAIN, HUB_URL, type RegistryEndpoint } from './registry-endpoints.ts'
import { RegistryRefusal, RegistryUnreachable } from './registry-error.ts'
import { RegistrySession, smallText, type RegistryReplyText } from './registry-session.ts'
import { registryTls } from './registry-tls.ts'

export interface RegistriesOptions {
  readonly config: () => RegistryConfig
  readonly lookup: NameLookup
  readonly clock: Clock
}

/** Finds the place that answers for a domain, among mirrors, TLS and plain HTTP. */
export class Registries {
  readonly #options: RegistriesOptions

  constructor(options: RegistriesOptions) { this.#options = options }

  get config(): RegistryConfig { return this.#options.config() }

  /**
   * Does the work with the first endpoint that can do it. A mirror may fail in any way; else only an endpoint that gives no answer at all is passed over.
   * @throws what the last endpoint threw
   */
  async at<T>(domain: string, credentials: RegistryCredentials, use: { readonly mirrors: boolean; readonly signal?: AbortSignal | undefined }, work: (session: RegistrySession) => Promise<T>): Promise<T> {
    const endpoints = (await endpointsOf(domain, this.config, this.#options.lookup, use.signal)).filter(({ isMirror }) => use.mirrors || !isMirror)
    for (const [at, endpoint] of endpoints.entries()) {
      const attempt = { hasAnswered: false }
      try {
        return await this.#try(endpoint, credentials, attempt, use.signal, work)
      } catch (error) {
        use.signal?.throwIfAborted()
        const mayBeElsewhere = endpoint.isMirror || (!attempt.hasAnswered && error instanceof RegistryUnreachable)
        if (!mayBeElsewhere || at === endpoints.length - 1) throw error
      }
    }
    throw new RegistryUnreachable(`no endpoint for ${domain}`)
  }

  /** As at(), for a repository "docker.io/library/busybox". */
  async atRepository<T>(repository: string, credentials: RegistryCredentials, use: { readonly mirrors: boolean; readonly signal?: AbortSignal | undefined }, work: (session: RegistrySession, path: string) => Promise<T>): Promise<T> {
    const { domain, path } = splitRepository(repository)
    return this.at(domain, credentials, use, session => work(session, path))
  }

  /** A mirror does not get the credentials for the Hub. */
  async #try<T>(endpoint: RegistryEndpoint, credentials: RegistryCredentials, attempt: { hasAnswered: boolean }, signal: AbortSignal | undefined, work: (session: RegistrySession) => Promise<T>): Promise<T> {
    await using session = await this.#open(endpoint, endpoint.isMirror ? {} : credentials)
    await session.ping(signal)
    attempt.hasAnswered = true
    return await work(session)
  }

  /** The body of a GET that is no part of the registry protocol: the first of the URLs that answers at all. @throws RegistryRefusal, RegistryUnreachable */
  async get(urls: readonly URL[], options: { readonly headers: Readonly<Record<string, string>>; readonly isInsecure: boolean; readonly signal?: AbortSignal | undefined }): Promise<RegistryReplyText> {
    for (const [at, url] of urls.entries()) {
      await using session = await this.#open({ url: url.origin, isMirror: false, isInsecure: options.isInsecure }, {})
      try {
        return await session.text(url.href, options.headers, options.signal)
      } catch (error) {
        options.signal?.throwIfAborted()
        if (at === urls.length - 1 || !(error instanceof RegistryUnreachable)) throw error
      }
    }
    throw new RegistryUnreachable('there is nothing to ask')
  }

  /** As get(), but the body as it comes; `use` reads it. */
  async download<T>(url: URL, signal: AbortSignal, use: (body: Readable, totalBytes: number) => Promise<T>): Promise<T> {
    await using session = await this.#open({ url: url.origin, isMirror: false, isInsecure: false }, {})
    const reply = await session.raw(url.href, signal)
    if (reply.status >= 400) throw new RegistryRefusal(reply.status, '', `failed to GET ${url.href} with status ${reply.status} ${STATUS_CODES[reply.status] ?? ''}: ${(await smallText(reply)).trim()}`)
    return await use(reply.body, Number(reply.headers.get('content-length') ?? 0))
  }

  /** Whether any host that may have the repository has an address, as far as is known in time. Behind a proxy it is the proxy that asks for it. */
  async isNameKnown(repository: string, limitMs: number, signal?: AbortSignal): Promise<boolean> {
    const { mirrors, proxies } = this.config
    if (proxies?.http !== undefined || proxies?.https !== undefined) return true
    const { domain } = splitRepository(repository)
    const hosts = (domain === HUB_DOMAIN ? [...mirrors, HUB_URL] : [`https://${domain}`]).map(url => new URL(url).hostname.replace(/^\[|\]$/g, ''))
    if (hosts.some(host => isIP(host) !== 0)) return true
    const limit = new AbortController()
    const timer = this.#options.clock.after(limitMs, () => { limit.abort(new RegistryUnreachable('no name server answered in time')) })
    const stop = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal])
    try {
      for (const host of hosts) if ((await this.#options.lookup.addresses(host, stop)).length > 0) return true
    } catch (error) {
      if (signal?.aborted === true || !limit.signal.aborted) throw error
    } finally {
      timer.cancel()
    }
    return false
  }

  async endpoints(domain: string, signal?: AbortSignal): Promise<readonly RegistryEndpoint[]> { return endpointsOf(domain, this.config, this.#options.lookup, signal) }

  async #open(endpoint: RegistryEndpoint, credentials: RegistryCredentials): Promise<RegistrySession> {
    const { lookup, clock } = this.#options
    const tls = await registryTls(new URL(endpoint.url).host, this.config.certificateFolders)
    return new RegistrySession({ endpoint, credentials, tls, lookup, proxies: this.config.proxies, monotonicMs: () => clock.monotonicMs() })
  }
}
