import type { Clock } from '../../../src/base/clock.ts'
import { splitRepository } from '../image/image-reference.ts'
import type { NameLookup } from './name-lookup.ts'
import type { RegistryConfig, RegistryCredentials } from './registry-config.ts'
import { endpointsOf, type RegistryEndpoint } from './registry-endpoints.ts'
import { RegistryUnreachable } from './registry-error.ts'
import { RegistrySession } from './registry-session.ts'
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
    const { lookup, clock } = this.#options
    const tls = await registryTls(new URL(endpoint.url).host, this.config.certificateFolders)
    await using session = new RegistrySession({ endpoint, credentials: endpoint.isMirror ? {} : credentials, tls, lookup, proxies: this.config.proxies, monotonicMs: () => clock.monotonicMs() })
    await session.ping(signal)
    attempt.hasAnswered = true
    return await work(session)
  }
}
