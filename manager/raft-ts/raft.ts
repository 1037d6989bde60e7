import { createCommittedContext, learnCommitted } from './committed-context.ts'
import { stepCandidate } from './candidate.ts'
import { describeConfig, hex } from './describe.ts'
import { handleVoteRequest, hup } from './election.ts'
import { entriesSizeBytes, payloadsSizeBytes } from './entry-size.ts'
import { stepFollower } from './follower.ts'
import { invariant } from './invariant.ts'
import { stepLeader } from './leader.ts'
import { restoreFromStorage } from './membership.ts'
import type { Entry, HardState, Message, Snapshot } from './message.ts'
import { createMessage } from './create-message.ts'
import { RaftLog } from './raft-log.ts'
import { checkTickCounts, resolveConfig, type RaftLogger, type TickCounts, type RawNodeConfig, type ResolvedConfig } from './raft-config.ts'
import { ReadOnlyQueue } from './read-only.ts'
import type { RaftRole, ReadState, SoftState } from './ready.ts'
import { RaftError } from './storage.ts'
import { Tracker } from './tracker.ts'
import { isTransferContext } from './transfer-context.ts'

/**
 * The Raft state machine: what a node knows, and the rules about terms and roles that hold in every role. What a role does with a message is in
 * leader.ts, follower.ts and election.ts; membership.ts changes who takes part. Effects are collected in `messages`, `messagesAfterAppend`,
 * `readStates` and the unstable log; RawNode hands them out.
 */
export class Raft {
  readonly id: number
  readonly config: ResolvedConfig
  readonly logger: RaftLogger
  readonly log: RaftLog
  readonly tracker: Tracker
  term = 0
  vote = 0
  /** 0 while no leader is known. */
  leader = 0
  role: RaftRole = 'follower'
  isLearner = false
  /** To whom leadership is being transferred; 0 if to nobody. */
  leaderTransferee = 0
  /** No conf change is proposed before this index is applied: at most one is pending. */
  pendingConfIndex = 0
  readOnly = new ReadOnlyQueue()
  /** Reads that wait until this leader has committed an entry of its own term (paper 8). */
  postponedReads: Message[] = []
  readStates: ReadState[] = []
  /** To be sent at once. */
  messages: Message[] = []
  /** To be sent when the unstable state up to now is durable: votes and acknowledgements, also those to itself. */
  messagesAfterAppend: Message[] = []
  electionElapsed = 0
  #ticks: TickCounts
  #heartbeatElapsed = 0
  #randomizedElectionTicks = 0
  #uncommittedBytes = 0

  constructor(config: RawNodeConfig) {
    this.config = resolveConfig(config)
    this.#ticks = this.config
    this.id = this.config.id
    this.logger = this.config.logger
    this.log = new RaftLog(this.config.storage, this.logger, this.config.maxCommittedBytesPerReady)
    this.tracker = new Tracker(this.config)
    restoreFromStorage(this)
    this.#loadHardState(this.config.storage.initialState().hardState)
    if (this.config.applied > 0) this.log.appliedTo(this.config.applied, 0)
    this.becomeFollower(this.term, 0)
    const last = this.log.lastEntryId()
    this.logger.info(`newRaft ${hex(this.id)} [peers: [${this.tracker.voterIds.map(hex).join(',')}], term: ${this.term}, commit: ${this.log.committed}, applied: ${this.log.applied}, lastindex: ${last.index}, lastterm: ${last.term}]`)
  }

  get softState(): SoftState { return { leader: this.leader, role: this.role } }
  get hardState(): HardState { return { term: this.term, vote: this.vote, commit: this.log.committed } }
  /** Whether this node may campaign. */
  get isPromotable(): boolean {
    const own = this.tracker.progressOf(this.id)
    return own !== undefined && !own.isLearner && !this.log.hasSnapshotPending
  }
  get hasCommittedInTerm(): boolean { return this.log.term(this.log.committed) === this.term }

  setRandomizedElectionTicks(ticks: number): void { this.#randomizedElectionTicks = ticks }

  // --- time

  /** From now on, instead of the config's. @throws RangeError and changes nothing */
  setTickCounts(ticks: TickCounts): void {
    if (ticks.electionTicks === this.#ticks.electionTicks && ticks.heartbeatTicks === this.#ticks.heartbeatTicks) return
    checkTickCounts(ticks)
    this.#ticks = ticks
    this.#randomizeElection()
  }

  tick(): void {
    if (this.role === 'leader') this.#tickLeader()
    else this.#tickElection()
  }

  #tickElection(): void {
    this.electionElapsed++
    if (!this.isPromotable || this.electionElapsed < this.#randomizedElectionTicks) return
    this.electionElapsed = 0
    this.step(createMessage({ type: 'MsgHup', from: this.id }))
  }

  #tickLeader(): void {
    this.#heartbeatElapsed++
    this.electionElapsed++
    if (this.electionElapsed >= this.#ticks.electionTicks) {
      this.electionElapsed = 0
      if (this.config.checkQuorum) this.step(createMessage({ type: 'MsgCheckQuorum', from: this.id }))
      // A transfer that took longer than an election timeout has failed.
      this.leaderTransferee = 0
    }
    if (this.role !== 'leader' || this.#heartbeatElapsed < this.#ticks.heartbeatTicks) return
    this.#heartbeatElapsed = 0
    this.step(createMessage({ type: 'MsgBeat', from: this.id }))
  }

  // --- messages in

  /** @throws RaftError `proposal-dropped` */
  step(message: Message): void {
    if (!this.#admitTerm(message)) return
    switch (message.type) {
      case 'MsgHup': return hup(this, this.config.preVote ? 'pre-election' : 'election')
      case 'MsgVote': case 'MsgPreVote': return handleVoteRequest(this, message)
      case 'MsgStorageAppendResp':
        if (message.index !== 0) this.log.unstable.stableTo(message.index, message.logTerm)
        if (message.snapshot !== undefined) this.#snapshotApplied(message.snapshot)
        return
      case 'MsgStorageApplyResp': return this.#entriesApplied(message.entries)
      case 'MsgVoteResp': case 'MsgPreVoteResp':
        learnCommitted(this, message)
        return this.#stepRole(message)
      default: return this.#stepRole(message)
    }
  }

  #stepRole(message: Message): void {
    if (this.role === 'leader') stepLeader(this, message)
    else if (this.role === 'follower') stepFollower(this, message)
    else stepCandidate(this, message)
  }

  /** Applies the rules about terms (paper 5.1). Returns whether the message is to be worked on. */
  #admitTerm(message: Message): boolean {
    if (message.term === 0 || message.term === this.term) return true
    if (message.term < this.term) {
      this.#answerOldTerm(message)
      return false
    }
    const isVoteRequest = message.type === 'MsgVote' || message.type === 'MsgPreVote'
    if (isVoteRequest && this.isLeaseValid() && !isTransferContext(message.context)) {
      this.logger.info(`${this.#voteState()} ignored ${message.type} from ${hex(message.from)} [logterm: ${message.logTerm}, index: ${message.index}] at term ${this.term}: lease is not expired (remaining ticks: ${this.#ticks.electionTicks - this.electionElapsed})`)
      return false
    }
    // A pre-vote asks about a term that nobody is in yet; a granted one is counted by the candidate, which raises the term itself.
    if (message.type === 'MsgPreVote' || (message.type === 'MsgPreVoteResp' && !message.reject)) return true
    this.logger.info(`${hex(this.id)} [term: ${this.term}] received a ${message.type} message with higher term from ${hex(message.from)} [term: ${message.term}]`)
    const isFromLeader = message.type === 'MsgApp' || message.type === 'MsgHeartbeat' || message.type === 'MsgSnap'
    this.becomeFollower(message.term, isFromLeader ? message.from : 0)
    return true
  }

  /** True while this node has heard from a leader within the minimum election timeout (thesis 4.2.3). */
  isLeaseValid(): boolean { return this.config.checkQuorum && this.leader !== 0 && this.electionElapsed < this.#ticks.electionTicks }

  #answerOldTerm(message: Message): void {
    if (message.type === 'MsgHeartbeat' || message.type === 'MsgApp') {
      // The paper's answer carries the term (5.1), and makes the old leader step down. Who can't campaign, or whose requests for votes are ignored under
      // a lease, could not get rid of it otherwise.
      this.send(createMessage({ type: 'MsgAppResp', to: message.from }))
    } else if (message.type === 'MsgPreVote') {
      // Silence could leave a candidate of a lower term with a newer log, and the others, waiting for each other.
      this.logger.info(`${this.#voteState()} rejected ${message.type} from ${hex(message.from)} [logterm: ${message.logTerm}, index: ${message.index}] at term ${this.term}`)
      this.send(createMessage({ type: 'MsgPreVoteResp', to: message.from, term: this.term, reject: true, context: createCommittedContext(this) }))
    } else if (message.type === 'MsgVote' && !this.config.preVote) {
      // Likewise. Nobody tells a candidate whose votes are not asked for; it could stay behind the terms of those that it asks for good. With pre-votes it is told there.
      this.logger.info(`${this.#voteState()} rejected ${message.type} from ${hex(message.from)} [logterm: ${message.logTerm}, index: ${message.index}] at term ${this.term}`)
      this.send(createMessage({ type: 'MsgVoteResp', to: message.from, term: this.term, reject: true, context: createCommittedContext(this) }))
    } else if (message.type === 'MsgStorageAppendResp') {
      // Entries written under an older term may have been replaced since; a snapshot is committed state and valid in any term.
      if (message.index !== 0) {
        this.logger.info(`${hex(this.id)} [term: ${this.term}] ignored entry appends from a ${message.type} message with lower term [term: ${message.term}]`)
      }
      if (message.snapshot !== undefined) this.#snapshotApplied(message.snapshot)
    } else {
      this.logger.info(`${hex(this.id)} [term: ${this.term}] ignored a ${message.type} message with lower term from ${hex(message.from)} [term: ${message.term}]`)
    }
  }

  #voteState(): string {
    const last = this.log.lastEntryId()
    return `${hex(this.id)} [logterm: ${last.term}, index: ${last.index}, vote: ${hex(this.vote)}]`
  }

  // --- messages out

  /** Queues a message from this node. Votes and acknowledgements wait until what they speak of is durable (thesis 3.8). */
  send(message: Message): void {
    const isVote = message.type === 'MsgVote' || message.type === 'MsgVoteResp' || message.type === 'MsgPreVote' || message.type === 'MsgPreVoteResp'
    invariant(isVote === (message.term !== 0), () => `${message.type} sent with term ${message.term}`)
    // What is passed on to the leader keeps the sender's place and belongs to no term.
    const isForwarded = message.type === 'MsgProp' || message.type === 'MsgReadIndex'
    const complete = { ...message, from: message.from === 0 ? this.id : message.from, term: isVote || isForwarded ? message.term : this.term }
    if (message.type === 'MsgAppResp' || message.type === 'MsgVoteResp' || message.type === 'MsgPreVoteResp' || this.#boastsOfUnstable(message)) {
      this.messagesAfterAppend.push(complete)
    } else {
      invariant(message.to !== this.id, () => `${message.type} sent to itself`)
      this.messages.push(complete)
    }
  }

  /**
   * A candidate that asks for votes with entries that it may yet lose could be another one after a restart: in the same term, with a shorter log,
   * and elected by the votes that the longer one was given.
   */
  #boastsOfUnstable({ type }: Message): boolean {
    return type === 'MsgVote' && this.config.asyncStorageWrites && (this.log.unstable.count > 0 || this.log.hasSnapshotPending)
  }

  /** Appends to the own log as leader. Returns false, and appends nothing, if too much is uncommitted already. */
  appendEntries(entries: readonly Pick<Entry, 'type' | 'data'>[]): boolean {
    const first = this.log.lastIndex + 1
    const appended = entries.map(({ type, data }, i): Entry => ({ type, data, term: this.term, index: first + i }))
    const bytes = payloadsSizeBytes(appended)
    // The first proposal and empty ones always pass, so that nothing gets stuck.
    if (this.#uncommittedBytes > 0 && bytes > 0 && this.#uncommittedBytes + bytes > this.config.maxUncommittedBytes) {
      this.logger.warn(`${hex(this.id)} appending new entries to log would exceed uncommitted entry size limit; dropping proposal`)
      return false
    }
    this.#uncommittedBytes += bytes
    this.log.append(appended)
    // The leader counts for the quorum too, once its own write is durable.
    this.send(createMessage({ type: 'MsgAppResp', to: this.id, index: this.log.lastIndex }))
    return true
  }

  // --- roles

  becomeFollower(term: number, leader: number): void {
    this.#reset(term)
    this.leader = leader
    this.role = 'follower'
    this.logger.info(`${hex(this.id)} became follower at term ${this.term}`)
  }

  becomeCandidate(): void {
    invariant(this.role !== 'leader', () => 'invalid transition [leader -> candidate]')
    this.#reset(this.term + 1)
    this.vote = this.id
    this.role = 'candidate'
    this.logger.info(`${hex(this.id)} became candidate at term ${this.term}`)
  }

  /** Changes neither term nor vote. */
  becomePreCandidate(): void {
    invariant(this.role !== 'leader', () => 'invalid transition [leader -> pre-candidate]')
    this.tracker.resetVotes()
    this.leader = 0
    this.role = 'pre-candidate'
    this.logger.info(`${hex(this.id)} became pre-candidate at term ${this.term}`)
  }

  becomeLeader(): void {
    invariant(this.role !== 'follower', () => 'invalid transition [follower -> leader]')
    this.#reset(this.term)
    this.leader = this.id
    this.role = 'leader'
    const own = this.tracker.progressOf(this.id)
    invariant(own !== undefined, () => 'a node outside of the configuration became leader')
    own.becomeReplicate()
    own.isRecentlyActive = true
    // There may be a conf change in the uncommitted tail; rather than to search for it, wait until all of it is applied.
    this.pendingConfIndex = this.log.lastIndex
    invariant(this.appendEntries([{ type: 'normal', data: new Uint8Array() }]), () => 'the first entry of a term was dropped')
    this.logger.info(`${hex(this.id)} became leader at term ${this.term}`)
  }

  #reset(term: number): void {
    if (this.term !== term) {
      this.term = term
      this.vote = 0
    }
    this.leader = 0
    this.electionElapsed = 0
    this.#heartbeatElapsed = 0
    this.#randomizeElection()
    this.leaderTransferee = 0
    this.tracker.resetVotes()
    this.tracker.resetProgress(this.id, this.log.lastIndex)
    this.pendingConfIndex = 0
    this.#uncommittedBytes = 0
    this.readOnly = new ReadOnlyQueue()
    this.postponedReads = []
  }

  #randomizeElection(): void { this.#randomizedElectionTicks = this.#ticks.electionTicks + Math.floor(this.config.random() * this.#ticks.electionTicks) }

  // --- the state machine's side

  #entriesApplied(entries: readonly Entry[]): void {
    const last = entries.at(-1)
    if (last === undefined) return
    this.#appliedTo(last.index, entriesSizeBytes(entries))
    this.#uncommittedBytes = Math.max(0, this.#uncommittedBytes - payloadsSizeBytes(entries))
  }

  #snapshotApplied(snapshot: Snapshot): void {
    this.log.unstable.stableSnapshotTo(snapshot.metadata.index)
    this.#appliedTo(snapshot.metadata.index, 0)
  }

  #appliedTo(index: number, bytes: number): void {
    const applied = Math.max(index, this.log.applied)
    this.log.appliedTo(applied, bytes)
    if (this.tracker.config.autoLeave && applied >= this.pendingConfIndex && this.role === 'leader') this.#autoLeave()
  }

  /** Proposes to leave the joint configuration. Tried again at each applied entry, as a leadership transfer may be in the way. */
  #autoLeave(): void {
    const config = describeConfig(this.tracker.config)
    try {
      this.step(createMessage({ type: 'MsgProp', from: this.id, entries: [{ type: 'conf-change-v2', data: new Uint8Array(), term: 0, index: 0 }] }))
      this.logger.info(`initiating automatic transition out of joint configuration ${config}`)
    } catch (error) {
      if (!(error instanceof RaftError)) throw error
      this.logger.debug(`not initiating automatic transition out of joint configuration ${config}: ${error.message}`)
    }
  }

  #loadHardState({ term, vote, commit }: HardState): void {
    if (term === 0 && vote === 0 && commit === 0) return
    invariant(commit >= this.log.committed && commit <= this.log.lastIndex,
      () => `${hex(this.id)} state.commit ${commit} is out of range [${this.log.committed}, ${this.log.lastIndex}]`)
    this.log.committed = commit
    this.term = term
    this.vote = vote
  }
}
