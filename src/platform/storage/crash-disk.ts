import type { Clock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import { randomInt, type Random } from '../../base/random.ts'
import type { AppendLog, KvStore, KvWrite } from '../../base/storage.ts'
import { InlineLog } from './inline-log.ts'
import { MEMORY_SEGMENT_BYTES } from './memory-log.ts'
import { MemoryStore } from './memory-store.ts'
import { SegmentLog } from './segment-log.ts'
import { SimulatedLogDisk, type DiskRoom } from './simulated-log-disk.ts'

/** How the disk behaves. All can be changed while it runs. */
export interface DiskFaults {
  /** A flush takes between 0 and this long. */
  flushMsMax: number
  /** Flushes report success and do nothing: the disk lies. What was acknowledged since may then be lost at a crash. */
  losesSyncs: boolean
  /** The next write fails with this, and all after it, as with EIO. */
  failure: Error | undefined
  /** So much more can be written before the disk is full (ENOSPC). Undefined: without bounds. */
  room: DiskRoom | undefined
}

/** The most writes, syncs and name changes that one flush takes; the machine may stop at any of them. */
const FLUSH_OPERATIONS_MAX = 12

/**
 * One machine's disk in the simulator: an AppendLog and a KvStore that lose at crash() what was not flushed. The log is the real one over simulated
 * files: of its unflushed writes any sectors survive. Of the store's unflushed batches a random prefix does. A process that is killed loses nothing.
 */
export class CrashDisk {
  readonly faults: DiskFaults = { flushMsMax: 0, losesSyncs: false, failure: undefined, room: undefined }
  readonly #clock: Clock
  readonly #random: Random
  #logDisk = new SimulatedLogDisk()
  #log: InlineLog | undefined
  #kvData = new Map<string, Uint8Array>()
  #kvPending: (readonly KvWrite[])[] = []
  #kvLatest = new Map<string, Uint8Array>()
  #epoch = 0

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  /** The log as a process that starts now finds it. Handles from before the last crash() are dead: their calls never come back. */
  openLog(): AppendLog {
    const epoch = this.#epoch
    this.#tellLogDisk()
    const log = new InlineLog(() => openSegments(this.#logDisk), () => this.#logDelay(epoch))
    this.#log = log
    return log
  }

  /** What a process that starts now would find, without disturbing one that runs. */
  copyOfLog(): AppendLog {
    const copy = this.#logDisk.copy()
    return new InlineLog(() => openSegments(copy))
  }

  /** As openLog, for the KvStore. */
  openKv(): KvStore {
    const epoch = this.#epoch
    const view = new MemoryStore(this.#kvLatest)
    return {
      get: key => view.get(key),
      range: (from, to) => view.range(from, to),
      batch: (writes, options) => this.#batch(epoch, writes, options?.durable ?? true),
      [Symbol.asyncDispose]: async () => {},
    }
  }

  /** How many writes crashes have torn so far. */
  get tornWrites(): number { return this.#logDisk.tornWrites }

  /** The process that has the disk open dies at this instant. What it wrote stays in the machine's memory, flushed or not. */
  kill(): void {
    this.#epoch += 1
    // It stops somewhere in a flush, if one is due.
    this.#logDisk.operationsLeft = randomInt(this.#random, FLUSH_OPERATIONS_MAX)
    this.#log?.interrupt()
    this.#log = undefined
    this.#logDisk.operationsLeft = Infinity
  }

  /** The machine stops at this instant. */
  crash(): void {
    this.kill()
    this.#logDisk.crash(this.#random)
    for (const writes of this.#kvPending.slice(0, randomInt(this.#random, this.#kvPending.length + 1))) applyWrites(this.#kvData, writes)
    this.#kvPending = []
    this.#kvLatest = new Map(this.#kvData)
  }

  /** Everything is gone. Only while nothing has it open. */
  wipe(): void {
    this.#logDisk = new SimulatedLogDisk()
    this.#kvData = new Map()
    this.#kvPending = []
    this.#kvLatest = new Map()
  }

  /** One bit of the log turns over. Only while nothing has it open. @returns false when there is no log */
  flipBit(): boolean { return this.#logDisk.flipBit(this.#random) }

  async #batch(epoch: number, writes: readonly KvWrite[], durable: boolean): Promise<void> {
    await this.#alive(epoch)
    this.#takeRoom(writes)
    this.#kvPending.push(writes)
    applyWrites(this.#kvLatest, writes)
    if (!durable) return
    await this.#flushDelay(epoch)
    if (this.faults.losesSyncs) return
    const flushed = this.#kvPending.indexOf(writes) + 1
    for (const done of this.#kvPending.splice(0, flushed)) applyWrites(this.#kvData, done)
  }

  async #alive(epoch: number): Promise<void> {
    if (epoch !== this.#epoch) await new Promise<never>(() => {})
    if (this.faults.failure !== undefined) {
      throw new ShoalError('internal', 'log-write-failed', `the simulated disk can not be written: ${this.faults.failure.message}`, { cause: this.faults.failure })
    }
  }

  /** What is written over stays where it was until some later time. */
  #takeRoom(writes: readonly KvWrite[]): void {
    const { room } = this.faults
    const bytes = writes.reduce((sum, write) => sum + (write.kind === 'put' ? write.value.length : 0), 0)
    if (room === undefined) return
    if (bytes > room.bytes) throw new ShoalError('internal', 'log-write-failed', 'the simulated disk can not be written: ENOSPC: no space left on device')
    room.bytes -= bytes
  }

  /** As a flush of the log begins, which then finds the disk as it is. */
  async #logDelay(epoch: number): Promise<void> {
    await this.#delay()
    if (epoch !== this.#epoch) await new Promise<never>(() => {})
    this.#tellLogDisk()
  }

  #tellLogDisk(): void {
    this.#logDisk.losesSyncs = this.faults.losesSyncs
    this.#logDisk.failure = this.faults.failure
    this.#logDisk.room = this.faults.room
  }

  async #flushDelay(epoch: number): Promise<void> {
    await this.#delay()
    await this.#alive(epoch)
  }

  async #delay(): Promise<void> {
    if (this.faults.flushMsMax > 0) await this.#clock.sleep(this.#random.next() * this.faults.flushMsMax)
  }
}

function applyWrites(data: Map<string, Uint8Array>, writes: readonly KvWrite[]): void {
  for (const write of writes) {
    if (write.kind === 'put') data.set(write.key, Uint8Array.from(write.value))
    else data.delete(write.key)
  }
}

function openSegments(disk: SimulatedLogDisk): SegmentLog {
  return SegmentLog.open(disk, { owner: { clusterId: '', nodeId: '' }, segmentBytes: MEMORY_SEGMENT_BYTES })
}
