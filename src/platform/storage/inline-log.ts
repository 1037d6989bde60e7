import { hasCode, ShoalError } from '../../base/errors.ts'
import type { AppendLog } from '../../base/storage.ts'
import type { ReadPosition, SegmentLog } from './segment-log.ts'

interface PendingAppend { readonly records: readonly Uint8Array[]; readonly resolve: (segment: number) => void; readonly reject: (error: unknown) => void }

/** AppendLog over a SegmentLog in this thread: for disks in memory. Opens it at the first use. */
export class InlineLog implements AppendLog {
  readonly #open: () => SegmentLog
  readonly #beforeFlush: () => Promise<void>
  #log: SegmentLog | undefined
  #lane: Promise<unknown> = Promise.resolve()
  #pending: PendingAppend[] = []
  #rewriting: readonly Uint8Array[] | undefined
  #isClosed = false

  /** @param beforeFlush what a flush waits for, as a real one takes its time */
  constructor(open: () => SegmentLog, beforeFlush: () => Promise<void> = () => Promise.resolve()) {
    this.#open = open
    this.#beforeFlush = beforeFlush
  }

  async *records(): AsyncGenerator<Uint8Array, void, undefined> {
    let position: ReadPosition = this.#opened().start
    for (;;) {
      const group = this.#opened().read(position)
      if (group === undefined) return
      yield* group.records
      position = group.next
    }
  }

  async append(records: readonly Uint8Array[]): Promise<number> {
    const copies = records.map(record => Uint8Array.from(record))
    return new Promise((resolve, reject) => {
      this.#pending.push({ records: copies, resolve, reject })
      if (this.#pending.length === 1) void this.#inTurn(() => this.flushPending())
    })
  }

  async rewrite(records: readonly Uint8Array[]): Promise<number> {
    const copies = records.map(record => Uint8Array.from(record))
    return this.#inTurn(() => this.#opened().rewrite(copies), copies)
  }

  async drop(before: number): Promise<void> { await this.#inTurn(() => this.#opened().drop(before)) }
  sizeBytes(): number { return this.#opened().sizeBytes }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lane
    this.#isClosed = true
    this.#log?.close()
  }

  /** Writes at once whatever waits. Each append learns its own outcome. */
  flushPending(): void {
    const taken = this.#pending
    this.#pending = []
    if (taken.length === 0) return
    try {
      const segment = this.#opened().append(taken.flatMap(({ records }) => records))
      for (const { resolve } of taken) resolve(segment)
    } catch (error) {
      for (const { reject } of taken) reject(error)
    }
  }

  /** The machine stops: what waits is written as far as the disk lets it, and nobody hears of it. */
  interrupt(): void {
    const records = this.#pending.flatMap(pending => pending.records)
    this.#pending = []
    this.#isClosed = true
    try {
      if (this.#rewriting !== undefined) this.#log?.rewrite(this.#rewriting)
      else if (records.length > 0) this.#log?.append(records)
    } catch (error) {
      if (!hasCode(error, 'log-write-failed')) throw error
    }
  }

  #inTurn<T>(work: () => T, rewriting?: readonly Uint8Array[]): Promise<T> {
    const done = this.#lane.then(() => { this.#rewriting = rewriting }).then(this.#beforeFlush).then(() => {
      this.#rewriting = undefined
      return work()
    })
    // Those who come after do not care how this ended: the log itself remembers.
    this.#lane = done.catch(() => undefined)
    return done
  }

  #opened(): SegmentLog {
    if (this.#isClosed) throw new ShoalError('unavailable', 'log-closed', 'the log is closed')
    this.#log ??= this.#open()
    return this.#log
  }
}
