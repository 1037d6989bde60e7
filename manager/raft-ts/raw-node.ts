import type { ClusterConfig } from './cluster-config.ts'
import { encodeConfChange } from './conf-change-codec.ts'
import { createMessage } from './create-message.ts'
import { entriesSizeBytes } from './entry-size.ts'
import { invariant } from './invariant.ts'
import { applyConfChange } from './membership.ts'
import { isLocalMessage, isLocalTarget, isResponseMessage } from './message-kind.ts'
import type { ConfChange, ConfState, Entry, HardState, Message } from './message.ts'
import type { Progress } from './progress.ts'
import { Raft } from './raft.ts'
import type { RawNodeConfig, TickCounts } from './raft-config.ts'
import type { RaftRole, Ready, SoftState } from './ready.ts'
import { createAppendMessage, createAppendResponse, createApplyMessage, createApplyResponse, needsAppendMessage, needsAppendResponse } from './storage-messages.ts'
import { RaftError } from './storage.ts'

/** A picture of a node. `progress` is empty unless it leads. */
export interface RaftStatus {
  readonly id: number
  readonly term: number
  readonly vote: number
  readonly commit: number
  readonly applied: number
  readonly leader: number
  readonly role: RaftRole
  readonly leaderTransferee: number
  readonly config: ClusterConfig
  readonly progress: ReadonlyMap<number, Progress>
}

/**
 * A Raft node as a value machine: inputs are method calls, outputs come from ready(). Synchronous; no timers, no I/O.
 *
 * The driver's loop: call tick() at a steady rate and step() for each message from peers; whenever hasReady(), take ready(), persist, send and apply
 * as its fields say, then call advance(), before anything else is read from the next ready(). With asyncStorageWrites the work travels as messages
 * instead and advance() is not called. For committed entries of type conf-change and conf-change-v2 the driver calls applyConfChange with the decoded
 * data (decodeConfChange), before advance().
 */
export class RawNode {
  /** The state machine itself: for examination in tests, not for driving. */
  readonly raft: Raft
  #previousSoft: SoftState
  #previousHard: HardState
  /** To be stepped by advance(). */
  #onAdvance: Message[] = []

  /** Continues from what the storage holds. @throws RangeError on a config that cannot work */
  constructor(config: RawNodeConfig) {
    this.raft = new Raft(config)
    this.#previousSoft = this.raft.softState
    this.#previousHard = this.raft.hardState
  }

  /** One unit of time has passed. */
  tick(): void { this.raft.tick() }

  /** Other counts than the config's, from now on. Members may change one after the other: safety does not hang on time. @throws RangeError, and changes nothing */
  setTickCounts(ticks: TickCounts): void { this.raft.setTickCounts(ticks) }

  /** Starts an election now. */
  campaign(): void { this.raft.step(createMessage({ type: 'MsgHup' })) }

  /** Offers data for the log; several become entries that follow each other, all or none. Whether it was committed shows only in committedEntries. @throws RaftError `proposal-dropped` if it certainly was not taken */
  propose(...data: readonly Uint8Array[]): void { this.#propose(...data.map((each): Entry => ({ type: 'normal', data: each, term: 0, index: 0 }))) }

  /**
   * Offers a membership change. One that does not fit the configuration at that time is replaced by an empty entry.
   * @throws RaftError `proposal-dropped` if it certainly was not taken
   */
  proposeConfChange(change: ConfChange, type: 'conf-change' | 'conf-change-v2' = 'conf-change-v2'): void {
    this.#propose({ type, data: encodeConfChange(change), term: 0, index: 0 })
  }

  /**
   * Takes a committed membership change into effect, and returns the configuration to remember in snapshots. To refuse a change, don't call.
   * @throws ConfChangeError if the configuration does not allow it; nothing changed then
   */
  applyConfChange(change: ConfChange): ConfState { return applyConfChange(this.raft, change) }

  /** A message from a peer has arrived. @throws RaftError `step-local-message`, `step-peer-not-found`, `proposal-dropped`; all can be ignored */
  step(message: Message): void {
    if (isLocalMessage(message.type) && !isLocalTarget(message.from)) throw new RaftError('step-local-message', 'raft: cannot step raft local message')
    if (isResponseMessage(message.type) && !isLocalTarget(message.from) && this.raft.tracker.progressOf(message.from) === undefined) {
      throw new RaftError('step-peer-not-found', 'raft: cannot step as peer not found')
    }
    this.raft.step(message)
  }

  hasReady(): boolean {
    const { raft } = this
    return !isSameSoft(raft.softState, this.#previousSoft) || !isSameHard(raft.hardState, this.#previousHard)
      || raft.log.unstable.nextSnapshot() !== undefined || raft.log.unstable.hasNextEntries
      || raft.messages.length > 0 || raft.messagesAfterAppend.length > 0
      || raft.log.hasNextCommitted(this.#mayApplyUnstable) || raft.readStates.length > 0
  }

  /** Hands out the work that has come up. It must be done; the same is not handed out again. */
  ready(): Ready {
    invariant(this.#onAdvance.length === 0, () => 'ready() called twice without advance() in between')
    const ready = this.#collect()
    this.#accept(ready)
    return ready
  }

  /** The last ready() is done: persisted, sent and applied. */
  advance(): void {
    invariant(!this.raft.config.asyncStorageWrites, () => 'advance() must not be called with asyncStorageWrites')
    const steps = this.#onAdvance
    this.#onAdvance = []
    for (const message of steps) this.raft.step(message)
  }

  status(): RaftStatus {
    const { raft } = this
    return {
      id: raft.id, term: raft.term, vote: raft.vote, commit: raft.log.committed, applied: raft.log.applied, leader: raft.leader, role: raft.role,
      leaderTransferee: raft.leaderTransferee, config: raft.tracker.config,
      progress: raft.role === 'leader' ? new Map([...raft.tracker.membership.progress].map(([id, progress]) => [id, progress.clone()])) : new Map(),
    }
  }

  /** The last message to this peer could not be delivered. */
  reportUnreachable(id: number): void { this.raft.step(createMessage({ type: 'MsgUnreachable', from: id })) }

  /** A MsgSnap has arrived at this peer, or never will. Each MsgSnap sent needs one report, or the peer waits for ever. */
  reportSnapshot(id: number, outcome: 'finished' | 'failed'): void {
    this.raft.step(createMessage({ type: 'MsgSnapStatus', from: id, reject: outcome === 'failed' }))
  }

  /** Asks that this voter become leader. Until then, or for an election timeout, the leader drops proposals. */
  transferLeader(transferee: number): void { this.raft.step(createMessage({ type: 'MsgTransferLeader', from: transferee })) }

  /** A follower that knows its leader is gone lets others be elected without waiting out the lease. */
  forgetLeader(): void { this.raft.step(createMessage({ type: 'MsgForgetLeader' })) }

  /**
   * Asks from which index on local reads include all that was committed before this call. The answer, if one comes, is in readStates with the same
   * context; ask again after a timeout.
   */
  readIndex(context: Uint8Array): void {
    this.raft.step(createMessage({ type: 'MsgReadIndex', entries: [{ type: 'normal', data: context, term: 0, index: 0 }] }))
  }

  /** With synchronous writes, what is committed is written before it is applied, in the same Ready. */
  get #mayApplyUnstable(): boolean { return !this.raft.config.asyncStorageWrites }

  #propose(...entries: readonly Entry[]): void { this.raft.step(createMessage({ type: 'MsgProp', from: this.raft.id, entries })) }

  #collect(): Ready {
    const { raft } = this
    const entries = raft.log.unstable.nextEntries()
    const hard = raft.hardState
    const snapshot = raft.log.unstable.nextSnapshot()
    const isSoftNew = !isSameSoft(raft.softState, this.#previousSoft)
    const isHardNew = !isSameHard(hard, this.#previousHard)
    const ready: Ready = {
      ...(isSoftNew ? { softState: raft.softState } : {}),
      ...(isHardNew ? { hardState: hard } : {}),
      ...(snapshot === undefined ? {} : { snapshot }),
      readStates: raft.readStates,
      entries,
      committedEntries: raft.log.nextCommitted(this.#mayApplyUnstable),
      messages: raft.messages,
      // The commit index alone may be lost: it is learned again.
      mustSync: entries.length > 0 || hard.term !== this.#previousHard.term || hard.vote !== this.#previousHard.vote,
    }
    return { ...ready, messages: [...raft.messages, ...this.#storageMessages(ready)] }
  }

  #storageMessages(ready: Ready): readonly Message[] {
    const { raft } = this
    if (!raft.config.asyncStorageWrites) return raft.messagesAfterAppend.filter(message => message.to !== raft.id)
    const messages: Message[] = []
    if (needsAppendMessage(raft, ready)) messages.push(createAppendMessage(raft, ready))
    if (ready.committedEntries.length > 0) messages.push(createApplyMessage(raft, ready.committedEntries))
    return messages
  }

  #accept(ready: Ready): void {
    const { raft } = this
    if (ready.softState !== undefined) this.#previousSoft = ready.softState
    if (ready.hardState !== undefined) this.#previousHard = ready.hardState
    if (!raft.config.asyncStorageWrites) {
      this.#onAdvance = raft.messagesAfterAppend.filter(message => message.to === raft.id)
      if (needsAppendResponse(raft, ready)) this.#onAdvance.push(createAppendResponse(raft, ready))
      if (ready.committedEntries.length > 0) this.#onAdvance.push(createApplyResponse(raft, ready.committedEntries))
    }
    raft.readStates = []
    raft.messages = []
    raft.messagesAfterAppend = []
    raft.log.unstable.acceptInProgress()
    const last = ready.committedEntries.at(-1)
    if (last !== undefined) raft.log.acceptApplying(last.index, entriesSizeBytes(ready.committedEntries), this.#mayApplyUnstable)
  }
}

function isSameSoft(a: SoftState, b: SoftState): boolean { return a.leader === b.leader && a.role === b.role }
function isSameHard(a: HardState, b: HardState): boolean { return a.term === b.term && a.vote === b.vote && a.commit === b.commit }
