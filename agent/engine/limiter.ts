/** Runs at most so many pieces of work at once, in the order asked. */
export class Limiter {
  readonly #max: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(max: number) { this.#max = max }

  /** True when work that is given now has to wait. */
  get isFull(): boolean { return this.#running >= this.#max }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.isFull) await new Promise<void>(resolve => { this.#waiting.push(resolve) })
    else this.#running++
    try {
      return await work()
    } finally {
      // Whoever waits takes over this place, so that nobody slips in between.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
