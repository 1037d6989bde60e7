import { RAFT_RPC } from '../../src/api/codec/methods.ts'
import type { RaftEnvelope } from '../../src/api/swarm/raft.ts'
import { Backoff } from '../../src/base/backoff.ts'
import type { Clock } from '../../src/base/clock.ts'
import { hasCode } from '../../src/base/errors.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { Random } from '../../src/base/random.ts'
import type { RpcClient } from '../../src/base/rpc.ts'

/** Messages that wait for one peer (swarmkit's figure). When there are more, new ones are dropped and raft sends again. */
const QUEUE_MESSAGES_MAX = 4096
/** The same in bytes: what a peer that does not read may cost. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024
/** Well below the election timeout, so that a peer that comes back is found before anybody campaigns. */
const RECONNECT_BASE_MS = 50
const RECONNECT_MAX_MS = 1000

/** Bytes of messages that travel in one envelope; a larger one travels alone. */
const ENVELOPE_BYTES_MAX = 1024 * 1024
const LATER = { clusterId: '', from: 0, to: 0, fromAddr: '', forkId: '' } as const

/** What a PeerStream works with. The callbacks must not throw. */
export interface PeerStreamContext {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly client: RpcClient
  /** Messages were lost. */
  readonly onUnreachable: () => void
  /** The other side refused this node's messages. */
  readonly onRefused: (error: unknown) => void
  /** The stream broke, and the first try to make it again found nobody at the address: the other process ended. A link that is cut, or a process that is stopped, gives no such sign. */
  readonly onGone: () => void
}

/** One long-lived stream of messages to a member, made again when it breaks. Messages that wait together travel together; who sends them is said once. */
export class PeerStream {
  readonly #context: PeerStreamContext
  readonly #backoff: Backoff
  #queue: RaftEnvelope[] = []
  #queueBytes = 0
  #wake: () => void = () => {}
  #endPause: () => void = () => {}

  constructor(context: PeerStreamContext) {
    this.#context = context
    this.#backoff = new Backoff({ baseMs: RECONNECT_BASE_MS, maxMs: RECONNECT_MAX_MS, random: context.random })
  }

  /** Queues a message; drops it, and reports the peer unreachable, when too much waits already. */
  send(envelope: RaftEnvelope): void {
    if (this.#queue.length >= QUEUE_MESSAGES_MAX || this.#queueBytes + envelope.message.length > QUEUE_BYTES_MAX) {
      this.#context.onUnreachable()
      return
    }
    this.#queue.push(envelope)
    this.#queueBytes += envelope.message.length
    this.#wake()
  }

  /** The other side spoke: a pause before the next try may end. */
  heard(): void { this.#endPause() }

  /** Keeps the stream up until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger, client, onUnreachable, onRefused, onGone } = this.#context
    for (let wasUp = false, isUp = false; !signal.aborted; wasUp = isUp) {
      isUp = false
      const connection = new AbortController()
      try {
        for await (const ack of client.stream(RAFT_RPC.messages, this.#outgoing(AbortSignal.any([signal, connection.signal])), { signal })) {
          if (ack.received === 0) continue
          this.#backoff.reset()
          isUp = true
        }
      } catch (err) {
        if (signal.aborted) return
        logger.debug('raft peer is not reached', { peer: client.address, err })
        onRefused(err)
        if (wasUp && hasCode(err, 'rpc-refused')) onGone()
      } finally {
        connection.abort(new Error('the stream ended'))
      }
      // What waited is old by the time the peer is back; raft sends again what is still needed.
      this.#queue = []
      this.#queueBytes = 0
      onUnreachable()
      await this.#pause(signal)
    }
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

  async *#outgoing(signal: AbortSignal): AsyncGenerator<RaftEnvelope, void, undefined> {
    const onAbort = (): void => this.#wake()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      for (let isFirst = true; !signal.aborted;) {
        const envelope = this.#take()
        if (envelope === undefined) {
          await new Promise<void>(resolve => { this.#wake = resolve })
          continue
        }
        yield isFirst ? envelope : { ...LATER, message: envelope.message, more: envelope.more }
        isFirst = false
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** All that waits, as far as it goes into one envelope. */
  #take(): RaftEnvelope | undefined {
    const first = this.#queue.shift()
    if (first === undefined) return undefined
    let bytes = first.message.length
    const more: Uint8Array[] = []
    for (let next = this.#queue[0]; next !== undefined && bytes + next.message.length <= ENVELOPE_BYTES_MAX; next = this.#queue[0]) {
      this.#queue.shift()
      more.push(next.message)
      bytes += next.message.length
    }
    this.#queueBytes -= bytes
    return more.length === 0 ? first : { ...first, more }
  }
}
