import type { Proposal } from '../../src/api/swarm/raft.ts'
import type { RaftMember } from '../../src/api/swarm/raft.ts'
import type { Cancellation } from '../../src/base/abort.ts'
import { Channel } from '../../src/base/channel.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { KvStore } from '../../src/base/storage.ts'
import { applyProposal } from './apply-proposal.ts'
import { ChangeHistory } from './change-history.ts'
import type { ObjectStore, StoreChanges, StoreCommit, StoreTx, StoreView } from './object-store.ts'
import { ProposalAssembler } from './proposal-assembler.ts'
import type { ProposalDraft, Proposer } from './proposer.ts'
import { RecentRequests, requestText } from './recent-requests.ts'
import { readSnapshot, writeSnapshot, type StagedState } from './snapshot-records.ts'
import { StatePersister } from './state-persister.ts'
import { StoreState } from './store-state.ts'
import { UpdateQueue } from './update-queue.ts'

/** Commits a watcher may fall behind before it has to list again: some seconds of a busy leader, some megabytes at worst. */
const WATCH_COMMITS_MAX = 1024
/** Requests remembered for dropping repeats: a client tries for twenty seconds at most (B06), and a busy leader answers some hundred in one. */
export const REQUESTS_MAX = 16_384

/** How the store takes its turns with the rest of the process. */
export interface StoreTurns {
  /** Awaited between pieces of long work, for the process to do other things. */
  readonly pause?: () => Promise<void>
  /** Runs what need not come before the answer to a change: watchers hear of it then. In order; default at once. */
  readonly later?: ((work: () => void) => void) | undefined
}

/** Who the members are, for the header of a snapshot. */
export interface SnapshotMembers { readonly members: readonly RaftMember[]; readonly removed: readonly number[] }

/**
 * The replicated state of this manager. Consensus feeds it (applyCommitted, install), components read and change it as ObjectStore.
 * Open it, hand it to the raft node, then attach() the node as its proposer. The caller owns `kv` and disposes it after the store.
 */
export class ReplicatedStore implements ObjectStore, AsyncDisposable {
  #state: StoreState
  #requests: RecentRequests
  readonly #assembler = new ProposalAssembler()
  #proposer: Proposer | undefined
  readonly #persister: StatePersister | undefined
  /** Each with the version that its view had when it began. */
  readonly #watchers = new Map<Channel<StoreCommit>, number>()
  readonly #history: ChangeHistory
  readonly #updates: UpdateQueue
  readonly #stop = new AbortController()
  readonly #later: NonNullable<StoreTurns['later']>
  #proposing = 0
  readonly #refused = new Set<number>()

  private constructor(state: StoreState, requests: readonly string[], persister: StatePersister | undefined, later: StoreTurns['later'] = work => work()) {
    this.#later = later
    this.#state = state
    this.#requests = new RecentRequests(REQUESTS_MAX, requests)
    this.#persister = persister
    this.#history = new ChangeHistory(state.version)
    this.#updates = new UpdateQueue({
      state: () => this.#state, resultOf: id => this.#requests.resultOf(id), newRequestId: () => this.#proposer?.newRequestId() ?? '', commit: draft => this.#commit(draft),
    })
  }

  /** An empty store that keeps nothing on disk. */
  static inMemory(): ReplicatedStore {
    return new ReplicatedStore(StoreState.empty(), [], undefined)
  }

  /**
   * Loads what was applied before.
   * @throws ShoalError `state-damaged` (internal) when the kept state is not whole
   */
  static async open(kv: KvStore, { pause = async () => {}, later }: StoreTurns = {}): Promise<ReplicatedStore> {
    const { persister, state, requests } = await StatePersister.open({ kv, pause, requestsMax: REQUESTS_MAX })
    return new ReplicatedStore(state, requests, persister, later)
  }

  /** Gives the store its way to commit. Once, before the first update. */
  attach(proposer: Proposer): void { this.#proposer = proposer }

  view(): StoreView { return this.#state }

  update<T>(change: (tx: StoreTx) => T, signal?: Cancellation): Promise<T> {
    const { signal: stop } = this.#stop
    return stop.aborted ? Promise.reject(stop.reason as Error) : this.#updates.run(change, signal)
  }

  watch(signal: AbortSignal): AsyncIterable<StoreCommit> {
    signal.throwIfAborted()
    const onAbort = (): void => { end(); channel.fail(signal.reason) }
    const end = (): void => {
      this.#watchers.delete(channel)
      signal.removeEventListener('abort', onAbort)
    }
    const channel = new Channel<StoreCommit>(WATCH_COMMITS_MAX, end)
    this.#watchers.set(channel, this.#state.version)
    signal.addEventListener('abort', onAbort, { once: true })
    return channel
  }

  watchAfter(version: number, signal: AbortSignal): AsyncIterable<StoreChanges> {
    return this.#history.after(version, AbortSignal.any([signal, this.#stop.signal]))
  }

  /** Raft index up to which everything is applied. */
  get appliedIndex(): number { return this.#state.version }

  /**
   * Applies the entry `index`, which consensus has committed; called in order, for own entries and those of others. `undefined` is an
   * entry without a proposal (raft's own). Entries at or below appliedIndex were applied before a restart and are skipped. While parts of a
   * large one are missing, appliedIndex stays where it was before them: the log must keep them.
   */
  applyCommitted(index: number, entry: Proposal | undefined): void {
    if (index <= this.#state.version) return
    const proposal = this.#assembler.add(entry)
    if (proposal === 'incomplete') return
    const isRepeat = proposal !== undefined && proposal.requestId !== '' && this.#requests.has(proposal.requestId)
    const applied = proposal === undefined || isRepeat ? undefined : applyProposal(this.#state, index, proposal, id => this.#requests.has(id))
    if (proposal === undefined || applied === undefined) {
      if (this.#proposing > 0 && proposal !== undefined && !isRepeat) this.#refused.add(index)
      this.#state = this.#state.at(index)
      return
    }
    const requests = proposal.requests.map(({ id, objectId }) => requestText(id, objectId))
    if (proposal.requestId !== '') requests.push(proposal.requestId)
    for (const request of requests) this.#requests.add(request)
    this.#state = applied.state
    this.#persister?.add(index, applied.changes, requests)
    this.#history.add({ version: index, atMs: proposal.proposedAtMs, changes: applied.changes })
    this.#publish({ view: applied.state, changes: applied.changes })
  }

  /** The state as it is now, as encoded SnapshotRecords: a header, then objects. Later changes do not show. */
  snapshot(members: SnapshotMembers): AsyncIterable<Uint8Array> {
    return writeSnapshot(this.#state, { ...members, recentRequestIds: this.#requests.list() })
  }

  /** Reads a snapshot without installing it. @throws ShoalError `snapshot-malformed` (invalid-argument) */
  async stage(records: AsyncIterable<Uint8Array>): Promise<StagedState> {
    return readSnapshot(records)
  }

  /**
   * Replaces everything by a staged snapshot; durable when it resolves. Watchers get `changes: 'all'`.
   * @param note kept with it, for the caller: note() gives it back after a restart
   */
  async install(staged: StagedState, note: Uint8Array): Promise<void> {
    await this.#persister?.replace(staged.state, staged.header.recentRequestIds, note)
    this.#state = staged.state
    this.#requests = new RecentRequests(REQUESTS_MAX, staged.header.recentRequestIds)
    this.#assembler.add(undefined)
    this.#history.restart(staged.state.version)
    this.#publish({ view: staged.state, changes: 'all' })
  }

  /** What the last install() was given. */
  note(): Uint8Array | undefined { return this.#persister?.note }

  /**
   * Makes everything applied so far durable. Without a KvStore nothing ever is: the log must be kept whole.
   * @returns the index up to which the log is no longer needed for a restart
   * @throws ShoalError `state-write-failed` (internal); the state on disk then stays at an older index
   */
  async flush(): Promise<number> {
    return this.#persister === undefined ? 0 : this.#persister.flush(this.#state.version)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new ShoalError('unavailable', 'store-closed', 'the store is closed: this manager is stopping'))
    for (const watcher of [...this.#watchers.keys()]) watcher.fail(this.#stop.signal.reason)
    await this.#updates.idle()
    await this.#persister?.[Symbol.asyncDispose]()
  }

  /** @returns the entry's index; undefined when it refused to apply */
  async #commit(draft: ProposalDraft): Promise<number | undefined> {
    if (this.#proposer === undefined) throw new ShoalError('unavailable', 'no-leader', 'the store is not connected to consensus yet; try again')
    this.#proposing += 1
    try {
      const index = await this.#proposer.propose(draft, this.#stop.signal)
      return this.#refused.delete(index) ? undefined : index
    } finally {
      this.#proposing -= 1
      if (this.#proposing === 0) this.#refused.clear()
    }
  }

  /** Whoever waits for the change itself is answered first. */
  #publish(commit: StoreCommit): void {
    this.#later(() => {
      for (const [watcher, begun] of [...this.#watchers]) {
        if (commit.changes !== 'all' && commit.view.version <= begun) continue
        if (!watcher.push(commit)) this.#watchers.delete(watcher)
      }
    })
  }
}
