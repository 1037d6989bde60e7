import { CALLS_RPC } from '../../../src/api/codec/methods.ts'
import type { StreamedCall } from '../../../src/api/swarm/calls.ts'
import type { LeanCaller } from './lean-caller.ts'

interface Waiting { readonly resolve: (response: Uint8Array) => void; readonly reject: (error: unknown) => void }

/** What src/api/calls/call-stream-client.ts does, without deadlines and aborts: calls of one turn in one message of one stream. */
export class LeanCalls implements Disposable {
  readonly #caller: LeanCaller
  readonly #send: (message: Uint8Array) => void
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #queue: StreamedCall[] = []

  /** @param caller of CALLS_RPC.exchange; disposed with this */
  constructor(caller: LeanCaller) {
    this.#caller = caller
    this.#send = caller.stream(message => this.#settle(message), error => this.#fail(error))
  }

  call(method: string, request: Uint8Array): Promise<Uint8Array> {
    const id = ++this.#lastId
    if (this.#queue.length === 0) queueMicrotask(() => {
      this.#send(CALLS_RPC.exchange.encodeRequest({ calls: this.#queue, cancelled: [] }))
      this.#queue = []
    })
    this.#queue.push({ id, method, request })
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  [Symbol.dispose](): void { this.#caller[Symbol.dispose]() }

  #settle(message: Buffer): void {
    for (const { id, response, failure } of CALLS_RPC.exchange.decodeResponse(message).answers) {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (failure === undefined) waiting?.resolve(response)
      else waiting?.reject(new Error(failure.message))
    }
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
