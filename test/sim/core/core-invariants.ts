import { jointVote, type JointVoters } from 'raft-ts/quorum'
import type { Entry, Message } from 'raft-ts/message'
import type { Raft } from 'raft-ts/raft'
import type { CoreCounts } from './core-counts.ts'
import type { DurableDisk } from './durable-disk.ts'

/** A promise of Raft was broken: found by the simulator. */
export class SafetyViolation extends Error {
  override readonly name = 'SafetyViolation'
  readonly invariant: string
  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`)
    this.invariant = invariant
  }
}

/** Above the terms and ids of any run: makes one number of two. */
const SPAN = 2 ** 24

/**
 * The safety properties of the paper (figure 3), of the TLA+ model beside etcd's raft and of RAFT.md, checked incrementally as the simulation goes
 * (README.md of this folder lists them). Remembers what the whole cluster has ever promised, which no single node does.
 */
export class CoreInvariants {
  readonly #leaders = new Map<number, number>()
  readonly #votes = new Map<number, number>()
  /** By index and term: a hash of what was appended there, and of the term before it. Equal everywhere means that logs match. */
  readonly #entries = new Map<number, number>()
  /** Term of each committed entry, by index. */
  readonly #committed: (number | undefined)[] = []
  readonly #states: (number | undefined)[] = []
  readonly #counts: CoreCounts
  #highest = 0
  /** Term of the leader that committed it. */
  #highestBy = 0

  readonly #only: string | undefined

  /** @param only looks away from all but this one, to show that it would notice by itself */
  constructor(counts: CoreCounts, only?: string) {
    this.#counts = counts
    this.#only = only
  }

  /** Highest index that any node has known to be committed. */
  get committedIndex(): number { return this.#highest }

  /** ElectionSafety, LeaderCompleteness: one leader per term, and it has all that was committed. */
  leads(raft: Raft): void {
    const { id, term, log } = raft
    const other = this.#leaders.get(term)
    if (other === id) return
    if (other !== undefined) this.#violated('ElectionSafety', `${id} and ${other} both lead term ${term}`)
    this.#leaders.set(term, id)
    this.#counts['leader elected']++
    const expected = this.#committed[this.#highest]
    // Late votes may still make a leader of an older term than the one that committed.
    if (expected === undefined || term <= this.#highestBy || this.#highest < log.firstIndex) return
    if (log.term(this.#highest) !== expected) this.#violated('LeaderCompleteness', `leader ${id} of term ${term} lacks the committed entry ${this.#highest} of term ${expected}`)
  }

  /** VotesPersist, SentIsDurable: a node grants at most one vote per term, whatever crashes; what votes and acknowledgements speak of is on its disk. */
  sends(message: Message, disk: DurableDisk): void {
    const { type, from, to, term, index } = message
    if (message.reject) return
    if (type === 'MsgVoteResp') {
      const other = this.#votes.get(from * SPAN + term) ?? to
      if (other !== to) this.#violated('VotesPersist', `${from} voted for ${other} and for ${to} in term ${term}`)
      this.#votes.set(from * SPAN + term, to)
      this.#counts['vote granted']++
      const { hardState } = disk
      if (hardState.term < term || (hardState.term === term && hardState.vote !== to)) this.#violated('SentIsDurable', `${from} sends its vote for ${to} in term ${term}, its disk knows of ${hardState.vote} in term ${hardState.term}`)
    } else if (type === 'MsgAppResp') {
      // In a later term the entry may have been replaced while its acknowledgement waited to be sent.
      if (disk.hardState.term < term || (disk.hardState.term === term && disk.lastIndex < index)) this.#violated('SentIsDurable', `${from} acknowledges entry ${index} in term ${term}, its disk ends with ${disk.lastIndex} in term ${disk.hardState.term}`)
    }
  }

  /** LogMatching: logs that agree on index and term agree on the entry and on the one before it. */
  appends(entry: Entry, previousTerm: number | undefined): void {
    if (previousTerm === undefined) return
    const key = entry.index * SPAN + entry.term
    let value = (previousTerm * 31 + entry.type.length) >>> 0
    for (const byte of entry.data) value = (Math.imul(value ^ byte, 0x01000193) + 1) >>> 0
    const other = this.#entries.get(key)
    if (other === undefined) this.#entries.set(key, value)
    else if (other !== value) this.#violated('LogMatching', `two entries of term ${entry.term} at ${entry.index}, or different ones before it`)
  }

  /** OneChangeAtATime: a leader appends a membership change only when it has applied the one before. */
  appendsChange(raft: Raft, entry: Entry): void {
    const before = raft.log.slice(raft.log.applied + 1, entry.index, Infinity) ?? []
    if (before.some(({ type }) => type !== 'normal')) this.#violated('OneChangeAtATime', `leader ${raft.id} appends a membership change at ${entry.index} behind one that is not applied`)
  }

  /** StateMachineSafety, CommitMonotonic, LogInv, CommittedIsDurable: the commit index of a node has moved to `to`. */
  commits(raft: Raft, from: number, holds: (id: number, index: number, term: number) => boolean): void {
    const to = raft.log.committed
    if (to < from) this.#violated('CommitMonotonic', `commit of ${raft.id} went from ${from} to ${to}`)
    if (to > raft.log.lastIndex) this.#violated('LogInv', `${raft.id} has committed ${to}, its log ends with ${raft.log.lastIndex}`)
    for (let index = from + 1; index <= to; index++) {
      const term = raft.log.term(index)
      if (term === undefined) continue
      const known = this.#committed[index]
      if (known !== undefined && known !== term) this.#violated('StateMachineSafety', `entry ${index} was committed as of term ${known} and as of term ${term} by ${raft.id}`)
      this.#committed[index] = term
    }
    if (to <= this.#highest) return
    const term = this.#committed[to]
    this.#counts['entry committed'] += to - this.#highest
    this.#highest = to
    this.#highestBy = raft.term
    if (term !== undefined && raft.role === 'leader') this.#checkDurable(raft.tracker.config.voters, id => holds(id, to, term), to, term)
  }

  /** CommittedIsDurable: what was committed leaves no disk of those that were counted for it. */
  truncated(id: number, index: number, term: number): void {
    if (this.#committed[index] === term) this.#violated('CommittedIsDurable', `${id} removes the committed entry ${index} of term ${term} from its disk`)
  }

  /** StateMachineSafety: all state machines are equal at equal indexes, and so are snapshots. */
  applies(id: number, index: number, state: number): void {
    const other = this.#states[index]
    if (other === undefined) this.#states[index] = state
    else if (other !== state) this.#violated('StateMachineSafety', `the state of ${id} at ${index} differs from others'`)
  }

  /** ReadsAreFresh: a read is served at an index that includes everything committed when it was asked for. */
  reads(id: number, index: number, committedAtRequest: number): void {
    if (index < committedAtRequest) this.#violated('ReadsAreFresh', `${id} may read at ${index}, but ${committedAtRequest} was committed when it asked`)
  }

  /** QuorumLogInv, MoreUpToDateCorrect: looked at now and then, over all disks. */
  survey(disks: readonly { readonly id: number; readonly disk: DurableDisk }[], newest: Raft | undefined): void {
    const term = this.#committed[this.#highest]
    if (newest !== undefined && newest.term >= this.#highestBy && term !== undefined) this.#checkQuorums(disks, newest.tracker.config.voters, term)
    if (term === undefined) return
    for (const { id, disk } of disks) {
      // A log may end in an old term and hold what a later one committed: what counts is the term of the leader that committed it.
      const isNewer = disk.lastTerm > this.#highestBy || (disk.lastTerm === this.#highestBy && disk.lastIndex >= this.#highest)
      if (isNewer && !disk.holds(this.#highest, term)) this.#violated('MoreUpToDateCorrect', `the log of ${id} could win over any that holds the committed entry ${this.#highest} of term ${term}, and lacks it: ${disk.describe()}`)
    }
  }

  /** Every quorum of the newest leader's configuration has a member that holds all that is committed. */
  #checkQuorums(disks: readonly { readonly disk: DurableDisk }[], voters: JointVoters, term: number): void {
    const lacks = new Map<number, boolean>()
    for (const id of [...voters.incoming, ...voters.outgoing]) lacks.set(id, disks[id - 1]?.disk.holds(this.#highest, term) !== true)
    if (jointVote(voters, lacks) === 'won') this.#violated('QuorumLogInv', `a quorum lacks the committed entry ${this.#highest} of term ${term}: ${[...lacks].filter(([, is]) => is).map(([id]) => id).join(' ')}`)
  }

  #checkDurable(voters: JointVoters, holds: (id: number) => boolean, index: number, term: number): void {
    const votes = new Map<number, boolean>()
    for (const id of voters.incoming) votes.set(id, holds(id))
    for (const id of voters.outgoing) votes.set(id, holds(id))
    if (jointVote(voters, votes) === 'won') return
    const holders = [...votes].filter(([, has]) => has).map(([id]) => id)
    this.#violated('CommittedIsDurable', `entry ${index} of term ${term} was committed but is only on the disks of ${holders.join(' ')}`)
  }

  #violated(invariant: string, message: string): void {
    if (this.#only === undefined || this.#only === invariant) violated(invariant, message)
  }
}

/** @throws SafetyViolation */
export function violated(invariant: string, message: string): never { throw new SafetyViolation(invariant, message) }
