/** The states that the core was promised in snapshot messages, each kept from the promise until its message is sent. Bounded by the members: the core has one snapshot under way for each. */
export class SnapshotCaptures {
  readonly #captures = new Map<number, AsyncIterable<Uint8Array>[]>()

  /** @param records the state as of `index`, read when it is sent */
  add(index: number, records: AsyncIterable<Uint8Array>): void {
    const captures = this.#captures.get(index) ?? []
    captures.push(records)
    this.#captures.set(index, captures)
  }

  /** Hands out one state of `index`, once; undefined when none is left. */
  take(index: number): AsyncIterable<Uint8Array> | undefined {
    const captures = this.#captures.get(index) ?? []
    const records = captures.shift()
    if (captures.length === 0) this.#captures.delete(index)
    return records
  }
}
