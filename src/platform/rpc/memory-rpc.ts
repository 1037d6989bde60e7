import type { Clock } from '../../base/clock.ts'
import { messageOf, ShoalError } from '../../base/errors.ts'
import type { FrameLink, FrameLinkDialer, FrameLinkEvents, FrameLinkHandler, FrameLinkServer } from '../../base/frame-link.ts'
import type { MessageChannelEvents, MessageDialer, MessageHandler, MessageServer } from '../../base/message-channel.ts'
import { Pipe } from '../../base/pipe.ts'
import { streamOf, UNARY_TIMEOUT_MS, type RpcCallOptions, type RpcClient, type RpcContext, type RpcHandler, type RpcIdentity, type RpcMethod } from '../../base/rpc.ts'
import { MemoryLink } from './memory-links.ts'
import { MemoryChannel } from './memory-messages.ts'
import { MESSAGE_BYTES_MAX } from './rpc-limits.ts'

/** Messages in flight each way before the writer waits. */
const WINDOW = 16
const FIRST_FREE_PORT = 40_000

/** Who dials, as a server sees it. */
export interface MemoryCaller { readonly identity?: RpcIdentity; readonly remoteAddress?: string }

/** The twin of the gRPC transport: servers by address inside one process, messages encoded and decoded as on the wire. */
export class MemoryNetwork {
  readonly #servers = new Map<string, MemoryServer>()
  readonly #clock: Clock
  #nextPort = FIRST_FREE_PORT

  constructor(options: { readonly clock: Clock }) { this.#clock = options.clock }

  createServer(): MessageServer & FrameLinkServer { return new MemoryServer(this) }

  createDialer(caller: MemoryCaller = {}): MessageDialer & FrameLinkDialer {
    return {
      dial: address => new MemoryClient({ network: this, address, caller, clock: this.#clock }),
      openMessages: (address, path, events) => this.#openMessages({ address, path, events, caller }),
      openLink: (address, events) => this.#openLink(address, events),
    }
  }

  bind(address: string, server: MemoryServer): number {
    const isUnix = address.startsWith('unix:')
    const bound = !isUnix && address.endsWith(':0') ? `${address.slice(0, -1)}${this.#nextPort++}` : address
    if (this.#servers.has(bound)) throw new ShoalError('failed-precondition', 'address-in-use', `cannot listen on ${bound}: it is in use`)
    this.#servers.set(bound, server)
    return isUnix ? 0 : Number(bound.slice(bound.lastIndexOf(':') + 1))
  }

  unbind(server: MemoryServer): void {
    for (const [address, bound] of this.#servers) if (bound === server) this.#servers.delete(address)
  }

  lookup(address: string): MemoryServer | undefined { return this.#servers.get(address) }

  #openMessages({ address, path, events, caller }: { readonly address: string; readonly path: string; readonly events: MessageChannelEvents; readonly caller: MemoryCaller }): MemoryChannel {
    return new MemoryChannel({ address, path, events, contextOf: signal => contextOf(address, caller, signal), find: channel => this.lookup(address)?.takeMessages(path, channel) })
  }

  #openLink(address: string, events: FrameLinkEvents): FrameLink {
    return new MemoryLink({ address, events, contextOf: signal => contextOf(address, {}, signal), find: link => this.lookup(address)?.takeLink(link) })
  }
}

interface Registration { readonly method: RpcMethod<unknown, unknown>; readonly handler: RpcHandler<unknown, unknown> }

class MemoryServer implements MessageServer, FrameLinkServer {
  readonly #network: MemoryNetwork
  readonly #registrations = new Map<string, Registration>()
  readonly #calls = new Set<MemoryCall>()
  readonly #messageHandlers = new Map<string, MessageHandler>()
  readonly #channels = new Set<MemoryChannel>()
  #linkHandler: FrameLinkHandler | undefined
  readonly #links = new Set<MemoryLink>()

  constructor(network: MemoryNetwork) { this.#network = network }

  handle<Req, Res>(method: RpcMethod<Req, Res>, handler: RpcHandler<Req, Res>): void {
    if (this.#registrations.has(method.path)) throw new ShoalError('internal', 'method-registered-twice', `${method.path} is registered twice`)
    this.#registrations.set(method.path, { method, handler } as unknown as Registration)
  }

  handleMessages(path: string, handler: MessageHandler): void {
    if (this.#messageHandlers.has(path)) throw new ShoalError('internal', 'method-registered-twice', `${path} is registered twice`)
    this.#messageHandlers.set(path, handler)
  }

  takeMessages(path: string, channel: MemoryChannel): { readonly handler: MessageHandler | undefined; readonly forget: () => void } {
    this.#channels.add(channel)
    return { handler: this.#messageHandlers.get(path), forget: () => { this.#channels.delete(channel) } }
  }

  handleLinks(handler: FrameLinkHandler): void {
    if (this.#linkHandler !== undefined) throw new ShoalError('internal', 'method-registered-twice', 'links are taken already')
    this.#linkHandler = handler
  }

  takeLink(link: MemoryLink): { readonly handler: FrameLinkHandler; readonly forget: () => void } | undefined {
    if (this.#linkHandler === undefined) return undefined
    this.#links.add(link)
    return { handler: this.#linkHandler, forget: () => { this.#links.delete(link) } }
  }

  async listen(address: string): Promise<number> { return this.#network.bind(address, this) }

  serve(path: string, call: MemoryCall): void {
    this.#calls.add(call)
    void this.#run(path, call).finally(() => this.#calls.delete(call))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#network.unbind(this)
    for (const call of this.#calls) call.fail(new ShoalError('unavailable', 'rpc-unavailable', `${call.address}: the server stopped`))
    for (const link of [...this.#links]) link.end(new ShoalError('unavailable', 'rpc-unavailable', 'the server stopped'))
    for (const channel of [...this.#channels]) channel.end(new ShoalError('unavailable', 'rpc-unavailable', 'the server stopped'))
  }

  async #run(path: string, call: MemoryCall): Promise<void> {
    try {
      const registration = this.#registrations.get(path)
      if (registration === undefined) throw new ShoalError('not-implemented', 'no-such-method', `${call.address}: the server has no ${path}`)
      const { method, handler } = registration
      for await (const response of handler(decodedRequests(call, method), call.context)) {
        if (!await call.responses.put(limited(method.encodeResponse(response)))) return
      }
      call.responses.close()
    } catch (error) {
      call.responses.fail(asSent(error))
    } finally {
      call.finish()
    }
  }
}

async function* decodedRequests(call: MemoryCall, method: RpcMethod<unknown, unknown>): AsyncIterable<unknown> {
  for await (const bytes of call.requests) yield method.decodeRequest(bytes)
}

/** One call: two pipes and what ends them. */
class MemoryCall {
  readonly address: string
  readonly requests = new Pipe<Uint8Array>(WINDOW)
  readonly responses = new Pipe<Uint8Array>(WINDOW)
  readonly context: RpcContext
  readonly #abort = new AbortController()

  constructor(address: string, caller: MemoryCaller, metadata: Readonly<Record<string, string>>) {
    this.address = address
    this.context = { ...contextOf(address, caller, this.#abort.signal), metadata: Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key.toLowerCase(), value])) }
  }

  /** Ends the call for both sides with an error. */
  fail(error: unknown): void {
    this.responses.fail(error)
    this.finish()
  }

  finish(): void {
    const gone = new ShoalError('cancelled', 'cancelled', 'the caller went away')
    this.requests.fail(gone)
    this.#abort.abort(gone)
  }
}

function contextOf(address: string, caller: MemoryCaller, signal: AbortSignal): RpcContext {
  const isLocal = address.startsWith('unix:')
  return { identity: isLocal ? undefined : caller.identity, remoteAddress: isLocal ? 'local' : caller.remoteAddress ?? '127.0.0.1', isLocal, signal, metadata: {} }
}

class MemoryClient implements RpcClient {
  readonly address: string
  readonly #network: MemoryNetwork
  readonly #caller: MemoryCaller
  readonly #clock: Clock
  readonly #calls = new Set<MemoryCall>()
  #disposed = false

  constructor(options: { readonly network: MemoryNetwork; readonly address: string; readonly caller: MemoryCaller; readonly clock: Clock }) {
    this.address = options.address
    this.#network = options.network
    this.#caller = options.caller
    this.#clock = options.clock
  }

  async unary<Req, Res>(method: RpcMethod<Req, Res>, request: Req, options: RpcCallOptions = {}): Promise<Res> {
    let response: { readonly value: Res } | undefined
    for await (const value of this.stream(method, streamOf(request), { timeoutMs: UNARY_TIMEOUT_MS, ...options })) response ??= { value }
    if (response === undefined) throw new ShoalError('internal', 'no-response', `${this.address} ended ${method.path} without an answer`)
    return response.value
  }

  async *stream<Req, Res>(method: RpcMethod<Req, Res>, requests: AsyncIterable<Req>, options: RpcCallOptions = {}): AsyncGenerator<Res, void, undefined> {
    const { signal, timeoutMs } = options
    signal?.throwIfAborted()
    const server = this.#network.lookup(this.address)
    if (this.#disposed) throw new ShoalError('unavailable', 'rpc-unavailable', `the client of ${this.address} is closed`)
    if (server === undefined) throw new ShoalError('unavailable', 'rpc-refused', `${this.address}: nobody listens there`)
    const call = new MemoryCall(this.address, this.#caller, options.metadata ?? {})
    this.#calls.add(call)
    const onAbort = (): void => call.fail(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const timer = timeoutMs === undefined ? undefined : this.#clock.after(timeoutMs, () =>
      call.fail(new ShoalError('deadline-exceeded', 'deadline-exceeded', `${this.address} did not answer in time`)))
    void send(call, method, requests)
    server.serve(method.path, call)
    try {
      for await (const bytes of call.responses) yield method.decodeResponse(bytes)
    } finally {
      timer?.cancel()
      signal?.removeEventListener('abort', onAbort)
      call.finish()
      this.#calls.delete(call)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    for (const call of this.#calls) call.fail(new ShoalError('cancelled', 'cancelled', `the client of ${this.address} is closed`))
  }
}

/** Never rejects: a failing producer fails the call. */
async function send<Req, Res>(call: MemoryCall, method: RpcMethod<Req, Res>, requests: AsyncIterable<Req>): Promise<void> {
  try {
    for await (const request of requests) {
      if (!await call.requests.put(limited(method.encodeRequest(request)))) return
    }
    call.requests.close()
  } catch (error) {
    call.fail(error)
  }
}

/** An error as the other side gets it: kind, code and message, nothing else. */
function asSent(error: unknown): ShoalError {
  if (error instanceof ShoalError) return new ShoalError(error.kind, error.code, error.message)
  return new ShoalError('internal', 'internal-error', messageOf(error))
}

function limited(bytes: Uint8Array): Uint8Array {
  if (bytes.length > MESSAGE_BYTES_MAX) throw new ShoalError('resource-exhausted', 'message-too-large', `a message of ${bytes.length} bytes exceeds ${MESSAGE_BYTES_MAX}`)
  return bytes
}
