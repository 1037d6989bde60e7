/**
 * The requests seen last, each with the id of the object it was answered with ('' for a proposal of our own): what repeats one changes nothing.
 * The same on every manager, since only applied entries add to it. Oldest first.
 */
export class RecentRequests {
  readonly #capacity: number
  readonly #results = new Map<string, string>()

  /** @param texts as list() gives them */
  constructor(capacity: number, texts: Iterable<string> = []) {
    this.#capacity = capacity
    for (const text of texts) this.add(text)
  }

  has(id: string): boolean { return this.#results.has(id) }
  resultOf(id: string): string | undefined { return this.#results.get(id) }

  /** Adds one and forgets the oldest when there are too many. @param text see requestText() */
  add(text: string): void {
    const blank = text.indexOf(' ')
    const id = blank < 0 ? text : text.slice(0, blank)
    this.#results.delete(id)
    this.#results.set(id, blank < 0 ? '' : text.slice(blank + 1))
    if (this.#results.size <= this.#capacity) return
    const oldest = this.#results.keys().next()
    if (oldest.done !== true) this.#results.delete(oldest.value)
  }

  list(): readonly string[] { return [...this.#results].map(([id, result]) => requestText(id, result)) }
}

/** A request and its result as they are kept and sent: neither holds a blank. */
export function requestText(id: string, result = ''): string { return result === '' ? id : `${id} ${result}` }
