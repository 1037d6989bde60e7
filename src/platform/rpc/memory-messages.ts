import { messageOf, ShoalError } from '../../base/errors.ts'
import type { MessageChannel, MessageChannelEvents, MessageHandler } from '../../base/message-channel.ts'
import type { RpcContext } from '../../base/rpc.ts'
import { MESSAGE_BYTES_MAX } from './rpc-limits.ts'

/** What a MemoryChannel works with. */
export interface MemoryChannelOptions {
  readonly address: string
  readonly path: string
  readonly events: MessageChannelEvents
  readonly contextOf: (signal: AbortSignal) => RpcContext
  /** The handler at the address and what to call when the channel is over; undefined if nobody listens there. Looked for once, a moment later. */
  readonly find: (channel: MemoryChannel) => { readonly handler: MessageHandler | undefined; readonly forget: () => void } | undefined
}

/** Both sides of a channel of messages inside one process. Everything comes in turns of its own, as over a socket. */
export class MemoryChannel implements MessageChannel {
  readonly #options: MemoryChannelOptions
  readonly #abort = new AbortController()
  #take: ((message: Uint8Array) => void) | undefined
  #forget: () => void = () => {}
  #isAccepted = false
  #isOver = false
  #isDisposed = false

  constructor(options: MemoryChannelOptions) {
    this.#options = options
    this.#later(() => this.#connect())
  }

  send(message: Uint8Array): boolean {
    this.#later(() => this.#deliver(message))
    return true
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true
    this.#over()
  }

  /** The channel breaks, or its receiver ends it. */
  end(error: ShoalError): void {
    if (this.#isOver) return
    this.#over()
    queueMicrotask(() => { if (!this.#isDisposed) this.#options.events.onClosed(error) })
  }

  #over(): void {
    this.#isOver = true
    this.#forget()
    this.#abort.abort(new ShoalError('cancelled', 'cancelled', 'the sender went away'))
  }

  #connect(): void {
    const { address, path, find, contextOf, events } = this.#options
    const found = find(this)
    if (found === undefined) return this.end(new ShoalError('unavailable', 'rpc-refused', `${address}: nobody listens there`))
    this.#forget = found.forget
    this.#receive(() => {
      if (found.handler === undefined) throw new ShoalError('not-implemented', 'no-such-method', `${address}: the server takes no ${path}`)
      this.#take = found.handler(contextOf(this.#abort.signal))
      this.#later(events.onReady)
    })
  }

  #deliver(message: Uint8Array): void {
    const { events } = this.#options
    this.#receive(() => {
      if (message.length > MESSAGE_BYTES_MAX) throw new ShoalError('resource-exhausted', 'message-too-large', `a message of ${message.length} bytes exceeds ${MESSAGE_BYTES_MAX}`)
      this.#take?.(message)
      if (!this.#isAccepted) this.#later(events.onAccepted)
      this.#isAccepted = true
    })
  }

  /** What the receiver does; it may end the channel. */
  #receive(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.end(error instanceof ShoalError ? new ShoalError(error.kind, error.code, error.message) : new ShoalError('internal', 'internal-error', messageOf(error)))
    }
  }

  #later(step: () => void): void { queueMicrotask(() => { if (!this.#isOver) step() }) }
}
