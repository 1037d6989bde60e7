import { decodeConfChange } from './conf-change-codec.ts'
import { EMPTY_CONF_STATE } from './cluster-config.ts'
import { createMessage } from './create-message.ts'
import { MemoryStorage } from './memory-storage.ts'
import type { ConfState, Entry, HardState, Message, MessageType } from './message.ts'
import type { Progress } from './progress.ts'
import { RawNode } from './raw-node.ts'
import type { RawNodeConfig } from './raft-config.ts'
import type { ReadState, SoftState } from './ready.ts'

/** Ticks after which a test's node campaigns at the earliest; with random() 0 exactly then. */
export const TEST_ELECTION_TICKS = 10

export interface TestPeerOptions extends Partial<RawNodeConfig> {
  /** Default 1 2 3. */
  readonly voters?: readonly number[]
  readonly learners?: readonly number[]
  /** More of the configuration that the log begins with: a joint one. */
  readonly confState?: Partial<ConfState>
  /** Terms of the entries that the log holds, from index 1 on. */
  readonly terms?: readonly number[]
  readonly hardState?: Partial<HardState>
  /** The log begins behind this snapshot. */
  readonly snapshot?: { readonly index: number; readonly term: number }
}

/** For tests: one node whose storage is memory and whose driver does all work at once. What it sends is returned, for the test to look at. */
export class TestPeer {
  readonly storage: MemoryStorage
  readonly node: RawNode
  /** What the state machine was given. */
  readonly applied: Entry[] = []
  readonly reads: ReadState[] = []
  readonly #voters: readonly number[]
  #confState: ConfState

  constructor(options: TestPeerOptions = {}) {
    const { voters = [1, 2, 3], learners = [], confState, terms = [], hardState, snapshot = { index: 0, term: 0 }, ...config } = options
    this.#voters = voters
    this.#confState = { ...EMPTY_CONF_STATE, voters, learners, ...confState }
    this.storage = new MemoryStorage()
    this.storage.applySnapshot({ metadata: { ...snapshot, confState: this.#confState }, data: new Uint8Array() })
    this.storage.append(terms.map((term, i) => testEntry(snapshot.index + i + 1, term)))
    this.storage.setHardState({ term: 0, vote: 0, commit: snapshot.index, ...hardState })
    this.node = new RawNode({ id: 1, electionTicks: TEST_ELECTION_TICKS, heartbeatTicks: 1, random: () => 0, ...config, storage: this.storage })
  }

  get id(): number { return this.node.raft.id }
  get term(): number { return this.node.raft.term }
  get vote(): number { return this.node.raft.vote }
  get role(): SoftState['role'] { return this.node.raft.role }
  get leader(): number { return this.node.raft.leader }
  get committed(): number { return this.node.raft.log.committed }
  get lastIndex(): number { return this.node.raft.log.lastIndex }
  /** Terms of all entries held. */
  get terms(): readonly number[] { return (this.node.raft.log.entriesFrom(this.node.raft.log.firstIndex, Infinity) ?? []).map(entry => entry.term) }
  /** Texts of the entries that the state machine was given, without empty ones. */
  get appliedTexts(): readonly string[] { return this.applied.filter(entry => entry.type === 'normal' && entry.data.length > 0).map(entry => textOf(entry.data)) }

  /** What this leader knows of a member. */
  progress(id: number): Progress {
    const progress = this.node.raft.tracker.progressOf(id)
    if (progress === undefined) throw new Error(`${this.id} has no member ${id}`)
    return progress
  }

  /** Takes a message, of its own term unless another is given, and does the work that follows. */
  step(type: MessageType, fields: Partial<Message> = {}): readonly Message[] {
    this.node.step(createMessage({ term: this.term, to: this.id, from: 2, ...fields, type }))
    return this.work()
  }

  tick(ticks = 1): readonly Message[] {
    const sent: Message[] = []
    for (let i = 0; i < ticks; i++) {
      this.node.tick()
      sent.push(...this.work())
    }
    return sent
  }

  propose(text: string): readonly Message[] {
    this.node.propose(bytesOf(text))
    return this.work()
  }

  campaign(): readonly Message[] {
    this.node.campaign()
    return this.work()
  }

  /** Wins an election with the votes of all, and returns what it then sends. */
  lead(): readonly Message[] {
    this.campaign()
    const type = this.role === 'pre-candidate' ? 'MsgPreVoteResp' : 'MsgVoteResp'
    if (type === 'MsgPreVoteResp') for (const from of this.#others()) if (this.role === 'pre-candidate') this.step(type, { from, term: this.term + 1 })
    return this.#others().flatMap(from => this.role === 'candidate' ? this.step('MsgVoteResp', { from }) : [])
  }

  /** Acknowledges, as these members, all that this leader has. */
  acknowledge(from: readonly number[], index = this.lastIndex): readonly Message[] {
    return from.flatMap(id => this.step('MsgAppResp', { from: id, index }))
  }

  /** Persists, applies and advances until nothing is left to do. */
  work(): readonly Message[] {
    const { node, storage } = this
    const sent: Message[] = []
    while (node.hasReady()) {
      const ready = node.ready()
      if (ready.snapshot !== undefined) {
        storage.applySnapshot(ready.snapshot)
        this.#confState = ready.snapshot.metadata.confState
      }
      storage.append(ready.entries)
      if (ready.hardState !== undefined) storage.setHardState(ready.hardState)
      this.reads.push(...ready.readStates)
      sent.push(...ready.messages)
      for (const entry of ready.committedEntries) this.#apply(entry)
      node.advance()
    }
    return sent
  }

  /** Makes a snapshot of what is applied, and drops the log up to there. */
  compact(): void {
    const { applied } = this.node.raft.log
    this.storage.createSnapshot(applied, this.#confState, new Uint8Array())
    this.storage.compact(applied)
  }

  #apply(entry: Entry): void {
    if (entry.type !== 'normal') this.#confState = this.node.applyConfChange(decodeConfChange(entry.data))
    this.applied.push(entry)
  }

  #others(): readonly number[] { return this.#voters.filter(id => id !== this.id) }
}

/** An entry with one byte of data. */
export function testEntry(index: number, term: number, data: Uint8Array = Uint8Array.of(1)): Entry { return { index, term, type: 'normal', data } }

export function bytesOf(text: string): Uint8Array { return new TextEncoder().encode(text) }
export function textOf(bytes: Uint8Array): string { return new TextDecoder().decode(bytes) }

/** Those messages of one type. */
export function only(type: MessageType, messages: readonly Message[]): readonly Message[] { return messages.filter(message => message.type === type) }
