import type { Message, MessageType } from 'raft-ts/message'
import type { RaftEnvelope, RaftMember } from '../../src/api/swarm/raft.ts'
import { isDialable } from './member-address.ts'
import { encodeMessage } from './message-codec.ts'
import { PeerAddresses } from './peer-addresses.ts'
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
  /** A member that is silent for longer is missing: only then does hearsay of where it is count. */
  readonly silenceMaxMs: () => number
  /** Where this node is reached: peers that do not know it yet answer there. */
  readonly selfAddr: string
}

/** The ways to all other members. */
export class PeerSet implements AsyncDisposable {
  readonly #options: PeerSetOptions
  readonly #peers = new Map<number, Peer>()
  readonly #addresses = new PeerAddresses()
  readonly #strangers = new Map<number, string>()
  readonly #heardAtMs = new Map<number, number>()
  readonly #closing = new Set<Promise<void>>()
  #isClosed = false

  constructor(options: PeerSetOptions) { this.#options = options }

  /** Connects to new members, anew to those with another address, and no longer to those that are gone. */
  setMembers(members: readonly RaftMember[]): void {
    this.#addresses.setMembers(members)
    for (const { raftId } of members) this.#strangers.delete(raftId)
    this.#reconnect()
  }

  /**
   * This node speaks from `addr`: a member that moved is answered there, whatever the log says, for without it there may be no quorum that
   * could write its new address down. One that is no member is answered too.
   */
  heard(raftId: number, addr: string): void {
    if (raftId === this.#options.selfId) return
    this.#heardAtMs.set(raftId, this.#options.clock.monotonicMs())
    this.#peers.get(raftId)?.heard()
    if (this.#addresses.has(raftId)) {
      this.#moved(raftId, addr)
      return
    }
    if (this.#peers.has(raftId) || addr === '') return
    const [oldest] = this.#strangers.keys()
    if (this.#strangers.size >= STRANGERS_MAX && oldest !== undefined) {
      this.#strangers.delete(oldest)
      this.#drop(oldest)
    }
    this.#strangers.set(raftId, addr)
    this.#add(raftId, addr)
  }

  /** Another manager says that the member is at `addr`: worth a try for one that is silent where it was. */
  heardOf(raftId: number, addr: string): void {
    if (this.silentMs(raftId) > this.#options.silenceMaxMs()) this.#moved(raftId, addr)
  }

  /** Where a member is dialled; undefined for others. */
  addressOf(raftId: number): string | undefined { return this.#addresses.addressOf(raftId) }

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
      else peer.sendSnapshot({ ...this.#greeting(message.to), message: encodeMessage(message) }, records)
      return
    }
    if (peer === undefined) this.#options.onUnreachable(message.to)
    else peer.send(encodeMessage(message), APPENDS.has(message.type) ? 'appends' : 'control')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#connect(new Map())
    await Promise.all(this.#closing)
  }

  #moved(raftId: number, addr: string): void {
    const before = this.#addresses.addressOf(raftId)
    if (before === addr || !isDialable(addr) || raftId === this.#options.selfId) return
    this.#addresses.found(raftId, addr)
    if (this.#addresses.addressOf(raftId) === before) return
    this.#options.logger.info('a manager is at another address', { raftId, before, addr })
    this.#reconnect()
  }

  #reconnect(): void {
    const wanted = new Map(this.#strangers)
    for (const raftId of this.#addresses.ids) {
      const addr = this.#addresses.addressOf(raftId)
      if (raftId !== this.#options.selfId && addr !== undefined && addr !== '') wanted.set(raftId, addr)
    }
    this.#connect(wanted)
  }

  #connect(wanted: ReadonlyMap<number, string>): void {
    for (const [raftId, peer] of [...this.#peers]) if (wanted.get(raftId) !== peer.addr) this.#drop(raftId)
    for (const [raftId, addr] of wanted) if (!this.#peers.has(raftId)) this.#add(raftId, addr)
  }

  #add(raftId: number, addr: string): void {
    if (!this.#isClosed) this.#peers.set(raftId, new Peer(addr, this.#greeting(raftId), this.#options))
  }

  #drop(raftId: number): void {
    const peer = this.#peers.get(raftId)
    if (peer === undefined) return
    this.#peers.delete(raftId)
    const closing = peer[Symbol.asyncDispose]().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  #greeting(to: number): RaftEnvelope {
    const { clusterId, forkId, selfId, selfAddr } = this.#options
    return { clusterId, forkId, from: selfId, to, message: new Uint8Array(), fromAddr: selfAddr }
  }
}
