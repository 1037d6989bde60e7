import { EMPTY_CONF_STATE } from 'raft-ts/cluster-config'
import { decodeConfChange } from 'raft-ts/conf-change-codec'
import { describeEntries, describeMembers, describeMessage, describeReady, describeRole } from 'raft-ts/describe'
import { MemoryStorage } from 'raft-ts/memory-storage'
import { isLocalTarget } from 'raft-ts/message-kind'
import type { ConfState, Entry, HardState, Message, Snapshot } from 'raft-ts/message'
import type { RawNodeConfig } from 'raft-ts/raft-config'
import { RawNode } from 'raft-ts/raw-node'
import { RaftError } from 'raft-ts/storage'
import { jointIds } from 'raft-ts/quorum'
import { Output } from './output.ts'

/** Hands out the newest state as its snapshot, whatever was compacted. */
class HistoryStorage extends MemoryStorage {
  readonly history: Snapshot[] = []
  override snapshot(): Snapshot { return this.history.at(-1) ?? super.snapshot() }
}

interface Member {
  readonly id: number
  readonly node: RawNode
  readonly storage: HistoryStorage
  readonly isAsync: boolean
  readonly appendWork: Message[]
  readonly applyWork: Message[]
}

export interface Recipient { readonly id: number; readonly drop: boolean }
export const ELECTION_TICKS = 3
export const HEARTBEAT_TICKS = 1

/** A group of nodes with memory disks and one queue of messages, moved step by step. The state machine appends all committed data to one string. */
export class InteractionEnv {
  readonly output = new Output()
  readonly #members: Member[] = []
  #messages: Message[] = []

  /** Adds nodes with the next ids, which start from the snapshot. */
  addNodes(count: number, config: Partial<RawNodeConfig>, snapshot: Snapshot | undefined): void {
    for (let i = 0; i < count; i++) {
      const id = this.#members.length + 1
      const storage = new HistoryStorage()
      if (snapshot !== undefined) storage.applySnapshot(snapshot)
      storage.history.push(snapshot ?? { metadata: { index: 0, term: 0, confState: EMPTY_CONF_STATE }, data: new Uint8Array() })
      const node = new RawNode({
        id, electionTicks: ELECTION_TICKS, heartbeatTicks: HEARTBEAT_TICKS, storage, maxInflightMessages: 2 ** 31 - 1, random: () => 0, logger: this.output,
        ...config,
      })
      this.#members.push({ id, node, storage, isAsync: config.asyncStorageWrites === true, appendWork: [], applyWork: [] })
    }
  }

  get ids(): readonly number[] { return this.#members.map(({ id }) => id) }
  node(id: number): RawNode { return this.#member(id).node }

  processReady(id: number): void {
    const { node, storage, isAsync, appendWork, applyWork } = this.#member(id)
    const ready = node.ready()
    this.output.print(describeReady(ready))
    if (!isAsync) {
      persist(storage, ready.hardState, ready.entries, ready.snapshot)
      this.#apply(id, ready.committedEntries)
    }
    for (const message of ready.messages) {
      if (message.type === 'MsgStorageAppend') appendWork.push(message)
      else if (message.type === 'MsgStorageApply') applyWork.push(message)
      else this.#messages.push(message)
    }
    if (!isAsync) node.advance()
  }

  processAppendThread(id: number): void {
    const { storage, appendWork } = this.#member(id)
    const message = appendWork.shift()
    if (message === undefined) return this.output.print('no append work to perform')
    this.output.print(`Processing:\n${describeMessage({ ...message, responses: [] })}`)
    const { term, vote, commit } = message
    persist(storage, term + vote + commit === 0 ? undefined : { term, vote, commit }, message.entries, message.snapshot)
    this.#respond(message)
  }

  processApplyThread(id: number): void {
    const message = this.#member(id).applyWork.shift()
    if (message === undefined) return this.output.print('no apply work to perform')
    this.output.print(`Processing:\n${describeMessage({ ...message, responses: [] })}`)
    this.#apply(id, message.entries)
    this.#respond(message)
  }

  /** Delivers or drops what is queued for the recipients. Returns how many messages that were. */
  deliver(recipients: readonly Recipient[], type?: string): number {
    let count = 0
    for (const { id, drop } of recipients) {
      const chosen = this.#messagesFor(id, drop, type)
      this.#messages = this.#messages.filter(message => !chosen.includes(message))
      count += chosen.length
      for (const message of chosen) {
        this.output.print(`${drop ? 'dropped: ' : ''}${describeMessage(message)}`)
        if (!drop) this.#step(message)
      }
    }
    return count
  }

  /** Works on the nodes in turns until none has anything left to do. */
  stabilize(ids: readonly number[]): void {
    const members = ids.map(id => this.#member(id))
    for (let busy = true; busy;) {
      busy = false
      const work = (id: number, what: string, step: () => void): void => {
        busy = true
        this.output.print(`> ${id} ${what}`)
        this.output.indented(step)
      }
      for (const { id, node } of members) if (node.hasReady()) work(id, 'handling Ready', () => this.processReady(id))
      for (const { id } of members) if (this.#messagesFor(id, false).length > 0) work(id, 'receiving messages', () => { this.deliver([{ id, drop: false }]) })
      for (const { id, appendWork } of members) {
        if (appendWork.length > 0) work(id, 'processing append thread', () => { while (appendWork.length > 0) this.processAppendThread(id) })
      }
      for (const { id, applyWork } of members) {
        if (applyWork.length > 0) work(id, 'processing apply thread', () => { while (applyWork.length > 0) this.processApplyThread(id) })
      }
    }
  }

  sendSnapshot(from: number, to: number): void {
    const { node, storage } = this.#member(from)
    const message: Message = {
      type: 'MsgSnap', from, to, term: node.status().term, snapshot: storage.snapshot(),
      logTerm: 0, index: 0, entries: [], commit: 0, vote: 0, reject: false, rejectHint: 0, responses: [],
    }
    this.#messages.push(message)
    this.output.print(describeMessage(message))
  }

  compact(id: number, index: number): void {
    this.#member(id).storage.compact(index)
    this.printLog(id)
  }

  printLog(id: number): void {
    const { storage } = this.#member(id)
    const first = storage.firstIndex()
    const last = storage.lastIndex()
    if (last < first) this.output.print(`log is empty: first index=${first}, last index=${last}`)
    else this.output.print(describeEntries(storage.entries(first, last + 1, Infinity)))
  }

  printStates(): void {
    for (const { node } of this.#members) {
      const { id, role, config, term, leader } = node.status()
      this.output.print(`${id}: ${describeRole(role)} (${jointIds(config.voters).includes(id) ? '' : 'Non-'}Voter) Term:${term} Lead:${leader}`)
    }
  }

  printStatus(id: number): void { this.output.print(describeMembers(this.#member(id).node.status().progress)) }

  #member(id: number): Member {
    const member = this.#members[id - 1]
    if (member === undefined) throw new Error(`there is no node ${id}`)
    return member
  }

  /** Local messages travel reliably: they are never chosen to be dropped. */
  #messagesFor(id: number, drop: boolean, type?: string): Message[] {
    const isLocal = (message: Message): boolean => message.from === message.to || isLocalTarget(message.from) || isLocalTarget(message.to)
    return this.#messages.filter(message => message.to === id && !(drop && isLocal(message)) && (type === undefined || message.type === type))
  }

  #step(message: Message): void {
    try {
      this.#member(message.to).node.step(message)
    } catch (error) {
      if (!(error instanceof RaftError)) throw error
      this.output.print(error.message)
    }
  }

  #respond(message: Message): void {
    this.output.print('Responses:')
    for (const response of message.responses) this.output.print(describeMessage(response))
    this.#messages.push(...message.responses)
  }

  #apply(id: number, entries: readonly Entry[]): void {
    const { node, storage } = this.#member(id)
    for (const entry of entries) {
      const before = storage.snapshot()
      let confState: ConfState = before.metadata.confState
      let data = entry.data
      if (entry.type !== 'normal') {
        const change = decodeConfChange(entry.data)
        confState = node.applyConfChange(change)
        data = change.context ?? new Uint8Array()
      }
      storage.history.push({ metadata: { index: entry.index, term: entry.term, confState }, data: Uint8Array.from([...before.data, ...data]) })
    }
  }
}

function persist(storage: MemoryStorage, hardState: HardState | undefined, entries: readonly Entry[], snapshot: Snapshot | undefined): void {
  if (hardState !== undefined) storage.setHardState(hardState)
  if (snapshot !== undefined) storage.applySnapshot(snapshot)
  storage.append(entries)
}
