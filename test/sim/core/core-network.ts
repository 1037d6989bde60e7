import type { Random } from '../../../src/base/random.ts'
import type { Message } from 'raft-ts/message'
import type { CoreCounts } from './core-counts.ts'
import type { Profile } from './core-profile.ts'

/** More than this many messages on their way: new ones are lost. */
const MESSAGES_MAX = 400
/** Delivered messages before the queue is moved to its beginning. */
const SLACK = 512

/** What became of the message that was taken from the network. */
export interface Delivery { readonly message: Message; readonly isLost: boolean }

/** The links between the nodes, ids 1 to `nodes`: loses, doubles, delays and reorders as the profile says, and cuts. */
export class CoreNetwork {
  readonly #random: Random
  readonly #profile: Profile
  readonly #nodes: number
  readonly #counts: CoreCounts
  /** By from × (nodes + 1) + to. */
  readonly #cuts: boolean[]
  #queue: Message[] = []
  #head = 0
  hasFaults = true

  constructor({ random, profile, nodes, counts }: { readonly random: Random; readonly profile: Profile; readonly nodes: number; readonly counts: CoreCounts }) {
    this.#counts = counts
    this.#random = random
    this.#profile = profile
    this.#nodes = nodes
    this.#cuts = new Array<boolean>((nodes + 1) ** 2).fill(false)
  }

  get count(): number { return this.#queue.length - this.#head }

  send(message: Message): void {
    if (this.count < MESSAGES_MAX) this.#queue.push(message)
    // A snapshot that is not sent must be reported as failed, but not from within the sender's own step: the oldest other message makes room.
    else if (message.type === 'MsgSnap') this.#queue[this.#queue.findIndex((each, at) => at >= this.#head && each.type !== 'MsgSnap')] = message
  }

  /** Takes one message out; undefined if it only moved back. */
  take(): Delivery | undefined {
    const { hasFaults } = this
    const profile = this.#profile
    if (hasFaults && this.#happens(profile.reorder)) this.#bringForward(this.#head + Math.floor(this.#random.next() * this.count))
    const message = this.#queue[this.#head]
    if (message === undefined) return undefined
    this.#queue[this.#head++] = undefined as unknown as Message
    if (this.#head > SLACK) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    if (hasFaults && this.#happens(profile.delay)) {
      this.#queue.push(message)
      this.#counts['message delayed']++
      return undefined
    }
    const isLost = this.#cuts[this.#link(message.from, message.to)] === true || (hasFaults && this.#happens(profile.drop))
    if (isLost) this.#counts['message lost']++
    if (!isLost && hasFaults && this.#happens(profile.duplicate)) {
      this.#queue.push(message)
      this.#counts['message doubled']++
    }
    return { message, isLost }
  }

  heal(): void { this.#cuts.fill(false) }
  cut(from: number, to: number): void { this.#cuts[this.#link(from, to)] = true }

  /** Halves, one way or both ways; a bridge: two sides that only one node sees both of; a ring: each sees its two neighbours. Or all whole again. */
  repartition(): void {
    this.heal()
    const dice = this.#random.next()
    if (dice < 0.35) return
    if (dice < 0.85) {
      const isOneWay = dice > 0.7
      this.#counts[isOneWay ? 'one-way cut' : 'halves']++
      const side = this.#side()
      this.#cutWhere((from, to) => side(from) && !side(to), isOneWay)
    } else if (dice < 0.95) {
      this.#counts['bridge']++
      const bridge = 1 + Math.floor(this.#random.next() * this.#nodes)
      const side = this.#side()
      this.#cutWhere((from, to) => from !== bridge && to !== bridge && side(from) && !side(to), false)
    } else {
      this.#counts['ring']++
      this.#cutWhere((from, to) => { const distance = Math.abs(from - to); return distance !== 1 && distance !== this.#nodes - 1 }, false)
    }
  }

  #side(): (id: number) => boolean {
    const mask = Math.floor(this.#random.next() * 2 ** this.#nodes)
    return id => (mask >> (id - 1) & 1) === 1
  }

  #cutWhere(isApart: (from: number, to: number) => boolean, isOneWay: boolean): void {
    for (let from = 1; from <= this.#nodes; from++) {
      for (let to = 1; to <= this.#nodes; to++) {
        if (from === to || !isApart(from, to)) continue
        this.cut(from, to)
        if (!isOneWay) this.cut(to, from)
      }
    }
  }

  #bringForward(at: number): void {
    const first = this.#queue[this.#head]
    const chosen = this.#queue[at]
    if (first === undefined || chosen === undefined) return
    this.#queue[this.#head] = chosen
    this.#queue[at] = first
  }

  /** A share of 0 draws nothing. */
  #happens(share: number): boolean { return share > 0 && this.#random.next() < share }
  #link(from: number, to: number): number { return from * (this.#nodes + 1) + to }
}
