import { encode } from '../../src/api/codec/codec.ts'
import type { RaftEnvelope } from '../../src/api/swarm/raft.ts'
import { Backoff } from '../../src/base/backoff.ts'
import type { Clock } from '../../src/base/clock.ts'
import { hasCode } from '../../src/base/errors.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { MessageChannel, MessageDialer } from '../../src/base/message-channel.ts'
import type { Random } from '../../src/base/random.ts'

/** Where members take each other's messages: channels whose first message is a RaftEnvelope that says who speaks to whom, and each other one a message of raft. */
export const RAFT_MESSAGES = 'shoal.v1.Raft/Messages'

/** Messages that wait for one peer (swarmkit's figure). When there are more, new ones are dropped and raft sends again. */
const QUEUE_MESSAGES_MAX = 4096
/** The same in bytes: what a peer that does not read may cost. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024
/** Well below the election timeout, so that a peer that comes back is found before anybody campaigns. */
const RECONNECT_BASE_MS = 50
const RECONNECT_MAX_MS = 1000

/** What a PeerStream works with. The callbacks must not throw. */
export interface PeerStreamContext {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly dialer: MessageDialer
  readonly addr: string
  /** Says who speaks; without a message. */
  readonly greeting: RaftEnvelope
  /** Messages were lost. */
  readonly onUnreachable: () => void
  /** The other side refused this node's messages. */
  readonly onRefused: (error: unknown) => void
  /** The stream broke, and the first try to make it again found nobody at the address: the other process ended. A link that is cut, or a process that is stopped, gives no such sign. */
  readonly onGone: () => void
}

/** One long-lived channel of messages to a member, made again when it breaks. Who sends them is said once. */
export class PeerStream {
  readonly #context: PeerStreamContext
  readonly #backoff: Backoff
  #queue: Uint8Array[] = []
  #queueBytes = 0
  /** There while it takes messages. */
  #channel: MessageChannel | undefined
  #endPause: () => void = () => {}

  constructor(context: PeerStreamContext) {
    this.#context = context
    this.#backoff = new Backoff({ baseMs: RECONNECT_BASE_MS, maxMs: RECONNECT_MAX_MS, random: context.random })
  }

  /** Sends a message, or queues it; drops it, and reports the peer unreachable, when too much waits already. */
  send(message: Uint8Array): void {
    if (this.#channel !== undefined) {
      this.#give(this.#channel, message)
      return
    }
    if (this.#queue.length >= QUEUE_MESSAGES_MAX || this.#queueBytes + message.length > QUEUE_BYTES_MAX) {
      this.#context.onUnreachable()
      return
    }
    this.#queue.push(message)
    this.#queueBytes += message.length
  }

  /** The other side spoke: a pause before the next try may end. */
  heard(): void { this.#endPause() }

  /** Keeps the channel up until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger, addr, onUnreachable, onRefused, onGone } = this.#context
    for (let wasUp = false; !signal.aborted;) {
      const { err, isUp } = await this.#connection(signal)
      if (signal.aborted) return
      logger.debug('raft peer is not reached', { peer: addr, err })
      onRefused(err)
      if (wasUp && hasCode(err, 'rpc-refused')) onGone()
      wasUp = isUp
      // What waited is old by the time the peer is back; raft sends again what is still needed.
      this.#queue = []
      this.#queueBytes = 0
      onUnreachable()
      await this.#pause(signal)
    }
  }

  /** One channel, until it is over. */
  async #connection(signal: AbortSignal): Promise<{ readonly err: unknown; readonly isUp: boolean }> {
    const { dialer, addr, greeting } = this.#context
    return new Promise(resolve => {
      let isGreeted = false
      let isUp = false
      const over = (err: unknown): void => {
        signal.removeEventListener('abort', onAbort)
        this.#channel = undefined
        channel[Symbol.dispose]()
        resolve({ err, isUp })
      }
      const onAbort = (): void => over(signal.reason)
      const channel = dialer.openMessages(addr, RAFT_MESSAGES, {
        onReady: () => {
          this.#channel = channel
          if (!isGreeted) this.#give(channel, encode('RaftEnvelope', greeting))
          isGreeted = true
          this.#flush()
        },
        onAccepted: () => {
          this.#backoff.reset()
          isUp = true
        },
        onClosed: over,
      })
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Waits before the next try: the full time only for a peer that is silent. */
  async #pause(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context
    const delayMs = this.#backoff.next()
    const heard = new AbortController()
    this.#endPause = () => heard.abort()
    try {
      await clock.sleep(Math.min(delayMs, RECONNECT_BASE_MS), signal)
      if (delayMs > RECONNECT_BASE_MS) await clock.sleep(delayMs - RECONNECT_BASE_MS, AbortSignal.any([signal, heard.signal]))
    } catch (error) {
      if (!heard.signal.aborted || signal.aborted) throw error
      this.#backoff.reset()
    } finally {
      this.#endPause = () => {}
    }
  }

  #give(channel: MessageChannel, message: Uint8Array): void {
    if (!channel.send(message)) this.#channel = undefined
  }

  #flush(): void {
    for (let next = this.#queue[0]; next !== undefined && this.#channel !== undefined; next = this.#queue[0]) {
      this.#queue.shift()
      this.#queueBytes -= next.length
      this.#give(this.#channel, next)
    }
  }
}
