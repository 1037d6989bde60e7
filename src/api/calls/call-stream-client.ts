import { hasCode, ERROR_KINDS, ShoalError } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import { UNARY_TIMEOUT_MS, type RpcCallOptions, type RpcClient, type RpcMethod } from '../../base/rpc.ts'
import { CALLS_RPC, CONTROL_RPC } from '../codec/methods.ts'
import type { CallFailure, StreamedAnswer, StreamedCall, StreamedCalls } from '../swarm/calls.ts'

/** Larger requests get a stream of their own: others would wait behind them. */
const REQUEST_BYTES_MAX = 64 * 1024
/** Bytes of requests that travel in one message. */
const MESSAGE_BYTES_MAX = 1024 * 1024
/** What may answer with much more than it is asked. */
const OWN_STREAM: ReadonlySet<string> = new Set([CONTROL_RPC.list.path])

interface Waiting { readonly resolve: (response: Uint8Array) => void; readonly reject: (error: unknown) => void }

/**
 * An RpcClient whose small unary calls share one long-lived stream; calls made in one turn travel together (D-682). Everything else, and what a server
 * does not take this way, goes out as usual. The stream is made at the first call and again when it breaks: calls under way then fail, as they would alone.
 */
export class CallStreamClient implements RpcClient {
  readonly #client: RpcClient
  readonly #clock: Clock
  #stream: CallStream | undefined

  /** @param client is disposed with this one */
  constructor(client: RpcClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  get address(): string { return this.#client.address }

  async unary<Req, Res>(method: RpcMethod<Req, Res>, request: Req, options: RpcCallOptions = {}): Promise<Res> {
    options.signal?.throwIfAborted()
    if (options.metadata !== undefined || OWN_STREAM.has(method.path)) return this.#client.unary(method, request, options)
    const bytes = method.encodeRequest(request)
    if (bytes.length > REQUEST_BYTES_MAX) return this.#client.unary(method, request, options)
    if (this.#stream === undefined || this.#stream.isOver) this.#stream = new CallStream(this.#client)
    try {
      return method.decodeResponse(await this.#answer(this.#stream, method.path, bytes, options))
    } catch (error) {
      if (!hasCode(error, 'no-such-method')) throw error
    }
    return this.#client.unary(method, request, options)
  }

  stream<Req, Res>(method: RpcMethod<Req, Res>, requests: AsyncIterable<Req>, options?: RpcCallOptions): AsyncIterable<Res> { return this.#client.stream(method, requests, options) }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stream?.[Symbol.asyncDispose]()
    await this.#client[Symbol.asyncDispose]()
  }

  async #answer(stream: CallStream, path: string, request: Uint8Array, { signal, timeoutMs = UNARY_TIMEOUT_MS }: RpcCallOptions): Promise<Uint8Array> {
    const { id, answered } = stream.call(path, request)
    const timer = this.#clock.after(timeoutMs, () => stream.giveUp(id, new ShoalError('deadline-exceeded', 'deadline-exceeded', `${this.address} did not answer in time`)))
    const onAbort = (): void => stream.giveUp(id, signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await answered
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }
}

/** One stream and the calls on it. It begins at once, and is over for good when it breaks. */
class CallStream implements AsyncDisposable {
  readonly #client: RpcClient
  readonly #waiting = new Map<number, Waiting>()
  readonly #abort = new AbortController()
  readonly #ended: Promise<void>
  #queue: StreamedCall[] = []
  #cancelled: number[] = []
  #lastId = 0
  #wake: () => void = () => {}
  isOver = false

  constructor(client: RpcClient) {
    this.#client = client
    this.#ended = this.#run()
  }

  call(method: string, request: Uint8Array): { readonly id: number; readonly answered: Promise<Uint8Array> } {
    const id = ++this.#lastId
    const answered = new Promise<Uint8Array>((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#queue.push({ id, method, request })
    this.#wake()
    return { id, answered }
  }

  /** Fails a call that was not answered yet, and tells the other side that nobody waits for it. */
  giveUp(id: number, error: unknown): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    waiting.reject(error)
    this.#cancelled.push(id)
    this.#wake()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort(new ShoalError('unavailable', 'rpc-unavailable', `the client of ${this.#client.address} is closed`))
    this.#wake()
    await this.#ended
  }

  async #run(): Promise<void> {
    try {
      for await (const { answers } of this.#client.stream(CALLS_RPC.exchange, this.#outgoing(), { signal: this.#abort.signal })) {
        for (const answer of answers) this.#settle(answer)
      }
      this.#end(new ShoalError('unavailable', 'rpc-unavailable', `${this.#client.address} ended its stream of calls`))
    } catch (error) {
      this.#end(error)
    }
  }

  #settle({ id, response, failure }: StreamedAnswer): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (failure === undefined) waiting?.resolve(response)
    else waiting?.reject(errorOf(failure))
  }

  #end(error: unknown): void {
    this.isOver = true
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
    this.#wake()
  }

  async *#outgoing(): AsyncGenerator<StreamedCalls, void, undefined> {
    while (!this.isOver && !this.#abort.signal.aborted) {
      if (this.#queue.length === 0 && this.#cancelled.length === 0) await new Promise<void>(resolve => { this.#wake = resolve })
      else yield this.#take()
    }
  }

  #take(): StreamedCalls {
    let bytes = 0
    const end = this.#queue.findIndex(({ request }) => (bytes += request.length) > MESSAGE_BYTES_MAX)
    const calls = end < 0 ? this.#queue : this.#queue.slice(0, end)
    this.#queue = end < 0 ? [] : this.#queue.slice(end)
    const cancelled = this.#cancelled
    this.#cancelled = []
    return { calls, cancelled }
  }
}

function errorOf({ kind, code, message }: CallFailure): ShoalError {
  return new ShoalError(ERROR_KINDS.find(known => known === kind) ?? 'internal', code, message)
}
