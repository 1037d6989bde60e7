import type { Clock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import { randomInt, type Random } from '../../base/random.ts'
import type { AppendLog, KvStore, KvWrite } from '../../base/storage.ts'
import { MemoryStore } from './memory-store.ts'

/** How the disk behaves. All can be changed while it runs. */
export interface DiskFaults {
  /** A flush takes between 0 and this long. */
  flushMsMax: number
  /** Flushes report success and do nothing: the disk lies. What was acknowledged since may then be lost at a crash. */
  losesSyncs: boolean
  /** The next write fails with this, and all after it (as after EIO or ENOSPC). */
  failure: Error | undefined
}

interface PendingRecords { readonly records: readonly Uint8Array[]; readonly replaces: boolean }

/**
 * One machine's disk in the simulator: an AppendLog and a KvStore that lose at crash() what was not flushed. Of unflushed writes a random
 * prefix survives, as on a real disk; a log record survives whole or not at all, since FileLog cuts torn ones.
 */
export class CrashDisk {
  readonly faults: DiskFaults = { flushMsMax: 0, losesSyncs: false, failure: undefined }
  readonly #clock: Clock
  readonly #random: Random
  #stored: Uint8Array[] = []
  #pending: PendingRecords[] = []
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
    return {
      records: () => this.#records(),
      append: records => this.#append(epoch, { records: records.map(record => Uint8Array.from(record)), replaces: false }),
      rewrite: records => this.#append(epoch, { records: records.map(record => Uint8Array.from(record)), replaces: true }),
      sizeBytes: () => this.#all().reduce((sum, record) => sum + 4 + record.length, 0),
      [Symbol.asyncDispose]: async () => {},
    }
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

  /** The machine stops at this instant. */
  crash(): void {
    this.#epoch += 1
    const keptCount = randomInt(this.#random, this.#pending.length + 1)
    for (const pending of this.#pending.slice(0, keptCount)) this.#store(pending, pending.records.length)
    const torn = this.#pending[keptCount]
    if (torn !== undefined && !torn.replaces) this.#store(torn, randomInt(this.#random, torn.records.length))
    this.#pending = []
    for (const writes of this.#kvPending.slice(0, randomInt(this.#random, this.#kvPending.length + 1))) applyWrites(this.#kvData, writes)
    this.#kvPending = []
    this.#kvLatest = new Map(this.#kvData)
  }

  #all(): readonly Uint8Array[] {
    let all = this.#stored
    for (const { records, replaces } of this.#pending) all = replaces ? [...records] : [...all, ...records]
    return all
  }

  async *#records(): AsyncGenerator<Uint8Array, void, undefined> { yield* [...this.#all()] }

  async #append(epoch: number, pending: PendingRecords): Promise<void> {
    await this.#alive(epoch)
    this.#pending.push(pending)
    await this.#flushDelay(epoch)
    if (this.faults.losesSyncs) return
    // A flush makes everything durable that was written before it.
    const flushed = this.#pending.indexOf(pending) + 1
    for (const done of this.#pending.splice(0, flushed)) this.#store(done, done.records.length)
  }

  #store({ records, replaces }: PendingRecords, count: number): void {
    this.#stored = replaces ? records.slice(0, count) : [...this.#stored, ...records.slice(0, count)]
  }

  async #batch(epoch: number, writes: readonly KvWrite[], durable: boolean): Promise<void> {
    await this.#alive(epoch)
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

  async #flushDelay(epoch: number): Promise<void> {
    if (this.faults.flushMsMax > 0) await this.#clock.sleep(this.#random.next() * this.faults.flushMsMax)
    await this.#alive(epoch)
  }
}

function applyWrites(data: Map<string, Uint8Array>, writes: readonly KvWrite[]): void {
  for (const write of writes) {
    if (write.kind === 'put') data.set(write.key, Uint8Array.from(write.value))
    else data.delete(write.key)
  }
}
