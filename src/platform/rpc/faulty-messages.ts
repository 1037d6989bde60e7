import type { Clock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import type { MessageChannel, MessageChannelEvents } from '../../base/message-channel.ts'
import type { FaultyLink } from './faulty-link.ts'

/** Messages on the way before the sender had better wait. */
const WINDOW = 64

/** What a FaultyChannel works with. */
export interface FaultyChannelOptions {
  readonly link: FaultyLink
  readonly clock: Clock
  readonly events: MessageChannelEvents
  /** Opens the channel behind the link. */
  readonly open: (events: MessageChannelEvents) => MessageChannel
}

/** A channel of messages over a link with faults: many messages are on the way at once, and arrive in their order. */
export class FaultyChannel implements MessageChannel {
  readonly #options: FaultyChannelOptions
  readonly #life = new AbortController()
  readonly #stop: () => void
  readonly #onWay: { readonly message: Uint8Array; readonly dueMs: number }[] = []
  #inner: MessageChannel | undefined
  #isMoving = false
  #isFull = false
  #isOver = false

  constructor(options: FaultyChannelOptions) {
    this.#options = options
    this.#stop = options.link.endings(this.#life)
    void this.#run(() => this.#connect())
  }

  send(message: Uint8Array): boolean {
    this.#onWay.push({ message, dueMs: this.#options.clock.monotonicMs() + this.#options.link.delayMs() })
    if (!this.#isMoving) void this.#run(() => this.#move())
    this.#isFull = this.#onWay.length >= WINDOW
    return !this.#isFull
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stop()
    this.#inner?.[Symbol.dispose]()
    this.#life.abort(new ShoalError('cancelled', 'cancelled', 'the channel is over'))
  }

  async #connect(): Promise<void> {
    const { link, open, events } = this.#options
    this.#life.signal.addEventListener('abort', () => this.#closed(this.#life.signal.reason as ShoalError), { once: true })
    await link.open(this.#life.signal, 'both')
    this.#inner = open({
      onReady: events.onReady,
      onAccepted: () => void this.#run(async () => {
        await link.pass(this.#life, 'back')
        events.onAccepted()
      }),
      onClosed: error => this.#closed(error),
    })
  }

  async #move(): Promise<void> {
    const { link, clock, events } = this.#options
    this.#isMoving = true
    for (let next = this.#onWay[0]; next !== undefined; next = this.#onWay[0]) {
      const waitMs = next.dueMs - clock.monotonicMs()
      if (waitMs > 0) await clock.sleep(waitMs, this.#life.signal)
      await link.open(this.#life.signal, 'there')
      link.arrive(this.#life)
      this.#onWay.shift()
      this.#inner?.send(next.message)
    }
    this.#isMoving = false
    if (!this.#isFull) return
    this.#isFull = false
    events.onReady()
  }

  /** What it waits for ends with the channel. */
  async #run(step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      if (!this.#life.signal.aborted) throw error
    }
  }

  #closed(error: ShoalError): void {
    if (this.#isOver) return
    this[Symbol.dispose]()
    this.#options.events.onClosed(error)
  }
}
