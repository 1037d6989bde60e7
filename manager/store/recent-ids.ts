/** The ids seen last, for dropping repeated requests. Oldest first. */
export class RecentIds {
  readonly #capacity: number
  readonly #ids: Set<string>

  constructor(capacity: number, ids: Iterable<string> = []) {
    this.#capacity = capacity
    this.#ids = new Set(ids)
  }

  has(id: string): boolean { return this.#ids.has(id) }

  /** Adds an id and forgets the oldest when there are too many. */
  add(id: string): void {
    this.#ids.add(id)
    const [oldest] = this.#ids
    if (this.#ids.size > this.#capacity && oldest !== undefined) this.#ids.delete(oldest)
  }

  list(): readonly string[] { return [...this.#ids] }
}
