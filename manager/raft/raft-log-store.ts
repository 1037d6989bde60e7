import type { Entry, HardState, Snapshot } from 'raft-ts/message'
import { MemoryStorage } from 'raft-ts/memory-storage'
import type { Storage } from 'raft-ts/storage'
import { RaftError } from 'raft-ts/storage'
import type { RaftMember } from '../../src/api/swarm/raft.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { MANAGER_WAY_OUT } from '../../src/base/manager-way-out.ts'
import type { AppendLog, AppendOptions } from '../../src/base/storage.ts'
import { ByteReader, ByteWriter, malformed } from './byte-codec.ts'
import type { MemberTable } from './member-table.ts'
import { readEntry, readHardState, writeEntry, writeHardState } from './message-codec.ts'

const BASE_FORMAT = 1
const RECORD_BASE = 1
const RECORD_HARD_STATE = 2
const RECORD_ENTRY = 3

/** Who this log belongs to. */
export interface LogIdentity {
  readonly clusterId: string
  readonly nodeId: string
  readonly raftId: number
  /** Another one after each force-new-cluster; absent: none was made yet. Members of different forks have different histories. */
  readonly forkId?: string
}
/** What stands before the first entry: the state at `index` is in the state machine. */
export interface LogBase extends LogIdentity {
  readonly index: number
  readonly term: number
  readonly table: MemberTable
}

/**
 * The raft log on an AppendLog, with all of it in memory for the core to read. Records: bases, hard states and entries as they came. An entry
 * replaces what stood at its index and after; the last base counts, and makes the entries up to its index void. A hard state that only moves
 * the commit index waits for the next record: it may be lost.
 */
export class RaftLogStore implements Storage {
  readonly #log: AppendLog
  readonly #snapshotSource: () => Snapshot | undefined
  #base: LogBase | undefined
  #memory = new MemoryStorage()
  #hardState: HardState = { term: 0, vote: 0, commit: 0 }
  #isHardStateSaved = true
  #entryBytes = 0
  /** Where entries stand: each segment with the first index in it that still counts there, both rising. */
  #places: { readonly segment: number; readonly index: number }[] = []

  private constructor(log: AppendLog, snapshotSource: () => Snapshot | undefined) {
    this.#log = log
    this.#snapshotSource = snapshotSource
  }

  /**
   * Reads the log. The caller keeps and disposes `log`.
   * @param snapshotSource gives the snapshot to send to a peer, of the state as it is applied now
   * @throws ShoalError `log-damaged` (internal), `malformed-message` (invalid-argument) on records of a later version
   */
  static async open(log: AppendLog, snapshotSource: () => Snapshot | undefined): Promise<RaftLogStore> {
    const store = new RaftLogStore(log, snapshotSource)
    const loaded = new LoadedLog()
    for await (const record of log.records()) loaded.add(record)
    store.#take(loaded)
    return store
  }

  /** Absent in a log that was never begun. */
  get base(): LogBase | undefined { return this.#base }
  get hardState(): HardState { return this.#hardState }
  /** Bytes of the entries since the base, as held in memory. */
  get entryBytes(): number { return this.#entryBytes }

  initialState(): ReturnType<Storage['initialState']> {
    const { base } = this
    if (base === undefined) throw new ShoalError('internal', 'raft-not-started', 'the raft log has no base')
    // The commit index on disk may be behind; what is below the base was committed for certain.
    const commit = Math.min(Math.max(this.#hardState.commit, base.index), this.lastIndex())
    return { hardState: { ...this.#hardState, commit }, confState: base.table.confState }
  }

  entries(low: number, high: number, bytesMax: number): readonly Entry[] { return this.#memory.entries(low, high, bytesMax) }
  term(index: number): number { return this.#memory.term(index) }
  lastIndex(): number { return this.#memory.lastIndex() }
  firstIndex(): number { return this.#memory.firstIndex() }

  snapshot(): Snapshot {
    const snapshot = this.#snapshotSource()
    if (snapshot === undefined) throw new RaftError('snapshot-temporarily-unavailable', 'the state machine has nothing to send yet')
    return snapshot
  }

  /** Begins the log, or replaces it after a snapshot was installed. Durable when it resolves. */
  async reset(base: LogBase, hardState: HardState): Promise<void> {
    await this.#log.rewrite([encodeBase(base), encodeHardState(hardState)])
    this.#memory = memoryFrom(base)
    this.#entryBytes = 0
    this.#places = []
    this.#base = base
    this.#hardState = hardState
    this.#isHardStateSaved = true
  }

  /** Keeps what a Ready asks to keep. Durable when it resolves. */
  async save(entries: readonly Entry[], hardState: HardState | undefined, mustSync: boolean, options?: AppendOptions): Promise<void> {
    if (hardState !== undefined) {
      this.#hardState = hardState
      this.#isHardStateSaved = false
    }
    if (entries.length === 0 && !mustSync) return
    // The hard state comes last: a torn write must not leave a commit index over entries that these were to replace.
    const segment = await this.#log.append([...entries.map(encodeEntry), ...(this.#isHardStateSaved ? [] : [encodeHardState(this.#hardState)])], options)
    this.#isHardStateSaved = true
    this.#remember(entries, segment)
  }

  /** Writes a commit index that waits. For a clean stop. */
  async saveHardState(): Promise<void> { await this.save([], undefined, !this.#isHardStateSaved) }

  /** Drops the entries up to and including `index`, at which `table` was in force. The state machine must hold them durably. */
  async compact(index: number, table: MemberTable): Promise<void> {
    const { base } = this
    if (base === undefined || index <= base.index) return
    const next: LogBase = { ...base, index, term: this.term(index), table }
    const dropped = sizeOf(this.entries(this.firstIndex(), index + 1, Infinity))
    const segment = await this.#log.append([encodeBase(next), encodeHardState(this.#hardState)])
    this.#memory.compact(index)
    this.#entryBytes -= dropped
    this.#base = next
    this.#isHardStateSaved = true
    // The first entry that counts may stand in the last segment that begins at or before it.
    const first = this.#places.findLastIndex(place => place.index <= index + 1)
    this.#places = index === this.lastIndex() ? [] : this.#places.slice(Math.max(0, first))
    await this.#log.drop(this.#places[0]?.segment ?? segment)
  }

  /** Begins another fork of the cluster: what the log holds stays. Durable when it resolves. */
  async fork(forkId: string): Promise<void> {
    const { base } = this
    if (base === undefined) return
    await this.#log.append([encodeBase({ ...base, forkId }), encodeHardState(this.#hardState)])
    this.#isHardStateSaved = true
    this.#base = { ...base, forkId }
  }

  sizeBytes(): number { return this.#log.sizeBytes() }

  #remember(entries: readonly Entry[], segment: number): void {
    const [first] = entries
    if (first === undefined) return
    this.#places = this.#places.filter(place => place.index < first.index)
    if (this.#places.at(-1)?.segment !== segment) this.#places.push({ segment, index: first.index })
    if (first.index <= this.lastIndex() && first.index >= this.firstIndex()) this.#entryBytes -= sizeOf(this.entries(first.index, this.lastIndex() + 1, Infinity))
    this.#memory.append(entries)
    this.#entryBytes += sizeOf(entries)
  }

  /** What was there before this process counts as standing in the first segment: it is dropped with the first compaction past all of it. */
  #take({ base, hardState, entries }: LoadedLog): void {
    if (base === undefined) {
      if (entries.length > 0) throw gap(entries[0], 0)
      return
    }
    this.#base = base
    this.#hardState = hardState
    this.#memory = memoryFrom(base)
    const [first] = entries
    if (first === undefined) return
    if (first.index !== base.index + 1) throw gap(first, base.index)
    this.#remember(entries, 0)
  }
}

/** The records of a log as they add up. */
class LoadedLog {
  base: LogBase | undefined
  hardState: HardState = { term: 0, vote: 0, commit: 0 }
  entries: Entry[] = []

  add(record: Uint8Array): void {
    const reader = new ByteReader(record)
    const type = reader.byte()
    if (type === RECORD_BASE) this.#addBase(decodeBase(reader))
    else if (type === RECORD_HARD_STATE) this.hardState = readHardState(reader)
    else if (type === RECORD_ENTRY) this.#addEntry(readEntry(reader))
    else throw malformed(`a log record has the unknown type ${type}`)
  }

  #addBase(base: LogBase): void {
    const [first] = this.entries
    if (first !== undefined) this.entries = this.entries.slice(Math.max(0, base.index + 1 - first.index))
    this.base = base
  }

  /** The first segment may begin anywhere: the base that tells from where on entries count comes behind them. */
  #addEntry(entry: Entry): void {
    const first = this.entries[0]?.index ?? entry.index
    const at = entry.index - first
    if (at > this.entries.length) throw gap(entry, first + this.entries.length - 1)
    this.entries.length = Math.max(0, at)
    this.entries.push(entry)
  }
}

function gap(entry: Entry | undefined, after: number): ShoalError {
  return new ShoalError('internal', 'log-damaged', `the raft log has a gap: entry ${entry?.index ?? 0} follows ${after}; records are missing. ${MANAGER_WAY_OUT}`)
}

function memoryFrom({ index, term, table }: LogBase): MemoryStorage {
  const memory = new MemoryStorage()
  if (index > 0) memory.applySnapshot({ metadata: { index, term, confState: table.confState }, data: new Uint8Array() })
  return memory
}

function sizeOf(entries: readonly Entry[]): number { return entries.reduce((sum, entry) => sum + entry.data.length, 0) }

function encodeEntry(entry: Entry): Uint8Array {
  const writer = new ByteWriter(entry.data.length).byte(RECORD_ENTRY)
  writeEntry(writer, entry)
  return writer.finish()
}

function encodeHardState(hardState: HardState): Uint8Array {
  const writer = new ByteWriter().byte(RECORD_HARD_STATE)
  writeHardState(writer, hardState)
  return writer.finish()
}

function encodeBase(base: LogBase): Uint8Array {
  return new ByteWriter().byte(RECORD_BASE).bytes(encodeBaseNote(base)).finish()
}

function decodeBase(reader: ByteReader): LogBase { return decodeBaseNote(reader.bytes()) }

/** A base as text, also kept beside an installed snapshot. */
export function encodeBaseNote(base: LogBase): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ format: BASE_FORMAT, ...base }))
}

/** @throws ShoalError `malformed-message` on a base of a later version */
export function decodeBaseNote(bytes: Uint8Array): LogBase {
  const { format, ...base } = JSON.parse(new TextDecoder().decode(bytes)) as LogBase & { format: number }
  if (format !== BASE_FORMAT) throw malformed(`the log has format ${format}, this version reads ${BASE_FORMAT}`)
  return base
}

/** Members as others may see them. */
export function memberOf(table: MemberTable, raftId: number): RaftMember | undefined {
  return table.members.find(member => member.raftId === raftId)
}
