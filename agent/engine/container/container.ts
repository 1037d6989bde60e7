import { createDeferred, type Deferred } from '../runtime/deferred.ts'
import { Mutex } from '../mutex.ts'
import type { AttachStream } from '../runtime/attach-stream.ts'
import type { Launched } from '../runtime/launcher.ts'
import { isActive, type ContainerRecord, type RunState } from './container-record.ts'
import { decidesOtherwise } from './restart-policy.ts'

export interface ExitNotice { readonly exitCode: number; readonly error: string }

/** A container as the engine holds it: the durable record and what belongs to this process only. */
export class Container {
  /** Start, exit, remove and everything else that changes the record take turns. */
  readonly lock = new Mutex()
  /** Changes of the record, also those of different parts of it that were asked for at once. */
  readonly #writes = new Mutex()
  /** The process, while this daemon watches it. */
  launched: Launched | undefined
  /** Clients that attached before the start. */
  readonly waitingAttachments = new Set<AttachStream>()
  readonly execIds = new Set<string>()
  /** Monotonic time of the last start, for the restart back-off. */
  startedAtMs = 0
  /** Delay before the next automatic restart. */
  restartDelayMs = 0
  cancelRestart: (() => void) | undefined
  /** Started when the current run began; aborted at its end. */
  runAbort: AbortController | undefined
  #record: ContainerRecord
  readonly #save: (record: ContainerRecord, sync: boolean) => Promise<void>
  readonly #reportUnsaved: (err: unknown) => void
  readonly #nextExit = new Set<Deferred<ExitNotice>>()
  readonly #inactive = new Set<Deferred<ExitNotice>>()
  readonly #removed = createDeferred<ExitNotice>()

  constructor(record: ContainerRecord, save: (record: ContainerRecord, sync: boolean) => Promise<void>, reportUnsaved: (err: unknown) => void) {
    this.#reportUnsaved = reportUnsaved
    this.#record = record
    this.#save = save
  }

  get id(): string { return this.#record.id }
  get record(): ContainerRecord { return this.#record }
  get state(): RunState { return this.#record.state }

  /** Resolves when the change is on disk; readers see it only then. */
  async update(change: Partial<ContainerRecord>, options: { readonly sync?: boolean } = {}): Promise<void> {
    await this.#change(() => change, options.sync ?? false)
  }

  /** One after the other, each from what the one before made of the record (D-445). */
  async #change(change: (record: ContainerRecord) => Partial<ContainerRecord>, sync: boolean): Promise<void> {
    await this.#writes.run(async () => {
      const next = { ...this.#record, ...change(this.#record) }
      await this.#save(next, sync || decidesOtherwise(this.#record, next))
      this.#record = next
    })
  }

  /**
   * For what is so whether or not it can be written: an exit, the user's will that it ends. When the disk refuses, that is reported and readers
   * see the change all the same; the next write carries it (D-288).
   */
  async observe(change: Partial<ContainerRecord>): Promise<void> {
    try {
      await this.update(change)
    } catch (err) {
      this.#reportUnsaved(err)
      this.#record = { ...this.#record, ...change }
    }
  }

  async updateState(change: Partial<RunState>): Promise<void> { await this.#change(record => ({ state: { ...record.state, ...change } }), false) }

  exitNotice(): ExitNotice { return { exitCode: this.state.exitCode, error: this.state.error } }

  /** Resolves at the next exit of the process. */
  nextExit(): Promise<ExitNotice> { return register(this.#nextExit) }
  /** Resolves when it neither runs nor is about to be restarted. */
  inactive(): Promise<ExitNotice> { return isActive(this.state) ? register(this.#inactive) : Promise.resolve(this.exitNotice()) }
  removed(): Promise<ExitNotice> { return this.#removed.promise }

  notifyExit(): void {
    settle(this.#nextExit, this.exitNotice())
    if (!isActive(this.state)) settle(this.#inactive, this.exitNotice())
  }

  notifyRemoved(): void {
    this.#removed.resolve(this.exitNotice())
    settle(this.#nextExit, this.exitNotice())
    settle(this.#inactive, this.exitNotice())
    for (const attachment of this.waitingAttachments) attachment.endOutput()
    this.waitingAttachments.clear()
  }
}

function register(waiters: Set<Deferred<ExitNotice>>): Promise<ExitNotice> {
  const waiter = createDeferred<ExitNotice>()
  waiters.add(waiter)
  return waiter.promise
}

function settle(waiters: Set<Deferred<ExitNotice>>, notice: ExitNotice): void {
  for (const waiter of waiters) waiter.resolve(notice)
  waiters.clear()
}
