import { jointVote, type JointVoters } from 'raft-ts/quorum'
import type { Entry, Message } from 'raft-ts/message'
import type { RawNode } from 'raft-ts/raw-node'

/** A promise of Raft was broken: found by the simulator. */
export class SafetyViolation extends Error {
  override readonly name = 'SafetyViolation'
  readonly invariant: string
  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`)
    this.invariant = invariant
  }
}

/**
 * The safety properties of the paper (figure 3) and of the TLA+ model beside etcd's raft, checked incrementally as the simulation goes. Remembers what
 * the whole cluster has ever promised, which no single node does.
 */
export class CoreInvariants {
  readonly #leaders = new Map<number, number>()
  readonly #votes = new Map<string, number>()
  /** By "index/term": what was appended there, and the term before it. Equal everywhere means that logs match. */
  readonly #entries = new Map<string, string>()
  /** Term of each committed entry, by index. */
  readonly #committed = new Map<number, number>()
  readonly #states = new Map<number, number>()
  #highest = 0
  /** Term of the leader that committed it. */
  #highestBy = 0

  /** Highest index that any node has known to be committed. */
  get committedIndex(): number { return this.#highest }

  /** ElectionSafety, LeaderCompleteness: one leader per term, and it has all that was committed. */
  leads(node: RawNode): void {
    const { id, term } = node.status()
    const other = this.#leaders.get(term) ?? id
    check(other === id, 'ElectionSafety', `${id} and ${other} both lead term ${term}`)
    if (this.#leaders.has(term)) return
    this.#leaders.set(term, id)
    const expected = this.#committed.get(this.#highest)
    const { log } = node.raft
    // Late votes may still make a leader of an older term than the one that committed.
    if (expected === undefined || term <= this.#highestBy || this.#highest < log.firstIndex) return
    check(log.term(this.#highest) === expected, 'LeaderCompleteness', `leader ${id} of term ${term} lacks the committed entry ${this.#highest} of term ${expected}`)
  }

  /** VotesPersist: a node grants at most one vote per term, whatever crashes. */
  sends(message: Message): void {
    if (message.type !== 'MsgVoteResp' || message.reject) return
    const key = `${message.from}/${message.term}`
    const other = this.#votes.get(key) ?? message.to
    check(other === message.to, 'VotesPersist', `${message.from} voted for ${other} and for ${message.to} in term ${message.term}`)
    this.#votes.set(key, message.to)
  }

  /** LogMatching: logs that agree on index and term agree on the entry and on the one before it. */
  appends(entry: Entry, previousTerm: number | undefined): void {
    if (previousTerm === undefined) return
    const key = `${entry.index}/${entry.term}`
    const value = `${previousTerm} ${entry.type} ${entry.data.join(' ')}`
    const other = this.#entries.get(key) ?? value
    check(other === value, 'LogMatching', `two entries of term ${entry.term} at ${entry.index}, or different ones before it: ${other} and ${value}`)
    this.#entries.set(key, value)
  }

  /** StateMachineSafety, CommittedIsDurable: the commit index of a node has moved to `to`. */
  commits(node: RawNode, from: number, to: number, holds: (id: number, index: number, term: number) => boolean): void {
    check(to >= from, 'CommitMonotonic', `commit of ${node.raft.id} went from ${from} to ${to}`)
    for (let index = from + 1; index <= to; index++) {
      const term = node.raft.log.term(index)
      if (term === undefined) continue
      const known = this.#committed.get(index)
      check(known === undefined || known === term, 'StateMachineSafety', `entry ${index} was committed as of term ${known} and as of term ${term} by ${node.raft.id}`)
      this.#committed.set(index, term)
    }
    if (to <= this.#highest) return
    const term = this.#committed.get(to)
    this.#highest = to
    this.#highestBy = node.raft.term
    if (term !== undefined && node.raft.role === 'leader') checkDurable(node.raft.tracker.config.voters, id => holds(id, to, term), to, term)
  }

  /** StateMachineSafety: all state machines are equal at equal indexes. */
  applies(id: number, index: number, state: number): void {
    const other = this.#states.get(index) ?? state
    check(other === state, 'StateMachineSafety', `the state of ${id} at ${index} differs from others'`)
    this.#states.set(index, state)
  }

  /** ReadsAreFresh: a read is served at an index that includes everything committed when it was asked for. */
  reads(id: number, index: number, committedAtRequest: number): void {
    check(index >= committedAtRequest, 'ReadsAreFresh', `${id} may read at ${index}, but ${committedAtRequest} was committed when it asked`)
  }
}

function checkDurable(voters: JointVoters, holds: (id: number) => boolean, index: number, term: number): void {
  const votes = new Map([...voters.incoming, ...voters.outgoing].map(id => [id, holds(id)] as const))
  const holders = [...votes].filter(([, has]) => has).map(([id]) => id)
  check(jointVote(voters, votes) === 'won', 'CommittedIsDurable', `entry ${index} of term ${term} was committed but is only on the disks of ${holders.join(' ')}`)
}

function check(condition: boolean, invariant: string, message: string): void {
  if (!condition) throw new SafetyViolation(invariant, message)
}
