import { LightAbort } from '../../base/abort.ts'
import { CallerContext } from '../../base/caller-context.ts'
import { messageOf, ShoalError } from '../../base/errors.ts'
import type { FrameLink, FrameLinkEvents, FrameLinkHandler } from '../../base/frame-link.ts'
import type { Logger } from '../../base/logger.ts'
import { cancellationOf, type RpcContext, type RpcHandler, type RpcMethod } from '../../base/rpc.ts'
import { decode, encode } from '../codec/codec.ts'
import type { CallFailure, StreamedAnswer, StreamedCall } from '../swarm/calls.ts'
import { ANSWER_BYTES_MAX, BATCH_BYTES_MAX, CALLS_FRAME_BYTES_MAX, CALLS_MAX, ENTRY_BYTES } from './call-limits.ts'

interface Unary { readonly method: RpcMethod<unknown, unknown>; readonly call: NonNullable<RpcHandler<unknown, unknown>['unary']> }

/** The unary methods of a server, for callers that make many small calls over one link (CallStreamClient). */
export class CallTable {
  readonly #methods = new Map<string, Unary>()
  readonly #logger: Logger

  constructor(logger: Logger) { this.#logger = logger }

  /** Takes part if it is unary. The handler sees the link's caller, with a signal of its own. */
  add<Req, Res>(method: RpcMethod<Req, Res>, { unary }: RpcHandler<Req, Res>): void {
    if (unary !== undefined) this.#methods.set(method.path, { method: method as RpcMethod<unknown, unknown>, call: unary as Unary['call'] })
  }

  /** Serves links. */
  readonly handler: FrameLinkHandler = (link, context) => new CallSession(this, link, context)

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

/** One link: calls begin in their order, and are answered as they end; answers of one turn travel together. */
class CallSession implements FrameLinkEvents {
  readonly frameBytesMax = CALLS_FRAME_BYTES_MAX
  readonly #table: CallTable
  readonly #link: FrameLink
  readonly #context: RpcContext
  readonly #underWay = new Map<number, LightAbort>()
  #answers: StreamedAnswer[] = []
  #isFull = false
  #isFlushing = false
  #isPaused = false
  #isOver = false

  constructor(table: CallTable, link: FrameLink, context: RpcContext) {
    this.#table = table
    this.#link = link
    this.#context = context
  }

  onReady(): void {
    this.#isFull = false
    this.#flush()
  }

  onFrame(frame: Uint8Array): void {
    const { calls, cancelled } = decode('StreamedCalls', frame)
    for (const call of calls) this.#begin(call)
    for (const id of cancelled) this.#underWay.get(id)?.abort(new ShoalError('cancelled', 'cancelled', 'the caller gave up'))
    this.#review()
  }

  onClosed(error: Error): void {
    this.#isOver = true
    this.#answers = []
    for (const abort of this.#underWay.values()) abort.abort(error)
    this.#underWay.clear()
  }

  #begin(call: StreamedCall): void {
    const abort = new LightAbort()
    this.#underWay.set(call.id, abort)
    void this.#table.answer(call, new CallerContext(this.#context, abort, abort)).then(answer => this.#answered(answer))
  }

  #answered(answer: StreamedAnswer): void {
    this.#underWay.delete(answer.id)
    if (this.#isOver) return
    this.#answers.push(answer)
    if (this.#isFlushing || this.#isFull) return
    this.#isFlushing = true
    queueMicrotask(() => {
      this.#isFlushing = false
      this.#flush()
    })
  }

  #flush(): void {
    while (this.#answers.length > 0 && !this.#isFull && !this.#isOver) this.#isFull = !this.#link.send(encode('StreamedAnswers', { answers: this.#take() }))
    this.#review()
  }

  /** Who does not read its answers, or has more calls under way than any daemon, is not read either. */
  #review(): void {
    const shouldPause = this.#isFull || this.#underWay.size > CALLS_MAX
    if (shouldPause === this.#isPaused) return
    this.#isPaused = shouldPause
    if (shouldPause) this.#link.pause()
    else this.#link.resume()
  }

  #take(): readonly StreamedAnswer[] {
    let bytes = 0
    const end = this.#answers.findIndex(({ response, failure }, at) => (bytes += ENTRY_BYTES + response.length + (failure?.message.length ?? 0)) > BATCH_BYTES_MAX && at > 0)
    const taken = end < 0 ? this.#answers : this.#answers.slice(0, end)
    this.#answers = end < 0 ? [] : this.#answers.slice(end)
    return taken
  }
}

function failureOf(error: unknown): CallFailure {
  if (error instanceof ShoalError) return { kind: error.kind, code: error.code, message: error.message }
  return { kind: 'internal', code: 'internal-error', message: messageOf(error) }
}
