import { decodeConfChange } from 'raft-ts/conf-change-codec'
import { ConfChangeError } from 'raft-ts/confchange'
import type { ConfChange, Entry, MessageType, Snapshot } from 'raft-ts/message'
import type { RaftStatus, RawNode } from 'raft-ts/raw-node'
import type { Ready } from 'raft-ts/ready'
import { RaftError } from 'raft-ts/storage'
import { decode, encode } from '../../src/api/codec/codec.ts'
import type { Proposal, RaftEnvelope, RaftMember, SnapshotChunk } from '../../src/api/swarm/raft.ts'
import { abortable } from '../../src/base/abort.ts'
import type { Clock, Timer } from '../../src/base/clock.ts'
import { hasCode, messageOf, ShoalError } from '../../src/base/errors.ts'
import { createId } from '../../src/base/ids.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { MessageDialer } from '../../src/base/message-channel.ts'
import type { Random } from '../../src/base/random.ts'
import type { AppendLog } from '../../src/base/storage.ts'
import { beginAsMember, beginCluster, beginFromState, continueLog, type JoinedCluster } from './begin-log.ts'
import { isCommitOnly } from './commit-only.ts'
import { compactionPoint, type CompactionSettings } from './compaction.ts'
import { createCore } from './create-core.ts'
import { EarlyCampaign } from './early-campaign.ts'
import { LeadershipBoard, type Leadership } from './leadership.ts'
import { MajorityFirst } from './majority-first.ts'
import { isDialable } from './member-address.ts'
import { MemberHistory } from './member-history.ts'
import { changedTable, withRoles, type MemberTable } from './member-table.ts'
import { decodeMessage } from './message-codec.ts'
import { noLeader, notLeader } from './not-leader.ts'
import { PeerSet } from './peer-set.ts'
import { PendingEntries } from './pending-entries.ts'
import { entriesOfProposal } from './proposal-parts.ts'
import { ReadConfirmations } from './read-confirmations.ts'
import { encodeBaseNote, memberOf, RaftLogStore, type LogBase } from './raft-log-store.ts'
import { RaftClock, type RaftTiming } from './raft-timing.ts'
import { errorOfStop, failedStop, OTHER_FORK_MESSAGE, type RaftStop } from './raft-stop.ts'
import { SnapshotCaptures } from './snapshot-captures.ts'
import { SnapshotReceiver } from './snapshot-receiver.ts'
import type { StateMachine } from './state-machine.ts'

/** One proposal: every manager holds it twice while it is put together and applied. */
const PROPOSAL_BYTES_MAX = 512 * 1024 * 1024
/** How often a proposal that the core certainly did not take is offered again, a tick apart. */
const OFFERS_MAX = 20
/** What a leader sends while it writes (thesis 10.2.1): it counts itself for the quorum only when its own write is durable. All else waits for the disk. */
const LEADER_MESSAGES: ReadonlySet<MessageType> = new Set<MessageType>(['MsgApp', 'MsgHeartbeat', 'MsgSnap', 'MsgTimeoutNow'])

/** What a manager is refused with that has to be told to its operator: it does not go away by itself. */
const REFUSALS = ['raft-wrong-cluster', 'wrong-cluster', 'member-mismatch', 'not-a-manager', 'not-allowed', 'node-removed'] as const

/** What RaftNode works with. */
export interface RaftNodeOptions {
  readonly clusterId: string
  readonly nodeId: string
  /** Where the other managers reach this one: "host:port". */
  readonly addr: string
  /** Used by this node alone; the caller opens it before and disposes it after. */
  readonly log: AppendLog
  readonly machine: StateMachine
  readonly dialer: MessageDialer
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly timing?: RaftTiming
  /** Keeps the state and drops all other members (docker swarm init --force-new-cluster). Only when the others will never come back. */
  readonly forceNewCluster?: boolean
  /** restore() follows where there is no log: a state without one is of a restore that was interrupted, and is replaced. */
  readonly isRestoring?: boolean
  /** Looked at after each entry. */
  readonly compaction?: () => CompactionSettings
  /** A proposal of more bytes becomes several entries of so many. */
  readonly partBytes?: number
}

/** What exists once there is a log with a base. */
interface Running { readonly node: RawNode; readonly peers: PeerSet; readonly first: MajorityFirst; readonly early: EarlyCampaign; readonly base: LogBase }

/**
 * Drives raft-ts: persists, sends (a leader's appends meanwhile), applies, and keeps time. Implements the store's Proposer.
 * open() continues what the log holds; a new log needs bootstrap() or start(). raft-service.ts serves its peers; membership.ts changes them.
 */
export class RaftNode implements AsyncDisposable {
  readonly #options: RaftNodeOptions
  readonly #time: RaftClock
  readonly #board = new LeadershipBoard()
  readonly #pending = new PendingEntries()
  readonly #reads = new ReadConfirmations()
  readonly #captures = new SnapshotCaptures()
  readonly #receiver: SnapshotReceiver
  readonly #abort = new AbortController()
  #logStore!: RaftLogStore
  #running: Running | undefined
  readonly #tables = new MemberHistory()
  #appliedIndex = 0
  #isStart = true
  #isLeaderReady = false
  /** The term it became so in. */
  #leaderReadyTerm = 0
  #isChangingConf = false
  #refusal = ''
  #isWorking = false
  #work: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #resolveStopped: (stop: RaftStop) => void = () => {}
  /** Resolves when this node takes part no more. */
  readonly stopped = new Promise<RaftStop>(resolve => { this.#resolveStopped = resolve })

  private constructor(options: RaftNodeOptions) {
    this.#options = options
    this.#time = new RaftClock(options.timing ?? {})
    this.#receiver = new SnapshotReceiver(options.machine)
  }

  /** Reads the log, and takes part again if there is one. @throws ShoalError `log-damaged`, `log-missing`, `log-behind-state`, `state-behind-log` (internal), `raft-wrong-cluster` (failed-precondition) */
  static async open(options: RaftNodeOptions): Promise<RaftNode> {
    const raft = new RaftNode(options)
    raft.#logStore = await RaftLogStore.open(options.log, () => raft.#captureSnapshot())
    const base = await continueLog(raft.#logStore, options)
    if (base !== undefined) raft.#run(base)
    return raft
  }

  /** Why other managers refuse this one; empty while a leader is known. */
  get refusal(): string { return this.leadership.leaderId === 0 ? this.#refusal : '' }
  /** False until there is a log to continue: then bootstrap() or start() is due. */
  get isStarted(): boolean { return this.#running !== undefined }
  get clusterId(): string { return this.#options.clusterId }
  get nodeId(): string { return this.#options.nodeId }
  get addr(): string { return this.#options.addr }
  /** 0 before it is started. */
  get raftId(): number { return this.#running?.base.raftId ?? 0 }
  /** Empty before the first force-new-cluster. */
  get forkId(): string { return this.#running?.base.forkId ?? '' }
  get leadership(): Leadership { return this.#board.current }
  get isLeader(): boolean { return this.#board.current.isLeader }
  get table(): MemberTable { return this.#tables.current }
  /** Aborted when the node stops. */
  get signal(): AbortSignal { return this.#abort.signal }

  /** The present leadership, then each change of it. */
  onLeadership(signal: AbortSignal): AsyncIterable<Leadership> { return this.#board.watch(signal) }

  /** The core's view, with the progress of members on the leader. Absent before start. */
  status(): RaftStatus | undefined { return this.#running?.node.status() }

  /** What the log on disk ends with; `term` is of the last vote. Zeros before start. */
  logEnd(): { readonly term: number; readonly lastIndex: number; readonly lastTerm: number; readonly commit: number } {
    if (this.#running === undefined) return { term: 0, lastIndex: 0, lastTerm: 0, commit: 0 }
    const { hardState: { term, commit } } = this.#logStore
    const lastIndex = this.#logStore.lastIndex()
    return { term, lastIndex, lastTerm: this.#logStore.term(lastIndex), commit }
  }

  /** A member that was not heard for longer than this is missing. */
  get silenceMaxMs(): number { return this.#time.silenceMaxMs }

  /** Milliseconds since the member was heard; 0 for this node. */
  silentMs(raftId: number): number {
    if (this.#running === undefined) return Infinity
    return raftId === this.#running.base.raftId ? 0 : this.#running.peers.silentMs(raftId)
  }

  /** Makes the first member of a new cluster. It leads within a moment. */
  async bootstrap(): Promise<void> {
    this.#checkNotStarted()
    this.#run(await beginCluster(this.#logStore, this.#options))
    this.#give(node => node.campaign())
  }

  /** Makes the first member of a cluster that goes on from a saved state. It leads within a moment. @throws ShoalError `snapshot-malformed` */
  async restore(records: AsyncIterable<Uint8Array>): Promise<void> {
    this.#checkNotStarted()
    this.#run(await beginFromState(this.#logStore, this.#options, records))
    this.#give(node => node.campaign())
  }

  /** Begins as the member that a leader has added (membership-client.ts asks for it). The state comes from the leader. @throws ShoalError `log-write-failed`: the node stops */
  async start(joined: JoinedCluster): Promise<void> {
    this.#checkNotStarted()
    try {
      this.#run(await beginAsMember(this.#logStore, this.#options, joined))
    } catch (error) {
      // It takes nothing any more until it is opened again: asking again is of no use to this process.
      if (hasCode(error, 'log-write-failed')) this.#fail(error)
      throw error
    }
  }

  newRequestId(): string { return createId(this.#options.random) }

  /** As Proposer.propose. @throws ShoalError also `entry-too-large` (resource-exhausted) */
  async propose(draft: Pick<Proposal, 'requestId' | 'after' | 'actions' | 'requests'>, signal?: AbortSignal): Promise<number> {
    const data = encode('Proposal', { ...draft, proposedAtMs: this.#options.clock.nowMs() })
    if (data.length > PROPOSAL_BYTES_MAX) {
      throw new ShoalError('resource-exhausted', 'entry-too-large', `a change of ${data.length} bytes exceeds the ${PROPOSAL_BYTES_MAX} that managers take at once; make it in several steps`)
    }
    const entries = entriesOfProposal(data, draft.requestId, this.#options.partBytes)
    const entry = await this.#commit(node => node.propose(...entries), signal)
    return entry.index
  }

  /**
   * Resolves when this node has proved that it still leads and has applied all that was acknowledged before this call: what is read of the state machine
   * right after it is linearizable, also when this process was stopped for a while (D-600).
   * @throws ShoalError `not-leader`, `no-leader` (unavailable): ask the next leader; `reads-busy` (resource-exhausted)
   */
  async confirmRead(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    this.#checkLeads()
    const confirmed = this.#reads.wait()
    this.#wake()
    return abortable(confirmed, signal)
  }

  /** Commits a membership change. @throws ShoalError as propose(), and `membership-busy` (unavailable) while another change is under way */
  async changeMembers(change: ConfChange, signal?: AbortSignal): Promise<void> {
    const entry = await this.#commit(node => node.proposeConfChange(change), signal)
    if (entry.type === 'normal') throw new ShoalError('unavailable', 'membership-busy', 'another change of the managers is under way; try again')
  }

  /** Asks a member to take over. Whether it did shows in leadership. */
  transferTo(raftId: number): void {
    this.#checkLeads()
    this.#give(node => node.transferLeader(raftId))
  }

  /** A peer says who it is. @throws ShoalError `raft-wrong-cluster`, `member-removed`, `member-mismatch` (failed-precondition) */
  greet(sender: RaftEnvelope): void { this.#admit(sender).peers.heard(sender.from, sender.fromAddr) }

  /** A message from a peer. @throws ShoalError as greet(), `malformed-message` */
  receive(sender: RaftEnvelope, bytes: Uint8Array): void {
    const { peers, first, early } = this.#admit(sender)
    peers.heard(sender.from, sender.fromAddr)
    const message = decodeMessage(bytes)
    if (message.from !== sender.from || message.type === 'MsgProp' || message.type === 'MsgSnap') return
    this.#give(node => node.step(message))
    if (message.type === 'MsgAppResp') first.acknowledged(message.from)
    early.asked(message)
  }

  /** A snapshot from the leader: `chunks` after the first. Resolves when it is handed to the core. */
  async receiveSnapshot(envelope: RaftEnvelope, chunks: AsyncIterator<SnapshotChunk>): Promise<void> {
    this.#admit(envelope).peers.heard(envelope.from, envelope.fromAddr)
    const message = decodeMessage(envelope.message)
    if (message.type !== 'MsgSnap' || message.snapshot === undefined || message.from !== envelope.from) {
      throw new ShoalError('invalid-argument', 'snapshot-malformed', 'a snapshot stream does not begin with its message')
    }
    await this.#receiver.receive(message.snapshot.metadata.index, chunks, async () => {
      await this.#work
      this.#give(node => node.step(message))
      await this.#work
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop({ kind: 'disposed' })
    await this.#running?.peers[Symbol.asyncDispose]()
    await this.#work
    if (this.#running !== undefined) await this.#logStore.saveHardState().catch((error: unknown) => {
      if (!hasCode(error, 'log-write-failed') && !hasCode(error, 'log-closed')) throw error
    })
  }

  /** Where a member is: as the log says, or where it was found since (D-710). undefined for others. */
  addressOf(raftId: number): string | undefined {
    if (raftId === this.raftId && isDialable(this.addr)) return this.addr
    return this.#running?.peers.addressOf(raftId) ?? memberOf(this.#tables.current, raftId)?.addr
  }

  /** The members, each with where it is. */
  get membersWhereTheyAre(): readonly RaftMember[] { return this.table.members.map(member => ({ ...member, addr: this.addressOf(member.raftId) ?? member.addr })) }

  /** A member answered at this address itself, or another one says that it is there. */
  foundMember(raftId: number, addr: string, by: 'itself' | 'another'): void {
    if (by === 'itself') this.#running?.peers.heard(raftId, addr)
    else this.#running?.peers.heardOf(raftId, addr)
  }

  // --- start and stop

  #checkNotStarted(): void {
    if (this.#running !== undefined) throw new ShoalError('failed-precondition', 'raft-started', 'this manager takes part in a cluster already')
  }

  #run(base: LogBase): void {
    const { clusterId, addr, machine, clock, random, logger, dialer } = this.#options
    const node = createCore(base.raftId, this.#logStore, { random, logger, ticks: this.#time.counts })
    const early = new EarlyCampaign({ node, clock, random, logger, tickMs: this.#time.tickMs, signal: this.signal, give: input => { this.#give(input) } })
    const peers = new PeerSet({
      clusterId, forkId: base.forkId ?? '', selfId: base.raftId, selfAddr: addr, clock, random, logger, dialer, silenceMaxMs: () => this.silenceMaxMs,
      onUnreachable: raftId => this.#give(() => node.reportUnreachable(raftId)),
      onSnapshotSent: (raftId, outcome) => this.#give(() => node.reportSnapshot(raftId, outcome)),
      onRefused: (to, error) => this.#refused(to, error), onGone: raftId => early.leaderGone(raftId),
    })
    const first = new MajorityFirst({ raft: node.raft, clock, signal: this.signal, send: (message, records) => peers.send(message, records) })
    this.#running = { node, peers, first, early, base }
    this.#appliedIndex = base.index
    if (machine.appliedIndex < base.index) machine.applyCommitted(base.index, undefined)
    this.#tables.add(base.index, base.table)
    peers.setMembers(base.table.members)
    this.#timer = clock.after(this.#time.tickMs, () => this.#tick())
    this.#wake()
  }

  #refused(to: number, error: unknown): void {
    if (hasCode(error, 'member-removed')) this.#stop({ kind: 'removed' })
    else if (hasCode(error, 'raft-other-fork')) this.#stop({ kind: 'other-fork' })
    else if (REFUSALS.some(code => hasCode(error, code))) {
      this.#refusal = messageOf(error)
      this.#options.logger.warn('a manager refuses this one', { to, reason: this.#refusal })
    }
  }

  #stop(stop: RaftStop): void {
    if (this.#abort.signal.aborted) return
    const error = errorOfStop(stop)
    if (stop.kind === 'failed') this.#options.logger.error('raft stopped', { err: stop.error })
    this.#abort.abort(error)
    this.#timer?.cancel()
    this.#isLeaderReady = false
    this.#pending.rejectAll()
    this.#reads.rejectAll(notLeader(''))
    this.#board.set({ ...this.#board.current, isLeader: false, leaderId: 0, leaderAddr: '' })
    this.#board.close(error)
    this.#resolveStopped(stop)
  }

  #fail(cause: unknown): void { this.#stop(failedStop(cause)) }

  #tick(): void {
    if (this.#abort.signal.aborted || this.#running === undefined) return
    this.#timer = this.#options.clock.after(this.#time.tickMs, () => this.#tick())
    this.#give(node => {
      node.setTickCounts(this.#time.counts)
      node.tick()
    })
  }

  // --- inputs

  /**
   * Gives the core one input. @returns its refusal, if it refused: answers from members that are gone, proposals that do not fit. It is as it was then.
   * Any other error leaves it in no defined state: the node stops, and nothing more is sent, written or acknowledged.
   */
  #give(input: (node: RawNode) => void): RaftError | undefined {
    if (this.#running === undefined || this.#abort.signal.aborted) return undefined
    let refusal: RaftError | undefined
    try {
      input(this.#running.node)
    } catch (error) {
      if (error instanceof RaftError) refusal = error
      else this.#fail(error)
    }
    this.#noticeDeposed(this.#running.node)
    this.#wake()
    return refusal
  }

  /** The core leads no more. Told at once, not with the next Ready: that may wait for a disk that hangs (D-601). */
  #noticeDeposed(node: RawNode): void {
    const { role, term, leader } = node.raft
    if (!this.#isLeaderReady || (role === 'leader' && term === this.#leaderReadyTerm)) return
    this.#endLeadership(leader)
    this.#publishLeadership(node)
  }

  #endLeadership(nextLeader: number): void {
    this.#isLeaderReady = false
    this.#pending.rejectAll()
    this.#reads.rejectAll(this.#notLeader(nextLeader))
  }

  #admit(envelope: RaftEnvelope): Running {
    const running = this.#running
    this.#abort.signal.throwIfAborted()
    if (running === undefined) throw new ShoalError('unavailable', 'raft-not-started', 'this manager does not take part in raft yet')
    if (envelope.clusterId !== this.#options.clusterId) throw new ShoalError('failed-precondition', 'raft-wrong-cluster', `this manager belongs to cluster ${this.#options.clusterId}, not ${envelope.clusterId}`)
    if (envelope.forkId !== (running.base.forkId ?? '')) throw new ShoalError('not-found', 'raft-other-fork', OTHER_FORK_MESSAGE)
    if (this.#tables.current.removed.includes(envelope.from)) throw new ShoalError('not-found', 'member-removed', 'this manager was removed from the cluster: leave it and join again')
    if (envelope.to !== running.base.raftId) throw new ShoalError('failed-precondition', 'member-mismatch', `raft member ${envelope.to} is not at this address`)
    return running
  }

  #checkLeads(): Running {
    const running = this.#running
    this.#abort.signal.throwIfAborted()
    if (running === undefined) throw noLeader()
    const { role, leader } = running.node.raft.softState
    if (role === 'leader') return running
    throw leader === 0 ? noLeader() : this.#notLeader(leader)
  }

  #notLeader(leader: number): ShoalError { return notLeader(this.addressOf(leader)) }

  async #commit(offer: (node: RawNode) => void, signal: AbortSignal | undefined): Promise<Entry> {
    signal?.throwIfAborted()
    for (let offers = 1; ; offers++) {
      const { node } = this.#checkLeads()
      const refusal = this.#give(offer)
      this.#abort.signal.throwIfAborted()
      if (refusal === undefined) return abortable(this.#pending.wait(node.raft.log.lastIndex, node.raft.term), signal)
      if (offers === OFFERS_MAX) throw new ShoalError('unavailable', 'proposal-dropped', 'the leader could not take the change (too much is uncommitted, or leadership is moving); nothing was changed, try again', { cause: refusal })
      await this.#options.clock.sleep(this.#time.tickMs, signal)
    }
  }

  // --- outputs

  #wake(): void {
    if (this.#isWorking || this.#abort.signal.aborted) return
    this.#isWorking = true
    this.#work = this.#drain()
  }

  async #drain(): Promise<void> {
    // What is proposed in the same turn goes into one write.
    await Promise.resolve()
    try {
      while (!this.#abort.signal.aborted && this.#running !== undefined && this.#hasWork(this.#running.node)) await this.#handle(this.#running, this.#running.node.ready())
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isWorking = false
    }
  }

  /** Reads that have gathered are asked for right before a Ready is taken: it carries their heartbeats. */
  #hasWork(node: RawNode): boolean {
    if (node.raft.role === 'leader' && this.#reads.isRoundDue) node.readIndex(this.#reads.begin(node.raft.term))
    return node.hasReady()
  }

  async #handle({ node, peers, first, base }: Running, ready: Ready): Promise<void> {
    this.#reads.confirmed(ready.readStates, this.#appliedIndex)
    if (ready.softState !== undefined && ready.softState.role !== 'leader') this.#endLeadership(ready.softState.leader)
    this.#reads.rejectIfOlder(node.raft.term, () => this.#notLeader(node.raft.leader))
    for (const message of ready.messages) if (LEADER_MESSAGES.has(message.type) && !isCommitOnly(node, message)) first.send(message, message.snapshot && this.#captures.take(message.snapshot.metadata.index))
    if (ready.snapshot !== undefined) await this.#installSnapshot(base, ready.snapshot, ready)
    await this.#logStore.save(ready.entries, ready.hardState, ready.mustSync, { isAwaited: this.#isAlone })
    if (this.#abort.signal.aborted) return
    for (const message of ready.messages) if (!LEADER_MESSAGES.has(message.type)) peers.send(message)
    for (const entry of ready.committedEntries) this.#apply(node, entry)
    node.advance()
    this.#reads.applied(this.#appliedIndex)
    this.#publishLeadership(node)
    await this.#maybeCompact()
  }

  #apply(node: RawNode, entry: Entry): void {
    const { machine } = this.#options
    this.#appliedIndex = entry.index
    if (entry.type !== 'normal') this.#applyConfChange(node, entry)
    const isProposal = entry.type === 'normal' && entry.data.length > 0 && entry.index > machine.appliedIndex
    machine.applyCommitted(entry.index, isProposal ? decode('Proposal', entry.data) : undefined)
    // The first entry of its own term tells a leader that all before it is applied.
    if (node.raft.role === 'leader' && entry.term === node.raft.term) {
      this.#isLeaderReady = true
      this.#leaderReadyTerm = entry.term
    }
    this.#pending.applied(entry)
    if (entry.type !== 'normal' && this.#tables.current.removed.includes(node.raft.id)) this.#stop({ kind: 'removed' })
  }

  #applyConfChange(node: RawNode, entry: Entry): void {
    const change = decodeConfChange(entry.data)
    this.#isChangingConf = true
    try {
      const confState = node.applyConfChange(change)
      this.#tables.add(entry.index, changedTable(this.#tables.current, change, confState))
      this.#running?.peers.setMembers(this.#tables.current.members)
    } catch (error) {
      // Refused by the configuration as it is at this index: on all members alike.
      if (!(error instanceof ConfChangeError)) throw error
      this.#options.logger.warn('a membership change was refused', { reason: messageOf(error) })
    } finally {
      this.#isChangingConf = false
    }
  }

  async #installSnapshot(base: LogBase, { metadata: { index, term, confState } }: Snapshot, ready: Ready): Promise<void> {
    const staged = this.#receiver.accepted(index)
    const { members, removed } = staged.header
    const table = withRoles({ confState, members, removed })
    const next: LogBase = { ...base, index, term, table }
    await this.#options.machine.install(staged, encodeBaseNote(next))
    await this.#logStore.reset(next, ready.hardState ?? { ...this.#logStore.hardState, commit: index })
    this.#appliedIndex = index
    this.#tables.reset(index, table)
    this.#running?.peers.setMembers(table.members)
  }

  #publishLeadership(node: RawNode): void {
    if (this.#abort.signal.aborted) return
    const { leader, term, role } = node.raft
    // The core may have moved on while this node wrote; the Ready that says so comes next.
    const isLeader = this.#isLeaderReady && role === 'leader' && this.#leaderReadyTerm === term
    this.#board.set({ isLeader, leaderId: leader, leaderAddr: this.addressOf(leader) ?? '', term })
  }

  /** The only voter: an append is committed as soon as it is flushed here. */
  get #isAlone(): boolean {
    const { voters } = this.#tables.current.confState
    return voters.length === 1 && voters[0] === this.raftId
  }

  // --- snapshots to send, compaction

  /** Called by the core when a peer needs a snapshot: takes the state as it is now, and keeps it until its message is sent. */
  #captureSnapshot(): Snapshot | undefined {
    const { machine } = this.#options
    const index = this.#appliedIndex
    if (this.#isChangingConf || machine.appliedIndex !== index || index === 0) return undefined
    this.#captures.add(index, machine.snapshot(this.#tables.current))
    return { metadata: { index, term: this.#logStore.term(index), confState: this.#tables.current.confState }, data: new Uint8Array() }
  }

  async #maybeCompact(): Promise<void> {
    // The first time after a start whatever is more than needed goes: an idle cluster would never get to its interval.
    const isStart = this.#isStart && this.#appliedIndex >= this.#logStore.hardState.commit
    const point = compactionPoint(this.#logStore, this.#appliedIndex, { ...this.#options.compaction?.(), isStart })
    if (isStart) this.#isStart = false
    if (point === undefined) return
    const flushed = await this.#options.machine.flush()
    if (this.#abort.signal.aborted) return
    const index = Math.min(point, flushed)
    const table = this.#tables.at(index)
    if (table === undefined || index <= (this.#logStore.base?.index ?? 0)) return
    await this.#logStore.compact(index, table)
    this.#tables.forgetBefore(index)
  }
}
