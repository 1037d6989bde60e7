/** A bounded queue from one writer to one reader: put() waits while it is full, as a socket does. */
export class Pipe<T> implements AsyncIterable<T> {
  readonly #capacity: number
  readonly #queue: T[] = []
  #end: { readonly error?: unknown } | undefined
  #isReaderGone = false
  #wakeReader: (() => void) | undefined
  #wakeWriter: (() => void) | undefined

  constructor(capacity: number) { this.#capacity = capacity }

  /** False when nobody will read the value: the writer should stop. */
  async put(value: T): Promise<boolean> {
    while (this.#queue.length >= this.#capacity && !this.#isReaderGone && this.#end === undefined) {
      await new Promise<void>(resolve => { this.#wakeWriter = resolve })
    }
    if (this.#isReaderGone || this.#end !== undefined) return false
    this.#queue.push(value)
    this.#wake()
    return true
  }

  /** Ends after what is queued. The first end counts. */
  close(): void {
    this.#end ??= {}
    this.#wake()
  }

  /** Fails at once: what is queued is lost, as on a broken connection. */
  fail(error: unknown): void {
    if (this.#end !== undefined && 'error' in this.#end) return
    this.#end = { error }
    this.#queue.length = 0
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        while (this.#queue.length > 0) {
          const value = this.#queue.shift() as T
          this.#wake()
          yield value
        }
        if (this.#end !== undefined) {
          if ('error' in this.#end) throw this.#end.error
          return
        }
        await new Promise<void>(resolve => { this.#wakeReader = resolve })
      }
    } finally {
      this.#isReaderGone = true
      this.#wake()
    }
  }

  #wake(): void {
    const [reader, writer] = [this.#wakeReader, this.#wakeWriter]
    this.#wakeReader = undefined
    this.#wakeWriter = undefined
    reader?.()
    writer?.()
  }
}
