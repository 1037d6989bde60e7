/** A binary heap: the least element first. An element whose rank changed is put right with sink(), if it is the first. */
export class Heap<T> {
  readonly #items: T[]
  readonly #isLess: (a: T, b: T) => boolean

  constructor(items: readonly T[], isLess: (a: T, b: T) => boolean) {
    this.#items = [...items]
    this.#isLess = isLess
    for (let i = (this.#items.length >> 1) - 1; i >= 0; i--) this.#sinkAt(i)
  }

  get first(): T | undefined { return this.#items[0] }

  /** The first element got a higher rank: let the next one come up. */
  sink(): void { this.#sinkAt(0) }

  dropFirst(): void {
    const last = this.#items.pop()
    if (last === undefined || this.#items.length === 0) return
    this.#items[0] = last
    this.#sinkAt(0)
  }

  #sinkAt(index: number): void {
    const items = this.#items
    for (let at = index; ;) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < items.length && this.#isLess(items[child] as T, items[least] as T)) least = child
      }
      if (least === at) return
      const item = items[at] as T
      items[at] = items[least] as T
      items[least] = item
      at = least
    }
  }
}
