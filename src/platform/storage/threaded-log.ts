import { Worker } from 'node:worker_threads'
import { messageOf, ShoalError } from '../../base/errors.ts'
import type { AppendLog, AppendOptions } from '../../base/storage.ts'
import { createRingMemory, RingWriter } from './append-ring.ts'
import type { LogAnswer, LogRequest, LogThreadData } from './log-messages.ts'
import type { LogKey } from './log-seal.ts'
import { packRecords } from './packed-records.ts'
import type { ReadPosition, SegmentLogOptions } from './segment-log.ts'

/** The thread holds little more than what is being written; a small heap keeps it from growing beside the process's own. */
const THREAD_HEAP_MB = 64
const THREAD_YOUNG_MB = 4

/**
 * How long either thread looks out for the other before it sleeps, while appends follow each other that closely. To wake a thread whose processor sleeps costs
 * whoever does it up to 0.5 ms in a virtual machine, more than all else that a small append takes (D-706).
 */
const AWAKE_MS = 1.5
/** Between an answer and the next append, at most. Longer than AWAKE_MS: all takes longer while threads sleep, and who once slept would never be awake again. */
const CLOSE_MS = 2 * AWAKE_MS
/** Of one append: more comes from many callers, and while threads sleep larger groups of theirs form, which cost less each. */
const AWAKE_BYTES_MAX = 2048

interface Waiting { readonly resolve: (answer: LogAnswer) => void; readonly reject: (error: unknown) => void }
type Body<T> = T extends LogRequest ? Omit<T, 'id'> : never

/** AppendLog in a folder of segments (SegmentLog), in a thread of its own: a slow flush stops no timer of this process. */
export class ThreadedLog implements AppendLog {
  readonly #path: string
  readonly #worker: Worker
  readonly #ring: RingWriter
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #sizeBytes = 0
  #keyIdsAtOpen: readonly string[] = []
  #failure: ShoalError | undefined
  #answeredAtMs = -Infinity
  #isAwake = false
  #awakeUntilMs = 0

  private constructor(path: string, worker: Worker, ring: RingWriter) {
    this.#path = path
    this.#worker = worker
    this.#ring = ring
    worker.on('message', (answer: LogAnswer) => this.#settle(answer))
    worker.on('error', error => this.#fail(`its thread failed: ${messageOf(error)}`))
    worker.on('exit', () => this.#fail('its thread has ended'))
  }

  /**
   * Opens the log in the folder `path`, making both when they are missing.
   * @throws what SegmentLog.open throws
   */
  static async open(path: string, options: SegmentLogOptions): Promise<ThreadedLog> {
    const ring = createRingMemory()
    const worker = new Worker(new URL('./log-thread.js', import.meta.url), {
      workerData: { path, options, ring } satisfies LogThreadData, resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MB, maxYoungGenerationSizeMb: THREAD_YOUNG_MB },
    })
    const log = new ThreadedLog(path, worker, new RingWriter(ring))
    try {
      log.#keyIdsAtOpen = (await log.#answerTo(0)).keyIds ?? []
      return log
    } catch (error) {
      await worker.terminate()
      throw error
    }
  }

  async *records(): AsyncGenerator<Uint8Array, void, undefined> {
    let position: ReadPosition | undefined
    for (;;) {
      const { records, next } = await this.#ask({ kind: 'read', position })
      if (records === undefined || next === undefined) return
      yield* records
      position = next
    }
  }

  async append(records: readonly Uint8Array[], { isAwaited = false }: AppendOptions = {}): Promise<number> {
    const isSmall = records.reduce((sum, { length }) => sum + length, 0) <= AWAKE_BYTES_MAX
    const awakeMs = isAwaited && isSmall && performance.now() - this.#answeredAtMs < CLOSE_MS ? AWAKE_MS : 0
    const answered = this.#request(id => {
      if (this.#ring.write(id, records)) return
      const packed = packRecords(records)
      this.#worker.postMessage({ id, kind: 'append', packed } satisfies LogRequest, [packed])
    }, awakeMs)
    if (awakeMs > 0) this.#stayAwake(awakeMs)
    const { segment = 0 } = await answered
    if (isAwaited) this.#answeredAtMs = performance.now()
    return segment
  }

  async rewrite(records: readonly Uint8Array[]): Promise<number> { return (await this.#ask({ kind: 'rewrite', records })).segment ?? 0 }
  async drop(before: number): Promise<void> { await this.#ask({ kind: 'drop', before }) }
  /** As SegmentLog.useKeys. */
  async useKeys(keys: readonly LogKey[]): Promise<void> { await this.#ask({ kind: 'useKeys', keys }) }
  /** Ids of the keys that some segment needed when the log was opened. */
  get keyIdsAtOpen(): readonly string[] { return this.#keyIdsAtOpen }
  sizeBytes(): number { return this.#sizeBytes }

  /** What was asked before is finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#failure === undefined) {
      const closed = this.#ask({ kind: 'close' })
      this.#failure = new ShoalError('unavailable', 'log-closed', `the log ${this.#path} is closed`)
      await closed
    }
    await this.#worker.terminate()
  }

  async #ask(body: Body<LogRequest>): Promise<LogAnswer> { return this.#request(id => this.#worker.postMessage({ id, ...body })) }

  async #request(send: (id: number) => void, awakeMs = 0): Promise<LogAnswer> {
    if (this.#failure !== undefined) throw this.#failure
    const id = this.#nextId++
    const answered = this.#answerTo(id)
    send(id)
    this.#ring.wake(awakeMs)
    return answered
  }

  /** Keeps this thread from sleeping while answers are due: its turns of the event loop follow each other. */
  #stayAwake(awakeMs: number): void {
    this.#awakeUntilMs = performance.now() + awakeMs
    if (this.#isAwake) return
    this.#isAwake = true
    const turn = (): void => {
      this.#isAwake = this.#waiting.size > 0 && performance.now() < this.#awakeUntilMs
      if (this.#isAwake) setImmediate(turn)
    }
    setImmediate(turn)
  }

  #answerTo(id: number): Promise<LogAnswer> {
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  #settle(answer: LogAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    const { failure } = answer
    if (failure !== undefined) return waiting?.reject(new ShoalError(failure.errorKind, failure.code, failure.message))
    this.#sizeBytes = answer.sizeBytes
    waiting?.resolve(answer)
  }

  #fail(reason: string): void {
    this.#failure ??= new ShoalError('internal', 'log-write-failed', `the log ${this.#path} can not be written: ${reason}; restart the manager`)
    for (const { reject } of this.#waiting.values()) reject(this.#failure)
    this.#waiting.clear()
  }
}
