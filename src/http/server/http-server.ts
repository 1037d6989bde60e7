import { chmod, chown, lstat, unlink } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Clock } from '../../base/clock.ts'
import { splitVersion, type ApiVersion } from './api-version.ts'
import type { ApiRequest } from './api-request.ts'
import { readJsonBody } from './json-body.ts'
import { drainRest, requestBody } from './request-body.ts'
import { Query } from './query.ts'
import type { Router } from './router.ts'
import type { Exchange, ReplySender } from './send-reply.ts'

/** X-Registry-Config of a build carries credentials for every registry, so headers may be large. */
const HEADER_BYTES_MAX = 256 * 1024
/** Bounds memory and descriptors; a busy UI with streams per container needs hundreds. */
const CONNECTIONS_MAX = 4096
/** A request's headers must be here after this long (slow loris); Node looks every CHECK_MS. */
const HEADERS_TIMEOUT_MS = 10_000
const CHECK_MS = 2_500
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000
/** What is told to a client whose request cannot even be parsed. */
const PARSE_ERRORS: Readonly<Record<string, readonly [string, string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', `the request's headers are larger than ${HEADER_BYTES_MAX} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', `the request's headers took longer than ${HEADERS_TIMEOUT_MS / 1000} s`],
}
const MALFORMED = ['400 Bad Request', 'malformed HTTP request'] as const

export interface TlsFiles {
  readonly certPem: string | Uint8Array
  readonly keyPem: string | Uint8Array
  /** With it, clients must show a certificate of this authority (--tlsverify). */
  readonly clientCaPem?: string | Uint8Array
}

export interface ListenOptions {
  readonly tls?: TlsFiles
  /** Permission bits of a Unix socket. Default 0660. */
  readonly socketMode?: number
  /** Group of a Unix socket, e.g. docker's. */
  readonly socketGroupId?: number
}

export interface HttpServerParts {
  readonly router: Router
  readonly sender: ReplySender
  readonly logger: Logger
  readonly clock: Clock
  /** On every response. */
  readonly headers: Readonly<Record<string, string>>
  /** More headers for the answer to one request, asked for when the answer is known; the request is told by its signal. */
  readonly requestHeaders?: (signal: AbortSignal) => Readonly<Record<string, string>>
  /** Disposed after the last connection is closed. */
  readonly owned?: readonly AsyncDisposable[]
}

/** The listener: sockets in, routed requests out. Nothing a client sends may end the process. */
export class HttpServer implements AsyncDisposable {
  readonly #parts: HttpServerParts
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #stop = new AbortController()

  constructor(parts: HttpServerParts) { this.#parts = parts }

  /**
   * @param address "unix:///path", "tcp://host:port", "/path", or "fd://N" for a socket that listens already. May be called several times.
   * @returns the bound port, 0 for Unix sockets
   * @throws ShoalError `bad-listen-address` (invalid-argument), `address-in-use` (failed-precondition)
   */
  async listen(address: string, options: ListenOptions = {}): Promise<number> {
    const server = this.#createServer(options.tls)
    const target = parseAddress(address)
    if ('path' in target) await removeStaleSocket(target.path)
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => reject(new ShoalError('failed-precondition', 'address-in-use', `cannot listen on ${address}: ${cause.message}`, { cause })))
      server.listen(target, resolve)
    })
    this.#servers.push(server)
    if ('path' in target) {
      await chmod(target.path, options.socketMode ?? 0o660)
      if (options.socketGroupId !== undefined) await chown(target.path, -1, options.socketGroupId)
    }
    const bound = server.address()
    return typeof bound === 'object' && bound !== null ? bound.port : 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new ShoalError('unavailable', 'server-stopping', 'the daemon is stopping'))
    const closed = this.#servers.splice(0).map(server => new Promise<void>(resolve => server.close(() => resolve())))
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(closed)
    for (const each of this.#parts.owned ?? []) await each[Symbol.asyncDispose]()
  }

  #createServer(tls: TlsFiles | undefined): Server {
    const onRequest = (incoming: IncomingMessage, response: ServerResponse): void => { void this.#serve(incoming, response) }
    const server: Server = tls === undefined
      ? createServer({ maxHeaderSize: HEADER_BYTES_MAX, connectionsCheckingInterval: CHECK_MS }, onRequest)
      : createTlsServer({
          maxHeaderSize: HEADER_BYTES_MAX, connectionsCheckingInterval: CHECK_MS, handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS, cert: asPem(tls.certPem), key: asPem(tls.keyPem), minVersion: 'TLSv1.2',
          // As in http: the docker CLI ends its half of the connection with a bare FIN and goes on reading.
          allowHalfOpen: true,
          ...tls.clientCaPem === undefined ? {} : { ca: asPem(tls.clientCaPem), requestCert: true, rejectUnauthorized: true },
        }, onRequest)
    // An image upload may take any time, and Docker's clients pool idle connections and count on them.
    server.requestTimeout = 0
    server.headersTimeout = HEADERS_TIMEOUT_MS
    server.keepAliveTimeout = 0
    server.maxConnections = CONNECTIONS_MAX
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const [status, message] = PARSE_ERRORS[error.code ?? ''] ?? MALFORMED
      const isHandshaking = (socket as { readonly secureConnecting?: boolean }).secureConnecting === true || (error.code ?? '').startsWith('ERR_TLS_')
      if (socket.writable && !isHandshaking) socket.end(`HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"message":"${message}"}\n`, () => socket.destroy())
      else socket.destroy()
    })
    server.on('error', err => this.#parts.logger.error('the API listener failed', { err }))
    return server
  }

  /** Never rejects: this is where every request's errors end. */
  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers, sender, logger, clock } = this.#parts
    drainRest(incoming, response, clock)
    const gone = new AbortController()
    const onStop = (): void => gone.abort(this.#stop.signal.reason)
    this.#stop.signal.addEventListener('abort', onStop, { once: true })
    response.on('error', () => response.destroy())
    incoming.on('error', () => response.destroy())
    response.on('close', () => {
      this.#stop.signal.removeEventListener('abort', onStop)
      gone.abort(new ShoalError('cancelled', 'client-gone', 'the client closed the connection'))
    })
    const exchange: Exchange = { incoming, response, signal: gone.signal }
    try {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
      await this.#answer(exchange)
      logger.debug('a request was answered', { method: incoming.method, url: incoming.url, status: response.statusCode })
    } catch (err) {
      if (gone.signal.aborted) {
        response.destroy()
      } else if (response.headersSent) {
        logger.warn('a response broke off', { method: incoming.method, url: incoming.url, err })
        response.destroy()
      } else {
        sender.sendError(response, err)
        const fields = { method: incoming.method, url: incoming.url, status: response.statusCode, err }
        if (response.statusCode >= 500) logger.warn('a request failed', fields)
        else logger.debug('a request was refused', fields)
      }
    }
  }

  async #answer(exchange: Exchange): Promise<void> {
    const { router, sender } = this.#parts
    const { incoming } = exchange
    const [pathname = '/', search = ''] = splitUrl(incoming.url ?? '/')
    const { version, path } = splitVersion(pathname)
    if (incoming.method === 'OPTIONS') return sender.send(exchange, { kind: 'empty', status: 200 })
    const match = router.find(incoming.method ?? 'GET', path)
    if (match === undefined) throw new ShoalError('not-found', 'page-not-found', 'page not found')
    const request = new IncomingRequest(exchange, this.#parts.clock, { params: match.params, query: new Query(search), version })
    const reply = await match.handler(request)
    for (const [name, value] of Object.entries(this.#parts.requestHeaders?.(exchange.signal) ?? {})) exchange.response.setHeader(name, value)
    await sender.send(exchange, reply)
  }
}

class IncomingRequest implements ApiRequest {
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly version: ApiVersion
  readonly #exchange: Exchange
  readonly #clock: Clock
  #body: Readable | undefined

  constructor(exchange: Exchange, clock: Clock, parts: Pick<ApiRequest, 'params' | 'query' | 'version'>) {
    this.#exchange = exchange
    this.#clock = clock
    this.params = parts.params
    this.query = parts.query
    this.version = parts.version
  }

  get body(): ApiRequest['body'] { return this.#body ??= requestBody(this.#exchange.incoming) }
  get signal(): AbortSignal { return this.#exchange.signal }

  header(name: string): string | undefined {
    const value = this.#exchange.incoming.headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  async json<T>(shape: Parameters<ApiRequest['json']>[0]): Promise<T> {
    const value = await this.optionalJson<T>(shape)
    if (value === undefined) throw new ShoalError('invalid-argument', 'invalid-json', 'invalid JSON: got EOF while reading request body')
    return value
  }

  async optionalJson<T>(shape: Parameters<ApiRequest['json']>[0]): Promise<T | undefined> {
    return await readJsonBody(this.body, { contentType: this.header('content-type'), shape, clock: this.#clock }) as T | undefined
  }
}

function splitUrl(url: string): readonly [string, string] {
  const path = url.startsWith('/') ? url : url.replace(/^[a-z]+:\/\/[^/?]*/i, '')
  const at = path.indexOf('?')
  return at < 0 ? [path, ''] : [path.slice(0, at), path.slice(at + 1)]
}

function parseAddress(address: string): { readonly path: string } | { readonly fd: number } | { readonly host: string; readonly port: number } {
  if (address.startsWith('unix://')) return { path: address.slice('unix://'.length) }
  if (address.startsWith('/')) return { path: address }
  if (/^fd:\/\/\d+$/.test(address)) return { fd: Number(address.slice('fd://'.length)) }
  const match = /^tcp:\/\/(?:\[([0-9a-f:.]+)\]|([^:/]*)):(\d{1,5})$/i.exec(address)
  if (match === null || Number(match[3]) > 65_535) {
    throw new ShoalError('invalid-argument', 'bad-listen-address', `cannot listen on "${address}": use unix:///path, tcp://host:port or fd://N`)
  }
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port: Number(match[3]) }
}

/** Removes a socket file that nobody listens on any more. A live one is left, and listening then fails. */
async function removeStaleSocket(path: string): Promise<void> {
  const stat = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (stat?.isSocket() !== true) return
  const isLive = await new Promise<boolean>(resolve => {
    const probe = connect(path)
    probe.on('connect', () => { probe.destroy(); resolve(true) })
    probe.on('error', () => resolve(false))
  })
  if (!isLive) await unlink(path)
}

function asPem(pem: string | Uint8Array): string | Buffer {
  return typeof pem === 'string' ? pem : Buffer.from(pem)
}
