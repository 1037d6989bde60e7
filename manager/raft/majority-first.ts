import type { Entry, Message } from 'raft-ts/message'
import type { Raft } from 'raft-ts/raft'
import type { Clock, Timer } from '../../src/base/clock.ts'
import { AckPace } from './ack-pace.ts'

/** How long appends to a spare voter gather: some writes of a lone client, one or two of many clients. */
const GATHER_MS = 20
/** So many bytes wait no longer. */
const GATHERED_BYTES_MAX = 256 * 1024
/** A needed voter is too slow when it takes so many times as long as a spare one, and so much longer. */
const MUCH_SLOWER = 2
const MUCH_SLOWER_MS = 10

/** What MajorityFirst works with. */
export interface MajorityFirstOptions {
  readonly raft: Pick<Raft, 'id' | 'tracker' | 'leaderTransferee' | 'pendingConfIndex' | 'log'>
  readonly send: (message: Message, records?: AsyncIterable<Uint8Array>) => void
  readonly clock: Clock
  /** Nothing is sent any more once it aborted. */
  readonly signal: AbortSignal
}

/** Appends to one member that go on from each other. */
interface Gathered { readonly first: Message; readonly entries: Entry[]; commit: number; bytes: number }

/**
 * Sends a leader's appends at once to as many voters as a majority needs; to the others they go up to 20 ms later, as one message (D-743). The core takes it
 * for a slow network. Who is needed stays so until it acknowledges much later than a spare one would: each change costs the other some catching up.
 */
export class MajorityFirst {
  readonly #options: MajorityFirstOptions
  readonly #gathered = new Map<number, Gathered>()
  readonly #paces = new Map<number, AckPace>()
  /** The other voters, those that are needed in front. */
  #ranked: readonly number[] = []
  #term = 0
  #timer: Timer | undefined

  constructor(options: MajorityFirstOptions) {
    this.#options = options
    options.signal.addEventListener('abort', () => this.#timer?.cancel(), { once: true })
  }

  /** Sends a message of the core, or lets it wait. */
  send(message: Message, records?: AsyncIterable<Uint8Array>): void {
    if (message.type !== 'MsgApp') return this.#options.send(message, records)
    if (message.term !== this.#term) this.#paces.clear()
    this.#term = message.term
    if (!this.#mayWait(message)) {
      this.#flush(message.to)
      return this.#sendNow(message)
    }
    if (this.#gather(message) > GATHERED_BYTES_MAX) this.#flush(message.to)
    else this.#timer ??= this.#options.clock.after(GATHER_MS, () => this.#flushAll())
  }

  /** The core took an acknowledgement from this member. */
  acknowledged(raftId: number): void {
    const { raft: { tracker }, clock } = this.#options
    this.#paces.get(raftId)?.acknowledged(tracker.progressOf(raftId)?.match ?? 0, clock.monotonicMs())
  }

  /** Probes don't wait, nor does what a change of members or a transfer of the leadership waits for. */
  #mayWait({ to, context }: Message): boolean {
    const { tracker, leaderTransferee, pendingConfIndex, log } = this.#options.raft
    return context === undefined && tracker.progressOf(to)?.state === 'replicate' && leaderTransferee === 0 && pendingConfIndex <= log.applied && this.#isSpare(to)
  }

  #isSpare(to: number): boolean {
    const { id, tracker } = this.#options.raft
    const { incoming, outgoing } = tracker.config.voters
    if (outgoing.size > 0 || !incoming.has(to)) return false
    // Upwards from the leader, as they stand for election when it dies (early-campaign.ts): the first is to have all that was acknowledged.
    const upwards = [...tracker.voterIds.filter(voter => voter > id), ...tracker.voterIds.filter(voter => voter < id)]
    this.#ranked = [...this.#ranked.filter(voter => incoming.has(voter)), ...upwards.filter(voter => !this.#ranked.includes(voter))]
    const needed = Math.floor(incoming.size / 2) + (incoming.has(id) ? 0 : 1)
    this.#exchange(needed)
    return this.#ranked.indexOf(to) >= needed
  }

  /** The slowest that is needed gives its place to the quickest spare one, if that is so much quicker. */
  #exchange(needed: number): void {
    const { raft: { tracker }, clock } = this.#options
    const nowMs = clock.monotonicMs()
    const delayMs = (voter: number): number => tracker.progressOf(voter)?.state === 'replicate' ? this.#paces.get(voter)?.delayMs(nowMs) ?? 0 : Infinity
    const slowest = this.#ranked.slice(0, needed).sort((a, b) => delayMs(b) - delayMs(a))[0]
    const quickest = this.#ranked.slice(needed).sort((a, b) => delayMs(a) - delayMs(b))[0]
    if (slowest === undefined || quickest === undefined || delayMs(slowest) <= delayMs(quickest) * MUCH_SLOWER + MUCH_SLOWER_MS) return
    this.#ranked = this.#ranked.map(voter => voter === slowest ? quickest : voter === quickest ? slowest : voter)
  }

  /** @returns the bytes that wait for the member now */
  #gather(message: Message): number {
    const { to, term, index, entries, commit } = message
    const before = this.#gathered.get(to)
    if (before !== undefined && (before.first.term !== term || before.first.index + before.entries.length !== index)) this.#flush(to)
    const gathered = this.#gathered.get(to) ?? { first: message, entries: [], commit, bytes: 0 }
    this.#gathered.set(to, gathered)
    gathered.entries.push(...entries)
    gathered.commit = Math.max(gathered.commit, commit)
    for (const { data } of entries) gathered.bytes += data.length
    return gathered.bytes
  }

  #flush(to: number): void {
    const gathered = this.#gathered.get(to)
    if (gathered === undefined) return
    this.#gathered.delete(to)
    this.#sendNow({ ...gathered.first, entries: gathered.entries, commit: gathered.commit })
  }

  #sendNow(message: Message): void {
    const { raft: { tracker }, send, clock } = this.#options
    const { to, index, entries } = message
    if (entries.length > 0 && tracker.progressOf(to)?.state === 'replicate') this.#paceOf(to).sent(index + entries.length, clock.monotonicMs())
    send(message)
  }

  #paceOf(raftId: number): AckPace {
    const pace = this.#paces.get(raftId) ?? new AckPace()
    this.#paces.set(raftId, pace)
    return pace
  }

  #flushAll(): void {
    this.#timer = undefined
    for (const to of [...this.#gathered.keys()]) this.#flush(to)
  }
}
