import { decodeConfChange } from 'raft-ts/conf-change-codec'
import { ConfChangeError } from 'raft-ts/confchange'
import { toConfState } from 'raft-ts/cluster-config'
import type { MemoryStorage } from 'raft-ts/memory-storage'
import type { ConfState, Entry, Message, MessageType } from 'raft-ts/message'
import { RawNode } from 'raft-ts/raw-node'
import type { Ready } from 'raft-ts/ready'
import type { RawNodeConfig } from 'raft-ts/raft-config'
import type { CoreInvariants } from './core-invariants.ts'
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
}

export const RIGHT_SEAMS: CoreSeams = { built: () => {}, written: write => write, sendsBeforeFlush: false, snapshotIndex: applied => applied }

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
  readonly seams: CoreSeams
  /** As the manager's driver does (D-116). */
  readonly leaderSendsEarly: boolean
  readonly send: (message: Message) => void
  readonly holds: (id: number, index: number, term: number) => boolean
}

/**
 * One machine: a RawNode with its disk and a driver that can be stopped between any two steps: take a Ready, write, flush, send one by one, apply.
 * The state machine is a hash of all that was applied.
 */
export class CoreNode {
  readonly id: number
  readonly disk = new DurableDisk()
  readonly #options: CoreNodeOptions
  #node: RawNode | undefined
  #storage: MemoryStorage | undefined
  #pending: Ready | undefined
  #isFlushed = false
  #outbox: Message[] = []
  #confState: ConfState | undefined
  #state = 0
  #applied = 0
  #committed = 0
  readonly #reads = new Map<number, number>()
  #readCount = 0

  constructor(options: CoreNodeOptions) {
    this.id = options.id
    this.#options = options
  }

  get node(): RawNode | undefined { return this.#node }
  get applied(): number { return this.#applied }
  get hasWork(): boolean { return this.#pending !== undefined || this.#node?.hasReady() === true }

  start(): void {
    const storage = this.disk.open()
    const { metadata, data } = storage.snapshot()
    this.#storage = storage
    this.#state = data.length === 0 ? 0 : new DataView(data.buffer, data.byteOffset).getUint32(0)
    this.#applied = metadata.index
    this.#confState = metadata.confState
    this.#committed = Math.max(metadata.index, storage.initialState().hardState.commit)
    this.#node = new RawNode({ ...CONFIG, ...this.#options.config, id: this.id, storage, random: this.#options.random, applied: metadata.index })
    this.#options.seams.built(this.#node, storage)
  }

  /** Stops at this instant. Of a write under way, a random part has reached the disk. */
  crash(): void {
    if (this.#pending !== undefined && !this.#isFlushed) {
      this.disk.write(this.#options.seams.written(this.#pending), this.#options.random())
    }
    this.#node = undefined
    this.#storage = undefined
    this.#pending = undefined
    this.#outbox = []
    this.#reads.clear()
  }

  /** Runs `input` on the node, and looks at what it did. */
  input(input: (node: RawNode) => void): void {
    if (this.#node === undefined) return
    input(this.#node)
    this.#observe()
  }

  /** Does one step of the driver. */
  work(): void {
    const node = this.#node
    if (node === undefined) return
    if (this.#pending === undefined) {
      if (!node.hasReady()) return
      this.#take(node)
    } else if (!this.#isFlushed) {
      this.disk.write(this.#options.seams.written(this.#pending))
      this.#isFlushed = true
    } else if (this.#outbox.length > 0) {
      this.#emit(this.#outbox.shift() as Message)
    } else {
      this.#finish(node, this.#pending)
    }
  }

  /** Asks for a linearizable read; the answer is checked against what was committed by now. */
  read(committed: number): void {
    this.input(node => {
      const id = ++this.#readCount
      this.#reads.set(id, committed)
      node.readIndex(Uint8Array.of(id >> 16, id >> 8, id))
    })
  }

  /** Makes a snapshot of what is applied, and compacts the log behind it. */
  compact(): void { if (this.#pending === undefined) this.#snapshot(true) }

  /** A new member can only start from a snapshot that names it, so each membership change is followed by one. */
  #snapshot(compacts: boolean): void {
    const storage = this.#storage
    if (storage === undefined || this.#confState === undefined || this.#applied < storage.firstIndex() || this.#applied > storage.lastIndex()) return
    const data = new Uint8Array(4)
    new DataView(data.buffer).setUint32(0, this.#state)
    const index = Math.min(this.#options.seams.snapshotIndex(this.#applied), storage.lastIndex())
    if (index <= storage.snapshot().metadata.index) return
    const snapshot = storage.createSnapshot(index, this.#confState, data)
    this.disk.saveSnapshot(snapshot)
    if (!compacts) return
    storage.compact(index)
    this.disk.compact(index)
  }

  #take(node: RawNode): void {
    const ready = node.ready()
    const storage = this.#storage as MemoryStorage
    if (ready.snapshot !== undefined) storage.applySnapshot(ready.snapshot)
    storage.append(ready.entries)
    if (ready.hardState !== undefined) storage.setHardState(ready.hardState)
    for (const entry of ready.entries) this.#options.invariants.appends(entry, node.raft.log.term(entry.index - 1))
    for (const { index, context } of ready.readStates) this.#readable(index, context)
    this.#pending = ready
    this.#isFlushed = false
    this.#outbox = [...ready.messages]
    const { seams, leaderSendsEarly } = this.#options
    const isEarly = ({ type }: Message): boolean => seams.sendsBeforeFlush || (leaderSendsEarly && LEADER_MESSAGES.has(type))
    const early = this.#outbox.filter(isEarly)
    this.#outbox = this.#outbox.filter(message => !isEarly(message))
    for (const message of early) this.#emit(message)
  }

  #emit(message: Message): void {
    this.#options.invariants.sends(message)
    this.#options.send(message)
  }

  #finish(node: RawNode, ready: Ready): void {
    if (ready.snapshot !== undefined) {
      const { metadata, data } = ready.snapshot
      this.#state = new DataView(data.buffer, data.byteOffset).getUint32(0)
      this.#applied = metadata.index
      this.#confState = metadata.confState
      this.#options.invariants.applies(this.id, metadata.index, this.#state)
    }
    for (const entry of ready.committedEntries) this.#apply(node, entry)
    this.#pending = undefined
    node.advance()
    this.#observe()
  }

  #apply(node: RawNode, entry: Entry): void {
    if (entry.type !== 'normal') this.#applyConfChange(node, entry)
    for (const byte of [entry.index & 0xff, ...entry.data]) this.#state = (Math.imul(this.#state ^ byte, 0x01000193) + 1) >>> 0
    this.#applied = entry.index
    this.#options.invariants.applies(this.id, entry.index, this.#state)
    if (entry.type !== 'normal') this.#snapshot(false)
  }

  #applyConfChange(node: RawNode, entry: Entry): void {
    try {
      this.#confState = node.applyConfChange(decodeConfChange(entry.data))
    } catch (error) {
      if (!(error instanceof ConfChangeError)) throw error
      this.#confState = toConfState(node.status().config)
    }
  }

  #readable(index: number, context: Uint8Array): void {
    const id = ((context[0] ?? 0) << 16) | ((context[1] ?? 0) << 8) | (context[2] ?? 0)
    const committed = this.#reads.get(id)
    if (committed !== undefined) this.#options.invariants.reads(this.id, index, committed)
    this.#reads.delete(id)
  }

  #observe(): void {
    const node = this.#node
    if (node === undefined) return
    const { commit, role } = node.status()
    if (commit !== this.#committed) this.#options.invariants.commits(node, this.#committed, commit, this.#options.holds)
    this.#committed = commit
    if (role === 'leader') this.#options.invariants.leads(node)
  }
}
