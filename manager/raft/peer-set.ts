import type { Message, MessageType } from 'raft-ts/message'
import type { RaftEnvelope, RaftMember } from '../../src/api/swarm/raft.ts'
import { encodeMessage } from './message-codec.ts'
import { Peer, type PeerContext } from './peer.ts'

/** Senders that are not members (yet) and are answered all the same: more at once do not occur while one change is pending. */
const STRANGERS_MAX = 16

/** Data and its answers; everything else is small and must not wait for it. */
const APPENDS: ReadonlySet<MessageType> = new Set<MessageType>(['MsgApp', 'MsgAppResp'])

/** What PeerSet works with. */
export interface PeerSetOptions extends PeerContext {
  readonly clusterId: string
  readonly forkId: string
  readonly selfId: number
  /** Where this node is reached: peers that do not know it yet answer there. */
  readonly selfAddr: string
}

/** The ways to all other members. */
export class PeerSet implements AsyncDisposable {
  readonly #options: PeerSetOptions
  readonly #peers = new Map<number, Peer>()
  readonly #strangers = new Map<number, string>()
  readonly #heardAtMs = new Map<number, number>()
  readonly #closing = new Set<Promise<void>>()
  #isClosed = false

  constructor(options: PeerSetOptions) { this.#options = options }

  /** Connects to new members, anew to those with another address, and no longer to those that are gone. */
  setMembers(members: readonly RaftMember[]): void {
    const wanted = new Map(members.filter(member => member.raftId !== this.#options.selfId && member.addr !== '').map(member => [member.raftId, member.addr]))
    for (const raftId of wanted.keys()) this.#strangers.delete(raftId)
    for (const [raftId, addr] of this.#strangers) wanted.set(raftId, addr)
    this.#connect(wanted)
  }

  /** A message came from this node. One that is no member is answered at the address it gives. */
  heard(raftId: number, addr: string): void {
    this.#heardAtMs.set(raftId, this.#options.clock.monotonicMs())
    if (this.#peers.has(raftId) || addr === '' || raftId === this.#options.selfId) return
    const [oldest] = this.#strangers.keys()
    if (this.#strangers.size >= STRANGERS_MAX && oldest !== undefined) {
      this.#strangers.delete(oldest)
      this.#drop(oldest)
    }
    this.#strangers.set(raftId, addr)
    this.#add(raftId, addr)
  }

  /** Milliseconds since a message came from this node; Infinity if none did. */
  silentMs(raftId: number): number {
    const heardAtMs = this.#heardAtMs.get(raftId)
    return heardAtMs === undefined ? Infinity : this.#options.clock.monotonicMs() - heardAtMs
  }

  /** Sends a message; a snapshot with the records of its state. Lost messages are reported, not thrown. */
  send(message: Message, records?: AsyncIterable<Uint8Array>): void {
    const peer = this.#peers.get(message.to)
    if (message.type === 'MsgSnap') {
      if (peer === undefined || records === undefined) this.#options.onSnapshotSent(message.to, 'failed')
      else peer.sendSnapshot(this.#envelope(message), records)
      return
    }
    if (peer === undefined) this.#options.onUnreachable(message.to)
    else peer.send(this.#envelope(message), APPENDS.has(message.type) ? 'appends' : 'control')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#connect(new Map())
    await Promise.all(this.#closing)
  }

  #connect(wanted: ReadonlyMap<number, string>): void {
    for (const [raftId, peer] of [...this.#peers]) if (wanted.get(raftId) !== peer.addr) this.#drop(raftId)
    for (const [raftId, addr] of wanted) if (!this.#peers.has(raftId)) this.#add(raftId, addr)
  }

  #add(raftId: number, addr: string): void {
    if (!this.#isClosed) this.#peers.set(raftId, new Peer(raftId, addr, this.#options))
  }

  #drop(raftId: number): void {
    const peer = this.#peers.get(raftId)
    if (peer === undefined) return
    this.#peers.delete(raftId)
    const closing = peer[Symbol.asyncDispose]().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  #envelope(message: Message): RaftEnvelope {
    const { clusterId, forkId, selfId, selfAddr } = this.#options
    return { clusterId, forkId, from: selfId, to: message.to, message: encodeMessage(message), fromAddr: selfAddr, more: [] }
  }
}
