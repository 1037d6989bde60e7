import { LightAbort } from '../../base/abort.ts'
import { messageOf, ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { cancellationOf, type RpcContext, type RpcHandler, type RpcIdentity, type RpcMethod } from '../../base/rpc.ts'
import type { CallFailure, StreamedAnswer, StreamedAnswers, StreamedCall, StreamedCalls } from '../swarm/calls.ts'

/** Calls of one stream under way; more wait unread. */
const CALLS_MAX = 4096
/** Bytes of answers that travel in one message; a larger one travels alone. */
const MESSAGE_BYTES_MAX = 1024 * 1024
/** A larger answer fails its call: as a message it would fail the stream, and all calls with it. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024

interface Unary { readonly method: RpcMethod<unknown, unknown>; readonly call: NonNullable<RpcHandler<unknown, unknown>['unary']> }

/** The unary methods of a server, for callers that make many small calls over one stream (CallStreamClient). */
export class CallTable {
  readonly #methods = new Map<string, Unary>()
  readonly #logger: Logger

  constructor(logger: Logger) { this.#logger = logger }

  /** Takes part if it is unary. The handler sees the stream's caller, with a signal of its own. */
  add<Req, Res>(method: RpcMethod<Req, Res>, { unary }: RpcHandler<Req, Res>): void {
    if (unary !== undefined) this.#methods.set(method.path, { method: method as RpcMethod<unknown, unknown>, call: unary as Unary['call'] })
  }

  /** Serves CALLS_RPC.exchange. */
  readonly handler: RpcHandler<StreamedCalls, StreamedAnswers> = (requests, context) => new CallSession(this, context).serve(requests)

  async answer({ id, method, request }: StreamedCall, context: RpcContext): Promise<StreamedAnswer> {
    try {
      const unary = this.#methods.get(method)
      if (unary === undefined) throw new ShoalError('not-implemented', 'no-such-method', `the server has no ${method}`)
      const response = unary.method.encodeResponse(await unary.call(unary.method.decodeRequest(request), context))
      if (response.length > ANSWER_BYTES_MAX) throw new ShoalError('resource-exhausted', 'message-too-large', `the answer of ${method} has ${response.length} bytes`)
      return { id, response }
    } catch (error) {
      if (!(error instanceof ShoalError) && !cancellationOf(context).aborted) this.#logger.error('handler failed', { method, err: error })
      return { id, response: new Uint8Array(), failure: failureOf(error) }
    }
  }
}

/** One stream: calls begin in their order, and are answered as they end. */
class CallSession {
  readonly #table: CallTable
  readonly #context: RpcContext
  readonly #underWay = new Map<number, LightAbort>()
  #answers: StreamedAnswer[] = []
  #end: { readonly error?: unknown } | undefined
  #wake: () => void = () => {}
  #wakeReader: () => void = () => {}

  constructor(table: CallTable, context: RpcContext) {
    this.#table = table
    this.#context = context
  }

  async *serve(requests: AsyncIterable<StreamedCalls>): AsyncGenerator<StreamedAnswers, void, undefined> {
    const reading = this.#read(requests)
    const onAbort = (): void => this.#finish({ error: this.#context.signal.reason as unknown })
    this.#context.signal.addEventListener('abort', onAbort, { once: true })
    try {
      for (;;) {
        if (this.#answers.length > 0) yield { answers: this.#take() }
        else if (this.#end !== undefined && 'error' in this.#end) throw this.#end.error
        else if (this.#end !== undefined && this.#underWay.size === 0) return
        else await new Promise<void>(resolve => { this.#wake = resolve })
      }
    } finally {
      this.#context.signal.removeEventListener('abort', onAbort)
      for (const abort of this.#underWay.values()) abort.abort(this.#context.signal.reason ?? new ShoalError('cancelled', 'cancelled', 'the caller went away'))
      this.#finish({})
      void reading
    }
  }

  async #read(requests: AsyncIterable<StreamedCalls>): Promise<void> {
    try {
      for await (const { calls, cancelled } of requests) {
        for (const call of calls) this.#begin(call)
        for (const id of cancelled) this.#underWay.get(id)?.abort(new ShoalError('cancelled', 'cancelled', 'the caller gave up'))
        while (this.#underWay.size >= CALLS_MAX && this.#end === undefined) await new Promise<void>(resolve => { this.#wakeReader = resolve })
        if (this.#end !== undefined) return
      }
      this.#finish({})
    } catch (error) {
      this.#finish({ error })
    }
  }

  #begin(call: StreamedCall): void {
    const abort = new LightAbort()
    this.#underWay.set(call.id, abort)
    void this.#table.answer(call, new CallContext(this.#context, abort)).then(answer => {
      this.#underWay.delete(call.id)
      this.#answers.push(answer)
      this.#wake()
      this.#wakeReader()
    })
  }

  #finish(end: { readonly error?: unknown }): void {
    this.#end ??= end
    this.#wake()
    this.#wakeReader()
  }

  #take(): readonly StreamedAnswer[] {
    let bytes = 0
    const end = this.#answers.findIndex(({ response }, at) => (bytes += response.length) > MESSAGE_BYTES_MAX && at > 0)
    const taken = end < 0 ? this.#answers : this.#answers.slice(0, end)
    this.#answers = end < 0 ? [] : this.#answers.slice(end)
    return taken
  }
}

/** The stream's caller, with a signal of its own. */
class CallContext implements RpcContext {
  readonly identity: RpcIdentity | undefined
  readonly remoteAddress: string
  readonly isLocal: boolean
  readonly metadata: Readonly<Record<string, string>>
  readonly cancellation: LightAbort

  constructor({ identity, remoteAddress, isLocal, metadata }: RpcContext, cancellation: LightAbort) {
    this.identity = identity
    this.remoteAddress = remoteAddress
    this.isLocal = isLocal
    this.metadata = metadata
    this.cancellation = cancellation
  }

  get signal(): AbortSignal { return this.cancellation.signal }
}

function failureOf(error: unknown): CallFailure {
  if (error instanceof ShoalError) return { kind: error.kind, code: error.code, message: error.message }
  return { kind: 'internal', code: 'internal-error', message: messageOf(error) }
}
