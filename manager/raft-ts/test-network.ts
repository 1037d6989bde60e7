import type { Message } from './message.ts'
import { RaftError } from './storage.ts'
import { TestPeer, type TestPeerOptions } from './test-peer.ts'

/** Messages after which a network that does not come to rest counts as broken. */
const DELIVERIES_MAX = 10_000

/** For tests: nodes and the messages between them, delivered in order and at once unless a test cuts a way. */
export class TestNetwork {
  readonly peers = new Map<number, TestPeer>()
  /** Everything that was sent, also what was lost. */
  readonly log: Message[] = []
  readonly #queue: Message[] = []
  #isLost: (message: Message) => boolean = () => false

  /** One node for each id, all of them voters unless `options` say otherwise. */
  constructor(ids: readonly number[], options: TestPeerOptions | ((id: number) => TestPeerOptions) = {}) {
    for (const id of ids) this.add(id, { voters: ids, ...typeof options === 'function' ? options(id) : options })
  }

  add(id: number, options: TestPeerOptions): TestPeer {
    const peer = new TestPeer({ ...options, id })
    this.peers.set(id, peer)
    return peer
  }

  peer(id: number): TestPeer {
    const peer = this.peers.get(id)
    if (peer === undefined) throw new Error(`there is no node ${id}`)
    return peer
  }

  /** The node that leads in the newest term; 0 if none does. */
  get leaderId(): number {
    const leaders = [...this.peers.values()].filter(peer => peer.role === 'leader').sort((a, b) => b.term - a.term)
    return leaders[0]?.id ?? 0
  }

  /** From now on loses what this says. */
  lose(isLost: (message: Message) => boolean): void { this.#isLost = isLost }
  /** From now on loses what comes from or goes to these nodes. */
  isolate(...ids: readonly number[]): void { this.lose(({ from, to }) => ids.includes(from) || ids.includes(to)) }
  heal(): void { this.lose(() => false) }

  /** Lets a node do something, then delivers until all is quiet. */
  act(id: number, action: (peer: TestPeer) => readonly Message[] | void): void {
    const peer = this.peer(id)
    this.#send(action(peer) ?? [])
    this.#send(peer.work())
    this.deliver()
  }

  /** Each node's clock ticks, in turn, with all deliveries in between. */
  tick(ticks = 1, ids: readonly number[] = [...this.peers.keys()]): void {
    for (let i = 0; i < ticks; i++) for (const id of ids) this.act(id, peer => peer.tick())
  }

  deliver(): void {
    for (let count = 0; this.#queue.length > 0; count++) {
      if (count > DELIVERIES_MAX) throw new Error('the network does not come to rest')
      const message = this.#queue.shift() as Message
      const to = this.peers.get(message.to)
      if (to === undefined || this.#isLost(message)) continue
      try {
        to.node.step(message)
      } catch (error) {
        if (!(error instanceof RaftError)) throw error
      }
      this.#send(to.work())
    }
  }

  #send(messages: readonly Message[]): void {
    this.log.push(...messages)
    this.#queue.push(...messages)
  }
}
