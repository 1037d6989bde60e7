import { RAFT_RPC } from '../../src/api/codec/methods.ts'
import type { RaftEnvelope } from '../../src/api/swarm/raft.ts'
import { abortable } from '../../src/base/abort.ts'
import { Backoff } from '../../src/base/backoff.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { Random } from '../../src/base/random.ts'
import type { RpcClient, RpcDialer } from '../../src/base/rpc.ts'
import { TaskGroup } from '../../src/base/task-group.ts'
import { snapshotChunks } from './snapshot-stream.ts'

/** Messages that wait for one peer (swarmkit's figure). When there are more, new ones are dropped and raft sends again. */
const QUEUE_MESSAGES_MAX = 4096
/** The same in bytes: what a peer that does not read may cost. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024
/** Well below the election timeout, so that a peer that comes back is found before anybody campaigns. */
const RECONNECT_BASE_MS = 50
const RECONNECT_MAX_MS = 1000

/** What a Peer works with, and whom it tells. The callbacks must not throw. */
export interface PeerContext {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly dialer: RpcDialer
  /** Messages to this peer were lost. */
  readonly onUnreachable: (raftId: number) => void
  /** A snapshot arrived, or did not. Once for each sendSnapshot(). */
  readonly onSnapshotSent: (raftId: number, outcome: 'finished' | 'failed') => void
  /** The peer refused this node's messages. */
  readonly onRefused: (raftId: number, error: unknown) => void
}

/** The way to one member: one long-lived stream of messages, made again when it breaks, and snapshots beside it. */
export class Peer implements AsyncDisposable {
  readonly raftId: number
  readonly addr: string
  readonly #context: PeerContext
  readonly #client: RpcClient
  readonly #tasks: TaskGroup
  readonly #backoff: Backoff
  #queue: RaftEnvelope[] = []
  #queueBytes = 0
  #wake: (() => void) | undefined

  constructor(raftId: number, addr: string, context: PeerContext) {
    this.raftId = raftId
    this.addr = addr
    this.#context = context
    this.#client = context.dialer.dial(addr)
    this.#tasks = new TaskGroup(context.logger)
    this.#backoff = new Backoff({ baseMs: RECONNECT_BASE_MS, maxMs: RECONNECT_MAX_MS, random: context.random })
    this.#tasks.run('raft peer', signal => this.#run(signal))
  }

  /** Queues a message; drops it, and reports the peer unreachable, when too much waits already. */
  send(envelope: RaftEnvelope): void {
    if (this.#queue.length >= QUEUE_MESSAGES_MAX || this.#queueBytes + envelope.message.length > QUEUE_BYTES_MAX) {
      this.#context.onUnreachable(this.raftId)
      return
    }
    this.#queue.push(envelope)
    this.#queueBytes += envelope.message.length
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  sendSnapshot(envelope: RaftEnvelope, records: AsyncIterable<Uint8Array>): void {
    this.#tasks.run('raft snapshot', async signal => {
      let outcome: 'finished' | 'failed' = 'failed'
      try {
        const chunks = snapshotChunks(envelope, records, () => this.#context.clock.sleep(0, signal))
        for await (const ack of this.#client.stream(RAFT_RPC.snapshot, chunks, { signal })) outcome = ack.received > 0 ? 'finished' : outcome
      } catch (err) {
        this.#context.logger.warn('sending a snapshot failed', { peer: this.addr, err })
      } finally {
        this.#context.onSnapshotSent(this.raftId, outcome)
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tasks[Symbol.asyncDispose]()
    await this.#client[Symbol.asyncDispose]()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger, onUnreachable, onRefused } = this.#context
    while (!signal.aborted) {
      const connection = new AbortController()
      try {
        for await (const ack of this.#client.stream(RAFT_RPC.messages, this.#outgoing(AbortSignal.any([signal, connection.signal])), { signal })) {
          if (ack.received > 0) this.#backoff.reset()
        }
      } catch (err) {
        if (signal.aborted) return
        logger.debug('raft peer is not reached', { peer: this.addr, err })
        onRefused(this.raftId, err)
      } finally {
        connection.abort(new Error('the stream ended'))
      }
      // What waited is old by the time the peer is back; raft sends again what is still needed.
      this.#queue = []
      this.#queueBytes = 0
      onUnreachable(this.raftId)
      await clock.sleep(this.#backoff.next(), signal)
    }
  }

  async *#outgoing(signal: AbortSignal): AsyncGenerator<RaftEnvelope, void, undefined> {
    while (!signal.aborted) {
      const envelope = this.#queue.shift()
      if (envelope !== undefined) {
        this.#queueBytes -= envelope.message.length
        yield envelope
        continue
      }
      const filled = new Promise<void>(resolve => { this.#wake = resolve })
      try {
        await abortable(filled, signal)
      } catch (error) {
        if (!signal.aborted) throw error
      }
    }
  }
}
