import type { Logger } from './logger.ts'

/** Owns background promises, so that none floats: a failure is logged with its name, dispose aborts and waits for all. */
export class TaskGroup implements AsyncDisposable {
  readonly #running = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  readonly #logger: Logger

  constructor(logger: Logger) { this.#logger = logger }

  /** Aborted when the group is disposed. */
  get signal(): AbortSignal { return this.#abort.signal }

  /** Runs `work` in the background. It must end soon after `signal` aborts. */
  run(name: string, work: (signal: AbortSignal) => Promise<void>): void {
    const promise = (async () => {
      try {
        await work(this.#abort.signal)
      } catch (err) {
        if (!this.#abort.signal.aborted) this.#logger.error('background work failed', { work: name, err })
      }
    })().finally(() => this.#running.delete(promise))
    this.#running.add(promise)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort(new Error('stopped'))
    await Promise.all(this.#running)
  }
}
