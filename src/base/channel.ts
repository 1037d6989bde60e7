import { ShoalError } from './errors.ts'

/**
 * A bounded queue between one producer and one consumer, read as an AsyncIterable.
 * When it is full, push() returns false and the reader gets the `lagged` error after what is queued: it lists again.
 */
export class Channel<T> implements AsyncIterable<T> {
  readonly #capacity: number
  readonly #queue: T[] = []
  #waiter: (() => void) | undefined
  #end: { readonly error?: unknown } | undefined
  readonly #onReturn: (() => void) | undefined

  /** @param onReturn called once when the reader stops early or the channel ends */
  constructor(capacity: number, onReturn?: () => void) {
    this.#capacity = capacity
    this.#onReturn = onReturn
  }

  get length(): number { return this.#queue.length }
  get isEnded(): boolean { return this.#end !== undefined }

  push(value: T): boolean {
    if (this.#end !== undefined) return false
    if (this.#queue.length >= this.#capacity) {
      this.fail(new ShoalError('resource-exhausted', 'lagged', `the reader fell more than ${this.#capacity} values behind; list again`))
      return false
    }
    this.#queue.push(value)
    this.#wake()
    return true
  }

  /** Ends the stream after what is queued. */
  close(): void { this.#finish({}) }
  /** Ends the stream with an error after what is queued. */
  fail(error: unknown): void { this.#finish({ error }) }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        while (this.#queue.length > 0) yield this.#queue.shift() as T
        if (this.#end !== undefined) {
          if ('error' in this.#end) throw this.#end.error
          return
        }
        await new Promise<void>(resolve => { this.#waiter = resolve })
      }
    } finally {
      this.#end ??= {}
      this.#onReturn?.()
    }
  }

  #finish(end: { readonly error?: unknown }): void {
    this.#end ??= end
    this.#wake()
  }

  #wake(): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.()
  }
}
