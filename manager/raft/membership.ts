import { ShoalError } from '../../src/base/errors.ts'
import { RAFT_MEMBERSHIP_RPC } from '../../src/api/codec/methods.ts'
import type { JoinRaftResponse, RaftMember } from '../../src/api/swarm/raft.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/logger.ts'
import { randomInt, type Random } from '../../src/base/random.ts'
import type { RpcDialer } from '../../src/base/rpc.ts'
import { TaskGroup } from '../../src/base/task-group.ts'
import { isDialable } from './member-address.ts'
import { encodeMember } from './member-table.ts'
import { MembershipClient } from './membership-client.ts'
import { noLeader, notLeader } from './not-leader.ts'
import type { RaftNode } from './raft-node.ts'
import { createRaftId } from './start-state.ts'

/** A joiner must answer at its address within this (F10). */
const DIAL_BACK_TIMEOUT_MS = 5000
/** How often learners are looked at. */
const REVIEW_MS = 500
/** A learner is made a voter when it misses at most this many entries: then it does not hold up commits. */
const PROMOTION_LAG_MAX = 100
/** How often reachability is looked at again before a removal is refused. */
const RECHECK_MS = 100
/** A manager is told that this one moved within this, or another one is. */
const TELL_TIMEOUT_MS = 3000
/** After so many times the longest silence a transfer has failed: the core gives it one election timeout. */
const TRANSFER_SILENCES = 1.5

/** What Membership works with. */
export interface MembershipOptions {
  readonly raft: RaftNode
  readonly dialer: RpcDialer
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Whether the node may be a manager. One that was demoted meanwhile must not come in by a late join. Absent: everyone may. */
  readonly isWanted?: (nodeId: string) => boolean
}

/** A member as the leader sees it. */
export interface MemberStatus extends RaftMember {
  readonly isLeader: boolean
  /** undefined: not known here, since only the leader hears from all; without a leader everyone does. */
  readonly isReachable: boolean | undefined
}

/** Who takes part: joins, promotions, removals, one at a time, and only such that a quorum remains. Works on the leader; elsewhere it throws `not-leader`. */
export class Membership implements AsyncDisposable {
  readonly #raft: RaftNode
  readonly #options: MembershipOptions
  readonly #tasks: TaskGroup
  #lane: Promise<unknown> = Promise.resolve()

  constructor(options: MembershipOptions) {
    this.#options = options
    this.#raft = options.raft
    this.#tasks = new TaskGroup(options.logger)
    this.#tasks.run('raft membership', signal => this.#review(signal))
  }

  members(): readonly MemberStatus[] {
    const { leaderId, isLeader } = this.#raft.leadership
    return this.#raft.table.members.map(member => ({
      ...member, isLeader: member.raftId === leaderId, isReachable: isLeader || leaderId === 0 || member.raftId === leaderId ? this.#isReachable(member.raftId) : undefined,
    }))
  }

  /**
   * Adds a manager as a learner; it becomes a voter when it has caught up. One that is a member already, and has its log, only gets its new address.
   * A voter that comes back without its log is replaced under a new id, since its old votes are forgotten.
   * @throws ShoalError `member-unreachable` (failed-precondition) when it does not answer at `addr`, `quorum-loss`, `manager-not-wanted` (permission-denied)
   */
  async join(request: { readonly nodeId: string; readonly addr: string; readonly raftId: number }): Promise<JoinRaftResponse> {
    this.#checkLeads()
    await this.#dialBack(request.addr)
    return this.#oneAtATime(async () => {
      const raftId = await this.#admit(request)
      const { members, removed } = this.#raft.table
      return { raftId, members, removed, forkId: this.#raft.forkId }
    })
  }

  /**
   * Removes a manager for good. The leader itself first hands over, and then throws `not-leader`: ask the new one.
   * @throws ShoalError `quorum-loss` (failed-precondition), `no-such-member` (not-found)
   */
  async remove(nodeId: string): Promise<void> {
    await this.#oneAtATime(async () => {
      this.#checkLeads()
      const member = this.#raft.table.members.find(candidate => candidate.nodeId === nodeId)
      if (member === undefined) throw new ShoalError('not-found', 'no-such-member', `node ${nodeId} is not a raft member`)
      await this.#checkRemovable(member)
      if (member.raftId === this.#raft.raftId) {
        await this.transferLeadership()
        throw notLeader(this.#raft.leadership.leaderAddr)
      }
      await this.#change('remove-node', member)
    })
  }

  /** Whether removing it leaves enough reachable voters to go on. */
  canRemove(nodeId: string): boolean {
    const member = this.#raft.table.members.find(candidate => candidate.nodeId === nodeId)
    return member === undefined || this.#isRemovable(member)
  }

  /**
   * Hands the leadership to a voter, the most up to date if none is named. Resolves when another leads.
   * @throws ShoalError `transfer-failed` (unavailable) when nobody took over in time
   */
  async transferLeadership(toNodeId?: string): Promise<void> {
    this.#checkLeads()
    const raft = this.#raft
    const successor = this.#successor(toNodeId)
    if (successor === undefined) throw new ShoalError('unavailable', 'transfer-failed', 'no other manager can take over the leadership; bring another one up first')
    const timeout = new AbortController()
    const timer = this.#options.clock.after(TRANSFER_SILENCES * this.#raft.silenceMaxMs, () =>
      timeout.abort(new ShoalError('unavailable', 'transfer-failed', 'the other manager did not take over the leadership in time; try again')))
    try {
      const changes = raft.onLeadership(timeout.signal)
      raft.transferTo(successor)
      for await (const { leaderId } of changes) if (leaderId !== 0 && leaderId !== raft.raftId) return
    } finally {
      timer.cancel()
      // Ends the watch also when it was never read.
      timeout.abort()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> { await this.#tasks[Symbol.asyncDispose]() }

  async #admit({ nodeId, addr, raftId }: { readonly nodeId: string; readonly addr: string; readonly raftId: number }): Promise<number> {
    const known = this.#raft.table.members.find(member => member.nodeId === nodeId)
    if (known !== undefined && (known.learner || known.raftId === raftId)) {
      if (known.addr !== addr) await this.#change('update-node', { ...known, addr })
      return known.raftId
    }
    if (raftId !== 0) throw new ShoalError('not-found', 'member-removed', 'this manager was removed from the cluster: leave it and join again')
    if (this.#options.isWanted?.(nodeId) === false) throw new ShoalError('permission-denied', 'manager-not-wanted', `node ${nodeId} is not to be a manager of this cluster: promote it first with docker node promote`)
    if (known !== undefined) {
      await this.#checkRemovable(known)
      await this.#change('remove-node', known)
    }
    const { members, removed } = this.#raft.table
    const id = createRaftId(this.#options.random, [...removed, ...members.map(member => member.raftId)])
    await this.#change('add-learner-node', { raftId: id, nodeId, addr, learner: true })
    return id
  }

  #checkLeads(): void {
    const { isLeader, leaderId, leaderAddr } = this.#raft.leadership
    if (isLeader) return
    throw leaderId === 0 || leaderId === this.#raft.raftId ? noLeader() : notLeader(leaderAddr)
  }

  async #dialBack(addr: string): Promise<void> {
    await using client = this.#options.dialer.dial(addr)
    try {
      await client.unary(RAFT_MEMBERSHIP_RPC.members, {}, { timeoutMs: DIAL_BACK_TIMEOUT_MS })
    } catch (cause) {
      throw new ShoalError('failed-precondition', 'member-unreachable', `the joining manager can not be reached at ${addr}: check its advertise address and that the port is open`, { cause })
    }
  }

  async #change(type: 'add-node' | 'remove-node' | 'update-node' | 'add-learner-node', member: RaftMember): Promise<void> {
    await this.#raft.changeMembers({ transition: 'auto', changes: [{ type, nodeId: member.raftId }], context: encodeMember(member) })
    this.#options.logger.info('raft members changed', { change: type, raftId: member.raftId, nodeId: member.nodeId, addr: member.addr })
    const voters = this.#raft.table.members.filter(({ learner }) => !learner).length
    if ((type === 'add-node' || type === 'remove-node') && voters % 2 === 0) this.#options.logger.warn('the number of managers is even: one less tolerates as many failures', { managers: voters, tolerated: voters / 2 - 1 })
  }

  /** Looks for a while: a new leader has to hear from the others first. */
  async #checkRemovable(member: RaftMember): Promise<void> {
    for (let passedMs = 0; passedMs < this.#raft.silenceMaxMs; passedMs += RECHECK_MS) {
      if (this.#isRemovable(member)) return
      await this.#options.clock.sleep(RECHECK_MS, this.#raft.signal)
    }
    throw new ShoalError('failed-precondition', 'quorum-loss', "can't remove member from the raft: this would result in a loss of quorum")
  }

  #isRemovable(member: RaftMember): boolean {
    if (member.learner) return true
    const left = this.#raft.table.members.filter(other => !other.learner && other.raftId !== member.raftId)
    const reachable = left.filter(other => this.#isReachable(other.raftId)).length
    return left.length > 0 && reachable >= Math.floor(left.length / 2) + 1
  }

  #isReachable(raftId: number): boolean { return this.#raft.silentMs(raftId) < this.#raft.silenceMaxMs }

  #successor(toNodeId: string | undefined): number | undefined {
    const matches = this.#raft.status()?.progress
    const candidates = this.#raft.table.members
      .filter(member => !member.learner && member.raftId !== this.#raft.raftId && this.#isReachable(member.raftId) && (toNodeId === undefined || member.nodeId === toNodeId))
      .map(member => ({ raftId: member.raftId, match: matches?.get(member.raftId)?.match ?? 0 }))
      .sort((a, b) => b.match - a.match)
    return candidates[0]?.raftId
  }

  /** While it leads, promotes learners that have caught up, and writes down where members that moved are. */
  async #review(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#raft.signal.aborted) {
      await this.#options.clock.sleep(REVIEW_MS, signal)
      try {
        if (this.#raft.isLeader) await this.#oneAtATime(() => this.#reviewOnce())
        else await this.#tellNewAddress(signal)
      } catch (err) {
        if (!(err instanceof ShoalError)) throw err
        this.#options.logger.debug('raft members are reviewed again', { err })
      }
    }
  }

  async #reviewOnce(): Promise<void> {
    const status = this.#raft.status()
    const own = this.#movedSelf()
    if (own !== undefined) await this.#change('update-node', { ...own, addr: this.#raft.addr })
    for (const member of this.#raft.table.members) {
      const addr = this.#raft.addressOf(member.raftId) ?? member.addr
      if (member.raftId !== this.#raft.raftId && addr !== member.addr && this.#isReachable(member.raftId)) await this.#change('update-node', { ...member, addr })
    }
    for (const member of this.#raft.table.members) {
      const progress = status?.progress.get(member.raftId)
      if (!member.learner || progress === undefined || status === undefined || progress.match === 0) continue
      if (progress.match + PROMOTION_LAG_MAX >= status.commit && this.#isReachable(member.raftId)) await this.#change('add-node', { ...member, learner: false })
    }
  }

  /** This node as the others know it, if they know another address. */
  #movedSelf(): RaftMember | undefined {
    const own = this.#raft.table.members.find(member => member.raftId === this.#raft.raftId)
    return own !== undefined && own.addr !== this.#raft.addr && isDialable(this.#raft.addr) ? own : undefined
  }

  /** The leader can't find this node, but this node finds the others: it asks them in turn, since they know who leads. */
  async #tellNewAddress(signal: AbortSignal): Promise<void> {
    if (this.#movedSelf() === undefined) return
    const others = this.#raft.membersWhereTheyAre.filter(member => member.raftId !== this.#raft.raftId)
    const heard = others.filter(member => this.#isReachable(member.raftId))
    const candidates = heard.length > 0 ? heard : others
    const asked = candidates[randomInt(this.#options.random, candidates.length)]
    if (asked === undefined) return
    // Who does not answer may be gone, and this node may lead meanwhile.
    const timeout = new AbortController()
    const timer = this.#options.clock.after(TELL_TIMEOUT_MS, () => timeout.abort(new ShoalError('unavailable', 'member-unreachable', `the manager at ${asked.addr} could not be told that this one moved; another one is told next`)))
    try {
      await new MembershipClient(this.#options).join(asked.addr, { addr: this.#raft.addr, raftId: this.#raft.raftId }, AbortSignal.any([signal, timeout.signal]))
    } finally {
      timer.cancel()
    }
  }

  async #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lane.then(work)
    // The next one does not care how this one ended.
    this.#lane = turn.then(() => {}, () => {})
    return turn
  }
}
