/** Runs one piece of asynchronous work after the other, in the order of the calls. A failure is its caller's alone. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.then(() => undefined, () => undefined)
    return result
  }
}
