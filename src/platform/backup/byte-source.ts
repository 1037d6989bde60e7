/** Bytes in the portions that the reader wants, from a stream of any portions. */
export class ByteSource {
  readonly #stream: AsyncIterator<Uint8Array>
  #rest: Uint8Array[] = []
  #restBytes = 0
  #isEnded = false

  constructor(stream: AsyncIterable<Uint8Array>) { this.#stream = stream[Symbol.asyncIterator]() }

  /** `count` bytes; fewer only where the stream ends. */
  async read(count: number): Promise<Buffer> {
    await this.#fill(count)
    const [first = Buffer.alloc(0)] = this.#rest
    // Many small portions of a large one are the rule: they are not copied.
    const all = first.length >= count ? Buffer.from(first.buffer, first.byteOffset, first.length) : Buffer.concat(this.#rest)
    const taken = all.subarray(0, count)
    const rest = all.subarray(count)
    this.#rest = [...rest.length === 0 ? [] : [rest], ...first.length >= count ? this.#rest.slice(1) : []]
    this.#restBytes -= taken.length
    return taken
  }

  async isAtEnd(): Promise<boolean> {
    await this.#fill(1)
    return this.#restBytes === 0
  }

  async #fill(count: number): Promise<void> {
    while (this.#restBytes < count && !this.#isEnded) {
      const next = await this.#stream.next()
      if (next.done === true) this.#isEnded = true
      else {
        this.#rest.push(next.value)
        this.#restBytes += next.value.length
      }
    }
  }
}
