import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'
import type { Duplex, Readable } from 'node:stream'
import { ShoalError } from '../base/errors.ts'
import type { Endpoint } from './endpoint.ts'

/** The API version this client speaks. */
const API_VERSION = '1.50'

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>
export interface ApiRequest {
  readonly query?: Query
  /** JSON, unless it is a stream (then a tar). */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** The Engine API over one endpoint. Failures are ShoalErrors `api-error` with the daemon's text; `cannot-connect` when there is no daemon. */
export class ApiClient {
  readonly #endpoint: Endpoint

  constructor(endpoint: Endpoint) { this.#endpoint = endpoint }

  async get<T>(path: string, query?: Query): Promise<T> { return this.json<T>('GET', path, query === undefined ? {} : { query }) }
  async post<T>(path: string, body?: unknown, query?: Query): Promise<T> { return this.json<T>('POST', path, { body, ...(query === undefined ? {} : { query }) }) }
  async delete(path: string, query?: Query): Promise<void> { await this.json('DELETE', path, query === undefined ? {} : { query }) }

  /** Parses the answer; an empty one is undefined. */
  async json<T>(method: string, path: string, request: ApiRequest = {}): Promise<T> {
    const text = await readAll(await this.stream(method, path, request))
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  /** The answer's body as it comes. */
  async stream(method: string, path: string, request: ApiRequest = {}): Promise<http.IncomingMessage> {
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const outgoing = this.#request(method, path, request, {})
      outgoing.once('response', resolve)
      outgoing.once('error', error => reject(this.#connectError(error)))
      send(outgoing, request.body)
    })
    if ((response.statusCode ?? 500) >= 400) throw apiError(response.statusCode ?? 500, await readAll(response))
    return response
  }

  /** Turns the connection into a raw two-way stream (attach, exec). */
  async hijack(path: string, request: ApiRequest = {}): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const outgoing = this.#request('POST', path, request, { connection: 'Upgrade', upgrade: 'tcp' })
      outgoing.once('upgrade', (_response, socket: Duplex, head: Buffer) => {
        if (head.length > 0) socket.unshift(head)
        resolve(socket)
      })
      outgoing.once('response', response => {
        readAll(response).then(text => reject(apiError(response.statusCode ?? 500, text)), reject)
      })
      outgoing.once('error', error => reject(this.#connectError(error)))
      send(outgoing, request.body)
    })
  }

  /** The bare connection, before anything is said on it; either side may be ended by itself. */
  async dial(): Promise<Duplex> {
    const to = this.#endpoint
    return new Promise((resolve, reject) => {
      const socket = to.kind === 'unix' ? net.connect({ path: to.path, allowHalfOpen: true }) : to.tls === undefined ? net.connect({ host: to.host, port: to.port, allowHalfOpen: true }) : tls.connect({ host: to.host, port: to.port, ...to.tls })
      socket.once(to.kind === 'tcp' && to.tls !== undefined ? 'secureConnect' : 'connect', () => resolve(socket))
      socket.once('error', error => reject(this.#connectError(error)))
    })
  }

  #request(method: string, path: string, request: ApiRequest, extra: Readonly<Record<string, string>>): http.ClientRequest {
    const query = new URLSearchParams(Object.entries(request.query ?? {}).flatMap(([key, value]) => (value === undefined ? [] : Array.isArray(value) ? value : [value]).map(item => [key, String(item)] as [string, string])))
    const text = query.toString()
    const headers: Record<string, string> = { host: 'shoal', ...request.headers, ...extra }
    if (request.body !== undefined) headers['content-type'] ??= isStream(request.body) ? 'application/x-tar' : 'application/json'
    const common = { method, path: `/v${API_VERSION}${path}${text === '' ? '' : `?${text}`}`, headers, ...(request.signal === undefined ? {} : { signal: request.signal }) }
    const to = this.#endpoint
    if (to.kind === 'unix') return http.request({ ...common, socketPath: to.path })
    return to.tls === undefined ? http.request({ ...common, host: to.host, port: to.port }) : https.request({ ...common, host: to.host, port: to.port, ...to.tls })
  }

  #connectError(error: Error): Error {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (!['ENOENT', 'ECONNREFUSED', 'EACCES', 'EHOSTUNREACH', 'ETIMEDOUT', 'ENOTFOUND'].includes(code)) return error
    const where = this.#endpoint.kind === 'unix' ? `unix://${this.#endpoint.path}` : `tcp://${this.#endpoint.host}:${this.#endpoint.port}`
    return new ShoalError('unavailable', 'cannot-connect', `Cannot connect to the Shoal daemon at ${where}. Is it running? (${code}; name another one with -H or DOCKER_HOST)`, { cause: error })
  }
}

function isStream(body: unknown): body is Readable {
  return typeof (body as { pipe?: unknown } | null)?.pipe === 'function'
}

function send(outgoing: http.ClientRequest, body: unknown): void {
  if (isStream(body)) {
    body.once('error', error => outgoing.destroy(error))
    body.pipe(outgoing)
  } else {
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  }
}

async function readAll(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

function apiError(status: number, text: string): ShoalError {
  let message = text.trim()
  try {
    message = (JSON.parse(text) as { message?: string }).message ?? message
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return new ShoalError(status === 404 ? 'not-found' : status === 409 ? 'conflict' : 'unknown', 'api-error', `Error response from daemon: ${message || `HTTP status ${status}`}`)
}
