import { ShoalError } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import type { FrameLinkDialer } from '../../base/frame-link.ts'
import { UNARY_TIMEOUT_MS, type RpcCallOptions, type RpcClient, type RpcMethod } from '../../base/rpc.ts'
import { CONTROL_RPC } from '../codec/methods.ts'
import { REQUEST_BYTES_MAX } from './call-limits.ts'
import { CallLink } from './call-link.ts'

/** What may answer with much more than it is asked. */
const OWN_STREAM: ReadonlySet<string> = new Set([CONTROL_RPC.list.path])

/**
 * An RpcClient whose small unary calls share one long-lived link; calls made in one turn travel together (D-682, D-707). Everything else goes out as usual.
 * The link is made at the first call and again when it breaks: calls under way then fail, as they would alone.
 */
export class CallStreamClient implements RpcClient {
  readonly #dialer: FrameLinkDialer
  readonly #client: RpcClient
  readonly #clock: Clock
  #link: CallLink | undefined
  #isDisposed = false

  /** @param address "unix:/path", where links are taken for a CallTable */
  constructor(dialer: FrameLinkDialer, address: string, clock: Clock) {
    this.#dialer = dialer
    this.#client = dialer.dial(address)
    this.#clock = clock
  }

  get address(): string { return this.#client.address }

  async unary<Req, Res>(method: RpcMethod<Req, Res>, request: Req, options: RpcCallOptions = {}): Promise<Res> {
    options.signal?.throwIfAborted()
    if (options.metadata !== undefined || OWN_STREAM.has(method.path)) return this.#client.unary(method, request, options)
    const bytes = method.encodeRequest(request)
    if (bytes.length > REQUEST_BYTES_MAX) return this.#client.unary(method, request, options)
    return method.decodeResponse(await this.#answer(method.path, bytes, options))
  }

  stream<Req, Res>(method: RpcMethod<Req, Res>, requests: AsyncIterable<Req>, options?: RpcCallOptions): AsyncIterable<Res> { return this.#client.stream(method, requests, options) }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true
    this.#link?.end(this.#closed())
    await this.#client[Symbol.asyncDispose]()
  }

  async #answer(path: string, request: Uint8Array, { signal, timeoutMs = UNARY_TIMEOUT_MS }: RpcCallOptions): Promise<Uint8Array> {
    if (this.#isDisposed) throw this.#closed()
    if (this.#link === undefined || this.#link.isOver) this.#link = new CallLink(this.#dialer, this.address)
    const link = this.#link
    const { id, answered } = link.call(path, request)
    const timer = this.#clock.after(timeoutMs, () => link.giveUp(id, new ShoalError('deadline-exceeded', 'deadline-exceeded', `${this.address} did not answer in time`)))
    const onAbort = (): void => link.giveUp(id, signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await answered
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #closed(): ShoalError { return new ShoalError('unavailable', 'rpc-unavailable', `the client of ${this.address} is closed`) }
}
