import { Server, ServerCredentials, type ConnectionInjector, type sendUnaryData, type ServerDuplexStream, type ServerUnaryCall } from '@grpc/grpc-js'
import { rm } from 'node:fs/promises'
import net from 'node:net'
import tls from 'node:tls'
import { ShoalError } from '../../base/errors.ts'
import type { FrameLinkHandler, FrameLinkServer } from '../../base/frame-link.ts'
import type { Logger } from '../../base/logger.ts'
import type { MessageHandler, MessageServer } from '../../base/message-channel.ts'
import type { RpcContext, RpcHandler, RpcMethod } from '../../base/rpc.ts'
import { readAll, writeAll } from './byte-stream.ts'
import { TLS_CIPHERS, type CredentialsSource, type TlsCredentials } from './credentials-source.ts'
import { LinkReceiver } from './link-receiver.ts'
import { listen } from './listen.ts'
import { MESSAGE_PROTOCOL } from './message-protocol.ts'
import { MessageReceiver } from './message-receiver.ts'
import { identityOf, peerSubject, plainAddress } from './peer-identity.ts'
import { HANDSHAKE_TIMEOUT_MS, KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS, MESSAGE_BYTES_MAX, SHUTDOWN_GRACE_MS } from './rpc-limits.ts'
import { parseAddress } from './rpc-address.ts'
import { statusOfError } from './status-codes.ts'

type Call = ServerDuplexStream<Uint8Array, Uint8Array>
interface Listener { readonly grpc: Server; readonly injector: ConnectionInjector; readonly net: net.Server; readonly sockets: Set<net.Socket> }
interface Registration { readonly method: RpcMethod<unknown, unknown>; readonly handler: RpcHandler<unknown, unknown> }

/**
 * RpcServer over gRPC. Accepts connections itself and hands them to grpc-js, which alone could neither take an optional client certificate nor
 * follow a renewal; channels of messages are not gRPC's at all (message-protocol.ts). Over TCP: TLS, the client certificate is optional but must chain to the root if given. Over a Unix socket (mode 0600 of its
 * owner's directory): no TLS, callers are local; links have a socket of their own beside it. One server may listen on several addresses.
 */
export class GrpcServer implements MessageServer, FrameLinkServer {
  readonly #credentials: CredentialsSource
  readonly #logger: Logger
  readonly #registrations = new Map<string, Registration>()
  readonly #listeners: Listener[] = []
  readonly #running = new Set<Promise<void>>()
  readonly #messages: MessageReceiver
  #links: LinkReceiver | undefined
  /** Made once: an error per call, for its stack trace, would cost as much as a small call. */
  readonly #gone = new ShoalError('cancelled', 'cancelled', 'the caller went away')

  constructor(options: { readonly credentials: CredentialsSource; readonly logger: Logger }) {
    this.#credentials = options.credentials
    this.#logger = options.logger
    this.#messages = new MessageReceiver({ logger: options.logger })
  }

  handle<Req, Res>(method: RpcMethod<Req, Res>, handler: RpcHandler<Req, Res>): void {
    if (this.#registrations.has(method.path)) throw new ShoalError('internal', 'method-registered-twice', `${method.path} is registered twice`)
    this.#registrations.set(method.path, { method, handler } as unknown as Registration)
  }

  handleMessages(path: string, handler: MessageHandler): void { this.#messages.handle(path, handler) }

  handleLinks(handler: FrameLinkHandler): void {
    if (this.#links !== undefined) throw new ShoalError('internal', 'method-registered-twice', 'links are taken already')
    this.#links = new LinkReceiver({ handler, logger: this.#logger })
  }

  /** @throws ShoalError `address-in-use` (failed-precondition), `invalid-address` (invalid-argument) */
  async listen(address: string): Promise<number> {
    const target = parseAddress(address)
    const isLocal = target.kind === 'unix'
    const grpc = new Server({
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX, 'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
      'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS, 'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    })
    for (const registration of this.#registrations.values()) this.#register(grpc, registration, isLocal)
    const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure())
    const sockets = new Set<net.Socket>()
    const accept = (socket: net.Socket): void => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', err => this.#logger.debug('connection failed', { err }))
      if (socket instanceof tls.TLSSocket && socket.alpnProtocol === MESSAGE_PROTOCOL) this.#messages.receive(socket)
      else injector.injectConnection(socket)
    }
    const server = isLocal ? net.createServer({ noDelay: true }, accept) : this.#createTlsServer(accept)
    if (target.kind === 'unix') await rm(target.path, { force: true })
    await listen(server, target.kind === 'unix' ? { path: target.path } : { host: target.host, port: target.port }, address, err => this.#logger.error('accepting a connection failed', { address, err }))
    this.#listeners.push({ grpc, injector, net: server, sockets })
    // Last: who has a link may call as well.
    if (target.kind === 'unix') await this.#links?.listen(target.path)
    const bound = server.address()
    return bound !== null && typeof bound === 'object' ? bound.port : 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#messages[Symbol.dispose]()
    this.#links?.[Symbol.dispose]()
    const listeners = this.#listeners.splice(0)
    for (const { grpc, net: server, sockets } of listeners) {
      server.close()
      grpc.forceShutdown()
      for (const socket of sockets) socket.destroy()
    }
    let timer: NodeJS.Timeout | undefined
    const grace = new Promise<void>(resolve => { timer = setTimeout(resolve, SHUTDOWN_GRACE_MS) })
    await Promise.race([Promise.all(this.#running), grace])
    clearTimeout(timer)
  }

  #createTlsServer(accept: (socket: net.Socket) => void): tls.Server {
    let used = this.#credentials.current()
    const server = tls.createServer({ ...contextOptions(used), requestCert: true, rejectUnauthorized: false, noDelay: true, handshakeTimeout: HANDSHAKE_TIMEOUT_MS, ALPNProtocols: ['h2', MESSAGE_PROTOCOL] })
    // Before each handshake: a renewed certificate serves new connections, live ones keep theirs.
    server.prependListener('connection', () => {
      const current = this.#credentials.current()
      if (current === used) return
      used = current
      server.setSecureContext(contextOptions(current))
    })
    server.on('secureConnection', socket => {
      if (!socket.authorized && peerSubject(socket) !== undefined) {
        this.#logger.warn('refused a connection whose certificate is not of this cluster', { remoteAddress: socket.remoteAddress, reason: String(socket.authorizationError) })
        socket.destroy()
        return
      }
      accept(socket)
    })
    server.on('tlsClientError', (err, socket) => {
      this.#logger.debug('TLS handshake failed', { err })
      // A handshake that takes too long is only reported by Node, not ended.
      socket.destroy()
    })
    return server
  }

  #register(grpc: Server, registration: Registration, isLocal: boolean): void {
    const identity = (bytes: Buffer): Buffer => bytes
    const { method, handler: { unary } } = registration
    if (unary !== undefined) {
      const answer = (call: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>): void => {
        const running = this.#answer(call, respond, { method, unary }, isLocal).finally(() => this.#running.delete(running))
        this.#running.add(running)
      }
      grpc.register<Buffer, Buffer>(`/${method.path}`, answer, identity, identity, 'unary')
      return
    }
    // Every other kind is served as bidi: they do not differ on the wire.
    grpc.register<Buffer, Buffer>(`/${method.path}`, (call: unknown) => {
      const running = this.#serve(call as Call, registration, isLocal).finally(() => this.#running.delete(running))
      this.#running.add(running)
    }, identity, identity, 'bidi')
  }

  async #answer(call: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>, { method, unary }: { readonly method: RpcMethod<unknown, unknown>; readonly unary: NonNullable<RpcHandler<unknown, unknown>['unary']> }, isLocal: boolean): Promise<void> {
    const abort = new AbortController()
    let isAnswered = false
    // Also told when an answered call is put away.
    call.once('cancelled', () => { if (!isAnswered) abort.abort(this.#gone) })
    try {
      const bytes = method.encodeResponse(await unary(method.decodeRequest(call.request), contextOf(call, isLocal, abort.signal)))
      isAnswered = true
      respond(null, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    } catch (error) {
      if (!(error instanceof ShoalError) && !abort.signal.aborted) this.#logger.error('handler failed', { method: method.path, err: error })
      if (!call.cancelled) respond(statusOfError(error))
    }
  }

  async #serve(call: Call, { method, handler }: Registration, isLocal: boolean): Promise<void> {
    const abort = new AbortController()
    const cancel = (): void => abort.abort(this.#gone)
    call.once('cancelled', cancel)
    call.on('error', () => { /* reported through the reader below; without a listener the process would end */ })
    try {
      const context = contextOf(call, isLocal, abort.signal)
      const responses = handler(decoded(call, method, abort.signal), context)
      await writeAll(call, encoded(responses, method), () => call.cancelled || abort.signal.aborted)
      call.end()
    } catch (error) {
      if (!(error instanceof ShoalError) && !abort.signal.aborted) this.#logger.error('handler failed', { method: method.path, err: error })
      if (!call.cancelled) call.emit('error', statusOfError(error))
    } finally {
      cancel()
    }
  }
}

async function* decoded(call: Call, method: RpcMethod<unknown, unknown>, signal: AbortSignal): AsyncIterable<unknown> {
  try {
    for await (const bytes of readAll(call)) yield method.decodeRequest(bytes)
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
  if (call.cancelled) signal.throwIfAborted()
}

async function* encoded(values: AsyncIterable<unknown>, method: RpcMethod<unknown, unknown>): AsyncIterable<Uint8Array> {
  for await (const value of values) yield method.encodeResponse(value)
}

function contextOf(call: Pick<Call, 'metadata' | 'getAuthContext' | 'getPeer'>, isLocal: boolean, signal: AbortSignal): RpcContext {
  const metadata: Record<string, string> = {}
  for (const [key, value] of Object.entries(call.metadata.getMap())) if (typeof value === 'string') metadata[key] = value
  const subject = call.getAuthContext()?.sslPeerCertificate?.subject as unknown as Record<string, string> | undefined
  return { identity: identityOf(subject), remoteAddress: isLocal ? 'local' : hostOf(call.getPeer()), isLocal, signal, metadata }
}

/** "1.2.3.4:55" or "[::1]:55" or "::ffff:1.2.3.4:55" without the port. */
function hostOf(peer: string): string {
  return plainAddress(peer.slice(0, peer.lastIndexOf(':')).replace(/^\[|\]$/g, ''))
}

function contextOptions(credentials: TlsCredentials): tls.SecureContextOptions {
  return {
    minVersion: 'TLSv1.2', ciphers: TLS_CIPHERS, honorCipherOrder: true,
    ca: credentials.rootCertsPem, cert: credentials.certPem, key: credentials.keyPem,
  }
}
