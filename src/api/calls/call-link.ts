import { ERROR_KINDS, ShoalError } from '../../base/errors.ts'
import type { FrameLink, FrameLinkDialer, FrameLinkEvents } from '../../base/frame-link.ts'
import { decode, encode } from '../codec/codec.ts'
import type { CallFailure, StreamedAnswer, StreamedCall } from '../swarm/calls.ts'
import { ANSWERS_FRAME_BYTES_MAX, BATCH_BYTES_MAX, CALLS_MAX, ENTRY_BYTES } from './call-limits.ts'

interface Waiting { readonly resolve: (response: Uint8Array) => void; readonly reject: (error: unknown) => void }

/** One link and the calls on it: a CallTable answers. It begins at once, and is over for good when it breaks. */
export class CallLink implements FrameLinkEvents {
  readonly frameBytesMax = ANSWERS_FRAME_BYTES_MAX
  readonly #link: FrameLink
  readonly #waiting = new Map<number, Waiting>()
  #queue: StreamedCall[] = []
  #cancelled: number[] = []
  #lastId = 0
  #lastSentId = 0
  /** Sent and not answered: given up or not, the other side has to do with it. */
  #unanswered = 0
  #hasRoom = false
  #isFlushing = false
  #isOver = false

  constructor(dialer: FrameLinkDialer, address: string) { this.#link = dialer.openLink(address, this) }

  get isOver(): boolean { return this.#isOver }

  /** Only while it is not over. */
  call(method: string, request: Uint8Array): { readonly id: number; readonly answered: Promise<Uint8Array> } {
    const id = ++this.#lastId
    const answered = new Promise<Uint8Array>((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#queue.push({ id, method, request })
    this.#flushSoon()
    return { id, answered }
  }

  /** Fails a call that was not answered yet, and tells the other side, if it knows of it, that nobody waits for it. */
  giveUp(id: number, error: unknown): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    waiting.reject(error)
    if (id > this.#lastSentId) return
    this.#cancelled.push(id)
    this.#flushSoon()
  }

  /** Fails all calls, and closes the link. */
  end(error: Error): void {
    this.#link[Symbol.dispose]()
    this.onClosed(error)
  }

  onReady(): void {
    this.#hasRoom = true
    this.#flush()
  }

  onFrame(frame: Uint8Array): void {
    const { answers } = decode('StreamedAnswers', frame)
    this.#unanswered -= answers.length
    for (const answer of answers) this.#settle(answer)
    if (this.#queue.length > 0) this.#flushSoon()
  }

  onClosed(error: Error): void {
    this.#isOver = true
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
    this.#queue = []
  }

  #settle({ id, response, failure }: StreamedAnswer): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (failure === undefined) waiting?.resolve(response)
    else waiting?.reject(errorOf(failure))
  }

  #flushSoon(): void {
    if (this.#isFlushing || !this.#hasRoom) return
    this.#isFlushing = true
    queueMicrotask(() => {
      this.#isFlushing = false
      this.#flush()
    })
  }

  #flush(): void {
    while (this.#hasRoom && !this.#isOver) {
      const calls = this.#take()
      if (calls.length === 0 && this.#cancelled.length === 0) return
      const cancelled = this.#cancelled
      this.#cancelled = []
      this.#hasRoom = this.#link.send(encode('StreamedCalls', { calls, cancelled }))
    }
  }

  /** The next calls of the queue that someone still waits for, as many as fit. */
  #take(): readonly StreamedCall[] {
    if (this.#queue.length === 0) return NO_CALLS
    const calls: StreamedCall[] = []
    let bytes = 0
    let taken = 0
    for (const call of this.#queue) {
      if (this.#waiting.has(call.id)) {
        bytes += ENTRY_BYTES + call.method.length + call.request.length
        if (this.#unanswered === CALLS_MAX || (bytes > BATCH_BYTES_MAX && calls.length > 0)) break
        calls.push(call)
        this.#unanswered++
      }
      this.#lastSentId = call.id
      taken++
    }
    this.#queue = taken === this.#queue.length ? [] : this.#queue.slice(taken)
    return calls
  }
}

const NO_CALLS: readonly StreamedCall[] = []

function errorOf({ kind, code, message }: CallFailure): ShoalError {
  return new ShoalError(ERROR_KINDS.find(known => known === kind) ?? 'internal', code, message)
}
