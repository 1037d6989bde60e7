import { STATUS_CODES } from 'node:http'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { parseChallenge, type AuthChallenge } from './auth-challenge.ts'
import type { NameLookup } from './name-lookup.ts'
import type { RegistryConfig, RegistryCredentials } from './registry-config.ts'
import type { RegistryEndpoint } from './registry-endpoints.ts'
import { CredentialsMissing, RegistryRefusal, refusalOf, unreachable } from './registry-error.ts'
import type { RegistryTls } from './registry-tls.ts'

/** dockerd gives a registry as long for its first answer. */
const CONNECT_TIMEOUT_MS = 15_000
/** Silence in the middle of a transfer. */
const SILENCE_TIMEOUT_MS = 60_000
const REDIRECTS_MAX = 10
/** Error texts and tokens. */
const SMALL_BODY_BYTES_MAX = 1024 * 1024
/** Registries may say less; a token is asked for anew before it runs out. */
const TOKEN_LIFE_DEFAULT_S = 60
/** No proxy reaches them. */
const THIS_HOST = ['localhost', '127.0.0.1']
const TOKEN_MARGIN_MS = 10_000
const USER_AGENT = 'shoal docker/28.0.0 (linux)'

export interface SessionOptions {
  readonly endpoint: RegistryEndpoint
  readonly credentials: RegistryCredentials
  readonly tls: RegistryTls
  readonly lookup: NameLookup
  readonly proxies?: RegistryConfig['proxies']
  readonly monotonicMs: () => number
}

export interface RegistryCall {
  /** "repository:library/busybox:pull" and so on; none for /v2/ itself. */
  readonly scopes?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: () => Readable | Uint8Array
  readonly signal?: AbortSignal
}

/** The body must be read or dumped by whoever gets it. */
export interface RegistryReply { readonly status: number; readonly headers: ReadonlyMap<string, string>; readonly body: Dispatcher.ResponseData['body']; /** Where it came from at last. */ readonly url: string }

export interface RegistryReplyText { readonly status: number; readonly text: string }

interface Token { readonly value: string; readonly untilMs: number }

/** A conversation with one endpoint: connections, what it wants to see, tokens. Disposing closes its connections. */
export class RegistrySession implements AsyncDisposable {
  readonly #options: SessionOptions
  /** Loaded at the first request: a daemon that talks to no registry does not pay for it (11 MB). */
  #client: Promise<{ readonly request: typeof import('undici').request; readonly dispatcher: Dispatcher }> | undefined
  readonly #tokens = new Map<string, Token>()
  #challenge: AuthChallenge = { kind: 'none' }

  constructor(options: SessionOptions) { this.#options = options }

  get url(): string { return this.#options.endpoint.url }

  /** Learns what the registry wants to see. @throws RegistryUnreachable, RegistryRefusal */
  async ping(signal?: AbortSignal): Promise<void> {
    const reply = await this.#send('GET', `${this.url}/v2/`, {}, { signal })
    await discard(reply)
    if (reply.status === 401) this.#challenge = parseChallenge(reply.headers.get('www-authenticate'))
    else if (reply.status >= 500) throw refusalOf(reply.status, '', '')
  }

  /** `/v2/` with the credentials, as a login does. @throws RegistryUnreachable, RegistryRefusal */
  async verify(signal?: AbortSignal): Promise<{ readonly identityToken: string }> {
    await this.ping(signal)
    let identityToken = ''
    if (this.#challenge.kind === 'bearer') {
      const { token, refresh = '' } = await this.#fetchToken(this.#challenge, [], signal)
      this.#tokens.set('', token)
      identityToken = refresh
    }
    try {
      await discard(await this.call('GET', '/v2/', { signal }))
    } catch (error) {
      if (!(error instanceof RegistryRefusal)) throw error
      throw new RegistryRefusal(error.status, error.registryCode, `login attempt to ${this.url}/v2/ failed with status: ${error.status} ${STATUS_CODES[error.status] ?? ''}`)
    }
    return { identityToken }
  }

  /** Path below the endpoint, or a whole URL that the registry gave. Any answer below 400 is returned. @throws RegistryUnreachable, RegistryRefusal */
  async call(method: string, path: string, call: RegistryCall): Promise<RegistryReply> {
    const url = new URL(path, `${this.url}/`).href
    const first = await this.#send(method, url, await this.#authorization(url, call), call)
    if (first.status !== 401) return settled(first)
    const challenge = parseChallenge(first.headers.get('www-authenticate'))
    // A stream can be sent only once, and a second try with the same means is pointless.
    if (challenge.kind === 'none' || (challenge.kind === this.#challenge.kind && this.#tokens.size === 0)) return settled(first)
    await discard(first)
    this.#challenge = challenge
    this.#tokens.clear()
    return settled(await this.#send(method, url, await this.#authorization(url, call), call))
  }

  /** An answer whatever its status, asked for without credentials. */
  async raw(url: string, signal?: AbortSignal): Promise<RegistryReply> { return this.#send('GET', url, {}, { signal }) }

  /** A small answer whatever its status. */
  async text(url: string, headers: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<RegistryReplyText> {
    const reply = await this.#send('GET', url, {}, { headers, signal })
    return { status: reply.status, text: await smallText(reply) }
  }

  async [Symbol.asyncDispose](): Promise<void> { await (await this.#client)?.dispatcher.destroy() }

  async #createClient(): Promise<{ readonly request: typeof import('undici').request; readonly dispatcher: Dispatcher }> {
    const { endpoint, tls, lookup, proxies } = this.#options
    const { EnvHttpProxyAgent, request } = await import('undici')
    const connect = { ca: [...tls.ca], cert: tls.cert, key: tls.key, rejectUnauthorized: !endpoint.isInsecure, timeout: CONNECT_TIMEOUT_MS, lookup: lookup.forSockets }
    const timeouts = { headersTimeout: SILENCE_TIMEOUT_MS, bodyTimeout: SILENCE_TIMEOUT_MS }
    const dispatcher = new EnvHttpProxyAgent({
      ...timeouts, connect, requestTls: connect, proxyTls: { timeout: CONNECT_TIMEOUT_MS, lookup: lookup.forSockets },
      ...(proxies === undefined ? {} : { httpProxy: proxies.http ?? '', httpsProxy: proxies.https ?? '', noProxy: proxies.none === '*' ? '*' : [proxies.none, ...THIS_HOST].filter(name => name !== undefined).join(',') }),
    })
    return { request, dispatcher }
  }

  /** Credentials go to the registry itself only, not to where it redirects. */
  async #authorization(url: string, call: RegistryCall): Promise<Readonly<Record<string, string>>> {
    if (new URL(url).host !== new URL(this.url).host) return {}
    const { registrytoken, username } = this.#options.credentials
    if (registrytoken !== undefined) return { authorization: `Bearer ${registrytoken}` }
    switch (this.#challenge.kind) {
      case 'none': return {}
      case 'bearer': return { authorization: `Bearer ${await this.#token(this.#challenge, call.scopes ?? [], call.signal)}` }
      case 'basic':
        if (username === undefined) throw new CredentialsMissing(url)
        return { authorization: this.#basic() }
    }
  }

  #basic(): string {
    const { username = '', password = '' } = this.#options.credentials
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  }

  async #token(challenge: AuthChallenge & { readonly kind: 'bearer' }, scopes: readonly string[], signal: AbortSignal | undefined): Promise<string> {
    const key = scopes.join(' ')
    const known = this.#tokens.get(key)
    if (known !== undefined && known.untilMs > this.#options.monotonicMs()) return known.value
    const { token } = await this.#fetchToken(challenge, scopes, signal)
    this.#tokens.set(key, token)
    return token.value
  }

  /** https://distribution.github.io/distribution/spec/auth/token/ and …/oauth/ */
  async #fetchToken({ realm, service }: AuthChallenge & { readonly kind: 'bearer' }, scopes: readonly string[], signal: AbortSignal | undefined): Promise<{ readonly token: Token; readonly refresh: string | undefined }> {
    const { username, identitytoken } = this.#options.credentials
    const reply = identitytoken === undefined
      ? await this.#send('GET', tokenUrl(realm, service, scopes, username), username === undefined ? {} : { authorization: this.#basic() }, { signal })
      : await this.#send('POST', realm, { 'content-type': 'application/x-www-form-urlencoded' }, {
        signal, body: () => Buffer.from(new URLSearchParams({ grant_type: 'refresh_token', refresh_token: identitytoken, service, client_id: 'docker', scope: scopes.join(' ') }).toString()),
      })
    const text = await smallText(reply)
    if (reply.status >= 400) throw refusalOf(reply.status, text, '')
    const answer = parseObject(text)
    const value = answer['token'] ?? answer['access_token']
    if (typeof value !== 'string' || value === '') throw new RegistryRefusal(reply.status, '', 'authorization server did not include a token in the response')
    const lifeS = typeof answer['expires_in'] === 'number' ? Math.max(answer['expires_in'], TOKEN_LIFE_DEFAULT_S) : TOKEN_LIFE_DEFAULT_S
    const refresh = answer['refresh_token']
    return { token: { value, untilMs: this.#options.monotonicMs() + lifeS * 1000 - TOKEN_MARGIN_MS }, refresh: typeof refresh === 'string' ? refresh : undefined }
  }

  /** One request, redirects followed. */
  async #send(method: string, url: string, authorization: Readonly<Record<string, string>>, call: RegistryCall): Promise<RegistryReply> {
    let at = url
    let headers: Readonly<Record<string, string>> = { 'user-agent': USER_AGENT, ...call.headers, ...authorization }
    for (let redirects = 0; ; redirects++) {
      const reply = await this.#sendOnce(method, at, headers, call)
      const location = reply.headers.get('location')
      if (![301, 302, 303, 307, 308].includes(reply.status) || location === undefined || (method !== 'GET' && method !== 'HEAD')) return reply
      await discard(reply)
      if (redirects === REDIRECTS_MAX) throw unreachable(method, url, new Error(`stopped after ${REDIRECTS_MAX} redirects`))
      const next = new URL(location, at)
      if (next.host !== new URL(at).host) headers = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'authorization'))
      at = next.href
    }
  }

  async #sendOnce(method: string, url: string, headers: Readonly<Record<string, string>>, { body, signal }: RegistryCall): Promise<RegistryReply> {
    try {
      const { request, dispatcher } = await (this.#client ??= this.#createClient())
      const reply = await request(url, { method: method as Dispatcher.HttpMethod, headers, body: body?.() ?? null, signal, dispatcher })
      return { status: reply.statusCode, headers: new Map(Object.entries(reply.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value ?? ''])), body: reply.body, url }
    } catch (error) {
      signal?.throwIfAborted()
      throw unreachable(method, url, error)
    }
  }
}

/** @throws RegistryRefusal for 400 and above */
async function settled(reply: RegistryReply): Promise<RegistryReply> {
  if (reply.status < 400) return reply
  throw refusalOf(reply.status, await smallText(reply), reply.headers.get('www-authenticate') ?? '')
}

export async function discard(reply: RegistryReply): Promise<void> { await reply.body.dump({ limit: SMALL_BODY_BYTES_MAX }) }

/** At most `maxBytes` of a body. @throws RegistryUnreachable when it breaks off */
export async function readBody(reply: RegistryReply, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of reply.body) {
      bytes += (chunk as Buffer).length
      if (bytes > maxBytes) break
      chunks.push(chunk as Buffer)
    }
  } catch (error) {
    throw unreachable('GET', reply.url, error)
  }
  if (bytes > maxBytes) throw new RegistryRefusal(reply.status, '', `the answer of ${reply.url} is larger than ${maxBytes} bytes`)
  return Buffer.concat(chunks)
}

export async function smallText(reply: RegistryReply): Promise<string> { return (await readBody(reply, SMALL_BODY_BYTES_MAX)).toString() }

function tokenUrl(realm: string, service: string, scopes: readonly string[], account: string | undefined): string {
  const url = new URL(realm)
  if (service !== '') url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  if (account !== undefined) {
    url.searchParams.set('account', account)
    if (scopes.length === 0) {
      url.searchParams.set('client_id', 'docker')
      url.searchParams.set('offline_token', 'true')
    }
  }
  return url.href
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value as Readonly<Record<string, unknown>> : {}
  } catch {
    return {}
  }
}
