import { decodeConfChange } from 'raft-ts/conf-change-codec'
import { ConfChangeError } from 'raft-ts/confchange'
import { toConfState } from 'raft-ts/cluster-config'
import type { MemoryStorage } from 'raft-ts/memory-storage'
import type { ConfState, Entry, Message, MessageType, Snapshot } from 'raft-ts/message'
import { isLocalTarget } from 'raft-ts/message-kind'
import type { Raft } from 'raft-ts/raft'
import { RawNode } from 'raft-ts/raw-node'
import type { Ready } from 'raft-ts/ready'
import type { RawNodeConfig } from 'raft-ts/raft-config'
import { RaftError } from 'raft-ts/storage'
import type { CoreCounts } from './core-counts.ts'
import { violated, type CoreInvariants } from './core-invariants.ts'
import { DurableDisk, type DiskWrite } from './durable-disk.ts'

/** Where a planted bug can get hold of a node. Each default does what is right. */
export interface CoreSeams {
  /** After a node was built, before it runs. */
  built(node: RawNode, storage: MemoryStorage): void
  /** What of a Ready reaches the disk. */
  written(write: DiskWrite): DiskWrite
  /** Messages go out only after the flush. */
  sendsBeforeFlush: boolean
  /** The index a new snapshot claims to stand for. */
  snapshotIndex(applied: number): number
  /** The members that a new snapshot names. */
  snapshotMembers(now: ConfState, before: ConfState): ConfState
  /** What a leader needs of its own proposals' rules. */
  readonly config: Partial<RawNodeConfig>
}

export const RIGHT_SEAMS: CoreSeams = {
  built: () => {}, written: write => write, sendsBeforeFlush: false, snapshotIndex: applied => applied, snapshotMembers: now => now, config: {},
}

/** What a leader may send before its own write is durable. */
const LEADER_MESSAGES: ReadonlySet<MessageType> = new Set<MessageType>(['MsgApp', 'MsgHeartbeat', 'MsgSnap', 'MsgTimeoutNow'])

const CONFIG: Pick<RawNodeConfig, 'electionTicks' | 'heartbeatTicks' | 'maxSizePerMessageBytes' | 'maxInflightMessages' | 'maxCommittedBytesPerReady'> = {
  electionTicks: 10, heartbeatTicks: 2, maxSizePerMessageBytes: 64, maxInflightMessages: 4, maxCommittedBytesPerReady: 96,
}

export interface CoreNodeOptions {
  readonly id: number
  readonly config: Partial<RawNodeConfig>
  readonly random: () => number
  readonly invariants: CoreInvariants
  readonly counts: CoreCounts
  readonly seams: CoreSeams
  /** As the manager's driver does (D-116). */
  readonly leaderSendsEarly: boolean
  readonly send: (message: Message) => void
  readonly holds: (id: number, index: number, term: number) => boolean
  /** Asked before and after each flush: whether the machine stops right here. */
  readonly stopsAt: (point: 'write' | 'send') => boolean
}

/**
 * One machine: a RawNode with its disk and a driver that can be stopped between any two steps: take a Ready, write, flush, send one by one, apply.
 * With asyncStorageWrites the disk and the state machine work beside the node. The state machine is a hash of all that was applied.
 */
export class CoreNode {
  readonly id: number
  readonly disk: DurableDisk
  /** Something waits for work(). */
  hasWork = false
  readonly #options: CoreNodeOptions
  readonly #isAsync: boolean
  #node: RawNode | undefined
  #storage: MemoryStorage | undefined
  /** Synchronous driver: the Ready in hand, and how far it is. */
  #pending: Ready | undefined
  #isFlushed = false
  /** Asynchronous driver: writes and applications in order. */
  #appends: Message[] = []
  #applies: Message[] = []
  #outbox: Message[] = []
  #sent = 0
  #confState: ConfState | undefined
  #confStateBefore: ConfState | undefined
  #state = 0
  #applied = 0
  #committed = 0
  #term = 0
  #wasLeader = false
  readonly #reads = new Map<number, number>()
  #readCount = 0

  constructor(options: CoreNodeOptions) {
    this.id = options.id
    this.#options = options
    this.#isAsync = options.config.asyncStorageWrites === true
    this.disk = new DurableDisk((index, term) => {
      options.counts['uncommitted entry replaced']++
      options.invariants.truncated(options.id, index, term)
    })
  }

  get isUp(): boolean { return this.#node !== undefined }
  /** The core as it is now; undefined while the machine is down. */
  get raft(): Raft | undefined { return this.#node?.raft }
  get applied(): number { return this.#applied }

  start(): void {
    const storage = this.disk.open()
    const { metadata, data } = storage.snapshot()
    const { seams, invariants } = this.#options
    this.#storage = storage
    this.#state = data.length === 0 ? 0 : stateOf(data)
    this.#applied = metadata.index
    this.#confState = this.#confStateBefore = metadata.confState
    const { hardState } = storage.initialState()
    this.#committed = Math.max(metadata.index, hardState.commit)
    this.#term = hardState.term
    if (metadata.index > 0) invariants.applies(this.id, metadata.index, this.#state)
    this.#node = new RawNode({ ...CONFIG, ...this.#options.config, ...seams.config, id: this.id, storage, random: this.#options.random, applied: metadata.index })
    seams.built(this.#node, storage)
    this.hasWork = this.#node.hasReady()
  }

  /** Stops at this instant. Of a write under way, a random part has reached the disk. */
  crash(): void {
    const { seams, random, counts } = this.#options
    counts['machine crashed']++
    const append = this.#appends[0]
    if (this.#pending !== undefined && !this.#isFlushed) this.disk.write(seams.written(this.#pending), random())
    if (append !== undefined || (this.#pending !== undefined && !this.#isFlushed)) counts['write torn']++
    if (append !== undefined) this.disk.write(seams.written(writeOf(append)), random())
    this.#node = undefined
    this.#wasLeader = false
    this.#storage = undefined
    this.#pending = undefined
    this.#appends = []
    this.#applies = []
    this.#outbox = []
    this.#sent = 0
    this.hasWork = false
    this.#reads.clear()
  }

  /** Runs `input` on the node, and looks at what it did. */
  input(input: (node: RawNode) => void): void {
    if (this.#node === undefined) return
    input(this.#node)
    this.#observe(this.#node)
  }

  tick(): void {
    if (this.#node === undefined) return
    this.#node.tick()
    this.#observe(this.#node)
  }

  /** Does one step of the driver. `isDiskSlow`: but none of the disk's. */
  work(isDiskSlow: boolean): void {
    const node = this.#node
    if (node === undefined) return
    if (this.#isAsync) this.#workAsync(node, isDiskSlow)
    else this.#workSync(node)
    if (this.#node === node) this.#observe(node)
  }

  /** Asks for a linearizable read; the answer is checked against what was committed by now. Returns the read's number. */
  read(committed: number): number {
    const node = this.#node
    const id = ++this.#readCount
    if (node === undefined) return id
    this.#reads.set(id, committed)
    node.readIndex(Uint8Array.of(id >> 16, id >> 8, id))
    this.#observe(node)
    return id
  }

  /** Whether that read waits for its answer; one that a restart made void does not. */
  awaits(read: number): boolean { return this.#reads.has(read) }

  /** Makes a snapshot of what is applied, and compacts the log behind it. */
  compact(): void { if (this.#pending === undefined) this.#snapshot(true) }

  // --- the synchronous driver

  #workSync(node: RawNode): void {
    const pending = this.#pending
    if (pending === undefined) {
      if (node.hasReady()) this.#take(node)
    } else if (!this.#isFlushed) {
      if (this.#options.stopsAt('write')) return this.crash()
      this.disk.write(this.#options.seams.written(pending))
      this.#isFlushed = true
      if (this.#options.stopsAt('send')) this.#crashBeforeSend()
    } else if (!this.#sendOne()) {
      if (pending.snapshot !== undefined) this.#install(pending.snapshot)
      for (const entry of pending.committedEntries) this.#apply(node, entry)
      this.#pending = undefined
      node.advance()
    }
  }

  #take(node: RawNode): void {
    const ready = node.ready()
    const storage = this.#storage as MemoryStorage
    if (ready.snapshot !== undefined) storage.applySnapshot(ready.snapshot)
    storage.append(ready.entries)
    if (ready.hardState !== undefined) storage.setHardState(ready.hardState)
    this.#note(node, ready)
    this.#pending = ready
    this.#isFlushed = false
    const { seams, leaderSendsEarly } = this.#options
    if (seams.sendsBeforeFlush || leaderSendsEarly) {
      for (const message of ready.messages) {
        if (seams.sendsBeforeFlush || LEADER_MESSAGES.has(message.type)) this.#emit(message)
        else this.#outbox.push(message)
      }
    } else {
      this.#outbox = [...ready.messages]
    }
  }

  // --- the asynchronous driver

  #workAsync(node: RawNode, isDiskSlow: boolean): void {
    if (this.#sendOne()) return
    const dice = this.#options.random()
    if (this.#appends.length > 0 && !isDiskSlow && (dice < 0.4 || !node.hasReady())) this.#appendOne(node)
    else if (this.#applies.length > 0 && (dice < 0.7 || !node.hasReady())) this.#applyOne(node)
    else if (node.hasReady()) this.#takeAsync(node)
  }

  #takeAsync(node: RawNode): void {
    const ready = node.ready()
    this.#note(node, ready)
    for (const message of ready.messages) {
      if (message.type === 'MsgStorageAppend') this.#appends.push(message)
      else if (message.type === 'MsgStorageApply') this.#applies.push(message)
      else this.#outbox.push(message)
    }
    const last = this.#appends.at(-1)
    if (this.#options.seams.sendsBeforeFlush && last !== undefined) for (const message of last.responses) if (!isLocalTarget(message.from) && message.to !== this.id) this.#emit(message)
  }

  #appendOne(node: RawNode): void {
    const message = this.#appends[0] as Message
    if (this.#options.stopsAt('write')) return this.crash()
    const storage = this.#storage as MemoryStorage
    if (message.snapshot !== undefined) storage.applySnapshot(message.snapshot)
    storage.append(message.entries)
    const write = writeOf(message)
    if (write.hardState !== undefined) storage.setHardState(write.hardState)
    this.disk.write(this.#options.seams.written(write))
    this.#appends.shift()
    if (this.#options.stopsAt('send')) return this.#crashBeforeSend()
    if (message.snapshot !== undefined) this.#install(message.snapshot)
    this.#respond(node, message)
  }

  #applyOne(node: RawNode): void {
    const message = this.#applies.shift() as Message
    // A snapshot may have gone further already.
    for (const entry of message.entries) if (entry.index > this.#applied) this.#apply(node, entry)
    this.#respond(node, message)
  }

  #respond(node: RawNode, message: Message): void {
    for (const response of message.responses) {
      if (response.to === this.id) stepOwn(node, response)
      else this.#outbox.push(response)
    }
  }

  // --- common to both

  #crashBeforeSend(): void {
    this.#options.counts['crash between flush and send']++
    this.crash()
  }

  #note(node: RawNode, ready: Ready): void {
    const { invariants } = this.#options
    for (const entry of ready.entries) {
      invariants.appends(entry, node.raft.log.term(entry.index - 1))
      if (entry.type !== 'normal' && node.raft.role === 'leader' && entry.term === node.raft.term) invariants.appendsChange(node.raft, entry)
    }
    for (const { index, context } of ready.readStates) this.#readable(index, context)
  }

  #sendOne(): boolean {
    const message = this.#outbox[this.#sent]
    if (message === undefined) return false
    if (++this.#sent === this.#outbox.length) {
      this.#outbox = []
      this.#sent = 0
    }
    this.#emit(message)
    return true
  }

  #emit(message: Message): void {
    if (message.type === 'MsgTimeoutNow') this.#options.counts['leadership handed over']++
    this.#options.invariants.sends(message, this.disk)
    this.#options.send(message)
  }

  #install({ metadata, data }: Snapshot): void {
    this.#options.counts['snapshot installed']++
    this.#state = stateOf(data)
    if (metadata.index < this.#applied) violated('AppliedMonotonic', `${this.id} installs a snapshot at ${metadata.index}, it has applied ${this.#applied}`)
    this.#applied = metadata.index
    this.#confState = this.#confStateBefore = metadata.confState
    this.#options.invariants.applies(this.id, metadata.index, this.#state)
  }

  #apply(node: RawNode, entry: Entry): void {
    if (entry.index !== this.#applied + 1) violated('AppliedMonotonic', `${this.id} applies ${entry.index} after ${this.#applied}`)
    if (entry.type !== 'normal') this.#applyConfChange(node, entry)
    let state = Math.imul(this.#state ^ (entry.index & 0xff), 0x01000193) + 1
    for (const byte of entry.data) state = Math.imul(state ^ byte, 0x01000193) + 1
    this.#state = state >>> 0
    this.#applied = entry.index
    this.#options.invariants.applies(this.id, entry.index, this.#state)
    if (entry.type !== 'normal') this.#snapshot(false)
  }

  #applyConfChange(node: RawNode, entry: Entry): void {
    const { counts } = this.#options
    this.#confStateBefore = this.#confState
    try {
      this.#confState = node.applyConfChange(decodeConfChange(entry.data))
      counts['membership change applied']++
      if (this.#confState.votersOutgoing.length > 0) counts['joint configuration entered']++
      if (this.#confState.learners.length > (this.#confStateBefore?.learners.length ?? 0)) counts['learner added']++
    } catch (error) {
      if (!(error instanceof ConfChangeError)) throw error
      this.#confState = toConfState(node.raft.tracker.config)
    }
  }

  /** A new member can only start from a snapshot that names it, so each membership change is followed by one. */
  #snapshot(compacts: boolean): void {
    const storage = this.#storage
    const { seams } = this.#options
    if (storage === undefined || this.#confState === undefined || this.#confStateBefore === undefined || this.#applied < storage.firstIndex() || this.#applied > storage.lastIndex()) return
    const index = Math.min(seams.snapshotIndex(this.#applied), storage.lastIndex())
    if (index <= storage.snapshot().metadata.index) return
    this.#options.counts['snapshot taken']++
    const data = new Uint8Array(4)
    new DataView(data.buffer).setUint32(0, this.#state)
    this.disk.saveSnapshot(storage.createSnapshot(index, seams.snapshotMembers(this.#confState, this.#confStateBefore), data))
    if (!compacts) return
    storage.compact(index)
    this.disk.compact(index)
  }

  #readable(index: number, context: Uint8Array): void {
    const id = ((context[0] ?? 0) << 16) | ((context[1] ?? 0) << 8) | (context[2] ?? 0)
    const committed = this.#reads.get(id)
    if (committed !== undefined) {
      this.#options.invariants.reads(this.id, index, committed)
      this.#options.counts['read served']++
      if (this.raft?.role !== 'leader') this.#options.counts['read by a follower']++
    }
    this.#reads.delete(id)
  }

  #observe(node: RawNode): void {
    const { raft } = node
    const { invariants } = this.#options
    if (raft.term < this.#term) violated('TermMonotonic', `the term of ${this.id} went from ${this.#term} to ${raft.term}`)
    this.#term = raft.term
    if (raft.log.committed !== this.#committed) {
      invariants.commits(raft, this.#committed, this.#options.holds)
      this.#committed = raft.log.committed
    }
    const isLeader = raft.role === 'leader'
    if (isLeader) invariants.leads(raft)
    else if (this.#wasLeader) this.#options.counts['leader steps down']++
    this.#wasLeader = isLeader
    this.hasWork = this.#pending !== undefined || this.#outbox.length > 0 || this.#appends.length > 0 || this.#applies.length > 0 || node.hasReady()
  }
}

/** A node that was removed meanwhile does not know itself any more, and says so. */
function stepOwn(node: RawNode, response: Message): void {
  try {
    node.step(response)
  } catch (error) {
    if (!(error instanceof RaftError && error.code === 'step-peer-not-found')) throw error
  }
}

function stateOf(data: Uint8Array): number { return new DataView(data.buffer, data.byteOffset).getUint32(0) }

/** What a MsgStorageAppend asks to be written. A term of 0 means no hard state. */
function writeOf({ term, vote, commit, entries, snapshot }: Message): DiskWrite {
  return { entries, ...(term === 0 ? {} : { hardState: { term, vote, commit } }), ...(snapshot === undefined ? {} : { snapshot }) }
}
