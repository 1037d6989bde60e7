import { RAFT_RPC } from '../../src/api/codec/methods.ts'
import type { RaftEnvelope } from '../../src/api/swarm/raft.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { MessageDialer } from '../../src/base/message-channel.ts'
import type { Random } from '../../src/base/random.ts'
import type { RpcClient } from '../../src/base/rpc.ts'
import { TaskGroup } from '../../src/base/task-group.ts'
import { PeerStream } from './peer-stream.ts'
import { snapshotChunks } from './snapshot-stream.ts'

/** Two connections, so that a vote or a heartbeat never waits behind data. */
const CLASSES = ['control', 'appends'] as const
export type MessageClass = (typeof CLASSES)[number]

/** What a Peer works with, and whom it tells. The callbacks must not throw. */
export interface PeerContext {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly dialer: MessageDialer
  /** Messages to this peer were lost. */
  readonly onUnreachable: (raftId: number) => void
  /** A snapshot arrived, or did not. Once for each sendSnapshot(). */
  readonly onSnapshotSent: (raftId: number, outcome: 'finished' | 'failed') => void
  /** The peer refused this node's messages. */
  readonly onRefused: (raftId: number, error: unknown) => void
  /** The peer's process ended: the connection with it broke, and nobody listens at its address any more. */
  readonly onGone: (raftId: number) => void
}

/** The way to one member: a long-lived stream for each class of messages, and snapshots beside them. */
export class Peer implements AsyncDisposable {
  readonly raftId: number
  readonly addr: string
  readonly #context: PeerContext
  readonly #client: RpcClient
  readonly #tasks: TaskGroup
  readonly #streams: Readonly<Record<MessageClass, PeerStream>>

  /** @param greeting says to the member who speaks; without a message */
  constructor(addr: string, greeting: RaftEnvelope, context: PeerContext) {
    const raftId = greeting.to
    this.raftId = raftId
    this.addr = addr
    this.#context = context
    this.#client = context.dialer.dial(addr)
    this.#tasks = new TaskGroup(context.logger)
    const stream = (): PeerStream => new PeerStream({ ...context, addr, greeting, onUnreachable: () => context.onUnreachable(raftId), onRefused: error => context.onRefused(raftId, error), onGone: () => context.onGone(raftId) })
    this.#streams = { control: stream(), appends: stream() }
    for (const each of CLASSES) this.#tasks.run(`raft ${each}`, signal => this.#streams[each].run(signal))
  }

  /** Queues a message; drops it, and reports the peer unreachable, when too much waits already. */
  send(message: Uint8Array, messageClass: MessageClass): void { this.#streams[messageClass].send(message) }

  /** A message came from this peer. */
  heard(): void { for (const each of CLASSES) this.#streams[each].heard() }

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
}
