/** Runs one piece of work at a time, in the order asked. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve()

  async run<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last
    const mine = (async () => {
      await before
      return work()
    })()
    this.#last = mine.catch(() => undefined)
    return mine
  }
}
