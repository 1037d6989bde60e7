import { Client, connectivityState, credentials as grpcCredentials, Metadata, type ChannelCredentials, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js'
import { ShoalError } from '../../base/errors.ts'
import { streamOf, UNARY_TIMEOUT_MS, type RpcCallOptions, type RpcClient, type RpcMethod } from '../../base/rpc.ts'
import { readAll, writeAll } from './byte-stream.ts'
import { clientContext, SERVER_NAME, type CredentialsSource, type TlsCredentials } from './credentials-source.ts'
import { parseAddress } from './rpc-address.ts'
import { ALIVE_NOTE_MS, CONNECT_TIMEOUT_MS, KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS, MESSAGE_BYTES_MAX, STALL_MS } from './rpc-limits.ts'
import { errorOfStatus } from './status-codes.ts'

type Call = ClientDuplexStream<Uint8Array, Uint8Array>
interface Connection { readonly client: Client; readonly credentials: TlsCredentials; readonly life: RunningNote; calls: number; retired: boolean }

/** Knows when this process last ran. */
class RunningNote {
  readonly #timer: NodeJS.Timeout
  #atMs = performance.now()

  constructor() { this.#timer = setInterval(() => { if (!this.isStalled(STALL_MS)) this.#atMs = performance.now() }, ALIVE_NOTE_MS).unref() }

  /** It did not run for this long, once since this note was begun. */
  isStalled(stallMs: number): boolean { return performance.now() - this.#atMs > stallMs }

  end(): void { clearInterval(this.#timer) }
}

/**
 * RpcClient over gRPC: one connection, made at the first call. After a renewal of the certificates new calls get a new connection;
 * the old one closes with its last call.
 */
export class GrpcClient implements RpcClient {
  readonly address: string
  readonly #source: CredentialsSource
  readonly #stallMs: number
  #connection: Connection | undefined
  readonly #open = new Set<Connection>()
  #disposed = false

  constructor(options: { readonly address: string; readonly credentials: CredentialsSource; readonly stallMs?: number }) {
    this.address = options.address
    this.#stallMs = options.stallMs ?? STALL_MS
    this.#source = options.credentials
    parseAddress(this.address)
  }

  async unary<Req, Res>(method: RpcMethod<Req, Res>, request: Req, options: RpcCallOptions = {}): Promise<Res> {
    let response: { readonly value: Res } | undefined
    for await (const value of this.stream(method, streamOf(request), { timeoutMs: UNARY_TIMEOUT_MS, ...options })) response ??= { value }
    if (response === undefined) throw new ShoalError('internal', 'no-response', `${this.address} ended ${method.path} without an answer`)
    return response.value
  }

  async *stream<Req, Res>(method: RpcMethod<Req, Res>, requests: AsyncIterable<Req>, options: RpcCallOptions = {}): AsyncGenerator<Res, void, undefined> {
    options.signal?.throwIfAborted()
    const connection = this.#connect()
    connection.calls++
    const call = startCall(connection.client, method, options)
    let failure: { readonly error: unknown } | undefined
    let isOver = false
    const fail = (error: unknown): void => {
      failure ??= { error }
      call.cancel()
    }
    const onAbort = (): void => fail(options.signal?.reason)
    options.signal?.addEventListener('abort', onAbort, { once: true })
    const connectTimer = setTimeout(() => {
      if (isConnected(connection.client)) return
      this.#giveUp(connection)
      fail(new ShoalError('unavailable', 'rpc-not-connected', `${this.address}: no connection within ${CONNECT_TIMEOUT_MS / 1000} s`))
    }, CONNECT_TIMEOUT_MS)
    call.on('error', () => { /* read below; without a listener the process would end */ })
    call.once('status', () => { isOver = true })
    const sending = send(call, method, requests, () => isOver).catch(fail)
    try {
      for await (const bytes of readAll(call)) yield method.decodeResponse(bytes)
      if (failure !== undefined) throw failure.error
    } catch (error) {
      if (failure !== undefined) throw failure.error
      const told = error instanceof ShoalError ? error : errorOfStatus(error as ServiceError, this.address)
      if (told.code === 'rpc-refused') this.#giveUp(connection)
      throw told
    } finally {
      isOver = true
      clearTimeout(connectTimer)
      options.signal?.removeEventListener('abort', onAbort)
      call.cancel()
      // A producer that waits for its own source is not waited for; it is told at its next value.
      void sending
      this.#release(connection)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    this.#connection = undefined
    for (const connection of this.#open) close(connection)
    this.#open.clear()
  }

  #connect(): Connection {
    if (this.#disposed) throw new ShoalError('unavailable', 'rpc-unavailable', `the client of ${this.address} is closed`)
    const credentials = this.#source.current()
    // This process was stopped for a while (SIGSTOP, a frozen machine): the other side may have ended the connection, which shows only when the keepalive gives up (D-742).
    if (this.#connection?.life.isStalled(this.#stallMs) === true) this.#giveUp(this.#connection)
    if (this.#connection?.credentials === credentials) return this.#connection
    const old = this.#connection
    const connection: Connection = { client: createClient(this.address, credentials), credentials, life: new RunningNote(), calls: 0, retired: false }
    this.#connection = connection
    this.#open.add(connection)
    if (old !== undefined) {
      old.retired = true
      this.#closeIfIdle(old)
    }
    return connection
  }

  /**
   * TCP asks a host that does not answer at longer and longer intervals; a new connection asks at once, should the host be back (D-685). Where nobody listens
   * the library waits likewise, up to seconds; whoever calls knows better when to ask again (D-740). Closes with its last call.
   */
  #giveUp(connection: Connection): void {
    connection.retired = true
    if (this.#connection === connection) this.#connection = undefined
    this.#closeIfIdle(connection)
  }

  #release(connection: Connection): void {
    connection.calls--
    this.#closeIfIdle(connection)
  }

  #closeIfIdle(connection: Connection): void {
    if (!connection.retired || connection.calls > 0) return
    close(connection)
    this.#open.delete(connection)
  }
}

function close({ client, life }: Connection): void {
  life.end()
  client.close()
}

async function send<Req, Res>(call: Call, method: RpcMethod<Req, Res>, requests: AsyncIterable<Req>, isOver: () => boolean): Promise<void> {
  await writeAll(call, encoded(requests, method), isOver)
  call.end()
}

async function* encoded<Req, Res>(values: AsyncIterable<Req>, method: RpcMethod<Req, Res>): AsyncIterable<Uint8Array> {
  for await (const value of values) yield method.encodeRequest(value)
}

function startCall<Req, Res>(client: Client, method: RpcMethod<Req, Res>, options: RpcCallOptions): Call {
  const metadata = new Metadata()
  for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value)
  const same = (bytes: Uint8Array): Buffer => bytes as Buffer
  const deadline = options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs }
  return client.makeBidiStreamRequest<Uint8Array, Uint8Array>(`/${method.path}`, same, same, metadata, deadline)
}

function isConnected(client: Client): boolean {
  return client.getChannel().getConnectivityState(false) === connectivityState.READY
}

function createClient(address: string, credentials: TlsCredentials): Client {
  const target = parseAddress(address)
  const name = target.kind === 'unix' ? address : `dns:${address}`
  return new Client(name, target.kind === 'unix' ? grpcCredentials.createInsecure() : channelCredentials(credentials), {
    'grpc.ssl_target_name_override': SERVER_NAME,
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX, 'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS, 'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS, 'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 2_000,
    // Each client owns its connection, so that closing it or renewing its certificate touches no other.
    'grpc.use_local_subchannel_pool': 1, 'grpc.enable_retries': 0, 'grpc.service_config_disable_resolution': 1,
    // A proxy for the web (http_proxy) is not for talking to other nodes.
    'grpc.enable_http_proxy': 0,
  })
}

function channelCredentials(credentials: TlsCredentials): ChannelCredentials {
  const context = clientContext(credentials)
  return grpcCredentials.createFromSecureContext(context, credentials.rootCertsPem !== '' ? {} : { rejectUnauthorized: false, checkServerIdentity: () => undefined })
}
