import type { ClientRequest } from '../../src/api/swarm/raft.ts'
import type { Cancellation } from '../../src/base/abort.ts'
import { hasCode, ShoalError } from '../../src/base/errors.ts'
import type { StoreTx } from './object-store.ts'
import type { ProposalDraft } from './proposer.ts'
import type { StoreState } from './store-state.ts'
import { actionOf, foldWrite, StoreTransaction, type PendingWrite } from './store-transaction.ts'

/** Writes after which no further update joins a log entry (swarmkit's figure): keeps entries small while one update may be of any size. */
const GROUP_WRITES_MAX = 200
/** Waiting updates. More callers than this at once means that consensus does not keep up. */
const WAITING_UPDATES_MAX = 10_000
/** How often updates are run again because another leader's entry came between. Twice is rare. */
const RERUNS_MAX = 5
/** Log entries under way at once, each computed on the one before: while one is being committed, the next is on its way. More gain nothing. */
const UNDER_WAY_MAX = 3
/** Updates after which all that is under way is waited for: what is presumed of it is forgotten then. */
const PRESUMED_UPDATES_MAX = 2000

interface QueuedUpdate {
  readonly sequence: number
  readonly change: (tx: StoreTx) => unknown
  readonly signal: Cancellation | undefined
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  reruns: number
}

/** How an update ended on the state it was run on: told when that state is committed. */
type Outcome = { readonly value: unknown } | { readonly error: unknown }

interface Group {
  readonly updates: readonly (readonly [update: QueuedUpdate, outcome: Outcome])[]
  readonly writes: ReadonlyMap<string, PendingWrite>
  readonly requests: readonly ClientRequest[]
  /** The pending versions it gave: from the first down to the last. */
  readonly firstVersion: number
  readonly lastVersion: number
}

/** What will be when all that is under way is applied. */
interface Presumed {
  state: StoreState
  /** Of the last proposal under way. */
  requestId: string
  updates: number
  readonly results: Map<string, string>
  /** Committed versions by the pending ones they had. */
  readonly versions: Map<number, number>
}

/** What UpdateQueue works with. */
export interface UpdateQueueOptions {
  /** The newest applied state. */
  readonly state: () => StoreState
  /** The result of a request that is in that state. */
  readonly resultOf: (requestId: string) => string | undefined
  readonly newRequestId: () => string
  /** Commits a log entry. Resolves to its index, or to undefined when it refused to apply. */
  readonly commit: (draft: ProposalDraft) => Promise<number | undefined>
}

/**
 * Serialises updates with group commit: those that come in one turn go out together, and while some log entries are under way the next ones are computed on
 * what they will have changed. Nobody is told of a state before it is committed; when an entry is refused or lost, so are those after it, and their updates run again.
 */
export class UpdateQueue {
  readonly #options: UpdateQueueOptions
  #waiting: QueuedUpdate[] = []
  #presumed: Presumed | undefined
  #underWay = 0
  /** Whether the last group under way was applied. */
  #last: Promise<boolean> = Promise.resolve(true)
  #wake: () => void = () => {}
  #pump: Promise<void> = Promise.resolve()
  #isWorking = false
  #mustWait = false
  #sequence = 0
  #pendingVersion = 0
  #groupUpdatesMax = Number.POSITIVE_INFINITY

  constructor(options: UpdateQueueOptions) { this.#options = options }

  /** As ObjectStore.update. */
  run<T>(change: (tx: StoreTx) => T, signal?: Cancellation): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      signal?.throwIfAborted()
      if (this.#waiting.length >= WAITING_UPDATES_MAX) {
        throw new ShoalError('resource-exhausted', 'store-overloaded', `${WAITING_UPDATES_MAX} changes of the cluster's state are waiting; try again later`)
      }
      // Who gave up is told at once, also while the change is being committed.
      const onAbort = (): void => reject(signal?.reason as Error)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push({
        sequence: this.#sequence++, change, signal, reruns: 0,
        resolve: value => {
          signal?.removeEventListener('abort', onAbort)
          resolve(value as T)
        },
        reject: error => {
          signal?.removeEventListener('abort', onAbort)
          reject(error as Error)
        },
      })
      if (this.#isWorking) this.#wake()
      else this.#pump = this.#work()
    })
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> { await this.#pump }

  async #work(): Promise<void> {
    this.#isWorking = true
    // What comes in the same turn goes together.
    await Promise.resolve()
    while (this.#waiting.length > 0 || this.#underWay > 0) {
      if (this.#waiting.length > 0 && !this.#isFull()) this.#begin(this.#nextGroup())
      else await new Promise<void>(resolve => { this.#wake = resolve })
    }
    // In the same turn as the last look at the queue: an update that came between would wait for ever.
    this.#isWorking = false
  }

  #isFull(): boolean {
    if (this.#underWay === 0) return false
    return this.#mustWait || this.#underWay >= UNDER_WAY_MAX || (this.#presumed?.updates ?? 0) >= PRESUMED_UPDATES_MAX
  }

  #nextGroup(): Group {
    const updates: (readonly [QueuedUpdate, Outcome])[] = []
    const writes = new Map<string, PendingWrite>()
    const requests: ClientRequest[] = []
    const presumed = this.#presumed ??= { state: this.#options.state(), requestId: '', updates: 0, results: new Map(), versions: new Map() }
    const firstVersion = this.#pendingVersion - 1
    while (writes.size < GROUP_WRITES_MAX && updates.length < this.#groupUpdatesMax) {
      const update = this.#waiting.shift()
      if (update === undefined) break
      if (update.signal?.aborted === true) continue
      const tx = this.#transaction(presumed)
      const outcome = outcomeOf(update, tx)
      updates.push([update, outcome])
      presumed.updates += 1
      if ('error' in outcome || tx.writes.size === 0) continue
      for (const write of tx.writes.values()) foldWrite(writes, write)
      for (const [id, objectId] of tx.claims) {
        presumed.results.set(id, objectId)
        requests.push({ id, objectId })
      }
      presumed.state = tx.state
    }
    return { updates, writes, requests, firstVersion, lastVersion: this.#pendingVersion }
  }

  #transaction(presumed: Presumed): StoreTransaction {
    this.#pendingVersion -= 1
    return new StoreTransaction(presumed.state, {
      pendingVersion: this.#pendingVersion, committedVersion: version => presumed.versions.get(version) ?? version,
      resultOf: id => presumed.results.get(id) ?? this.#options.resultOf(id),
    })
  }

  /** Never rejects: whoever asked is told. */
  #begin(group: Group): void {
    const before = this.#last
    this.#underWay += 1
    this.#last = this.#perform(group, before).then(isApplied => {
      this.#underWay -= 1
      if (!isApplied) this.#mustWait = true
      if (this.#underWay === 0) {
        this.#presumed = undefined
        this.#mustWait = false
        this.#last = Promise.resolve(true)
      }
      this.#wake()
      return isApplied
    })
  }

  async #perform(group: Group, before: Promise<boolean>): Promise<boolean> {
    try {
      const isApplied = group.writes.size === 0 ? await before : await this.#commit(group)
      if (isApplied) for (const [update, outcome] of group.updates) tell(update, outcome)
      else this.#again(group)
      return isApplied
    } catch (error) {
      this.#failed(group, error)
      return false
    }
  }

  async #commit(group: Group): Promise<boolean> {
    const presumed = this.#presumed as Presumed
    const after = presumed.requestId
    const requestId = this.#options.newRequestId()
    presumed.requestId = requestId
    const index = await this.#options.commit({ requestId, after, actions: [...group.writes.values()].map(actionOf), requests: group.requests })
    if (index === undefined) return false
    for (let version = group.firstVersion; version >= group.lastVersion; version--) presumed.versions.set(version, index)
    this.#groupUpdatesMax = Number.POSITIVE_INFINITY
    return true
  }

  #again(group: Group): void {
    const again = group.updates.map(([update]) => update)
    for (const update of again) update.reruns += 1
    for (const update of again) if (update.reruns > RERUNS_MAX) update.reject(new ShoalError('unknown', 'out-of-sequence', 'update out of sequence'))
    this.#waitAgain(again.filter(update => update.reruns <= RERUNS_MAX))
  }

  /** An entry that is too large as a group is tried again one by one, so that only the update at fault fails. */
  #failed(group: Group, error: unknown): void {
    if (hasCode(error, 'entry-too-large') && group.updates.length > 1) {
      this.#groupUpdatesMax = 1
      this.#waitAgain(group.updates.map(([update]) => update))
      return
    }
    for (const [update] of group.updates) update.reject(error)
  }

  #waitAgain(updates: readonly QueuedUpdate[]): void {
    this.#waiting = [...updates, ...this.#waiting].sort((a, b) => a.sequence - b.sequence)
  }
}

function outcomeOf({ change }: QueuedUpdate, tx: StoreTransaction): Outcome {
  try {
    return { value: change(tx) }
  } catch (error) {
    return { error }
  }
}

function tell(update: QueuedUpdate, outcome: Outcome): void {
  if ('error' in outcome) update.reject(outcome.error)
  else update.resolve(outcome.value)
}
