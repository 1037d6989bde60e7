/** A keyed, coalescing queue: a key that is added while it waits is worked once. Order is first come, first served. */
export class WorkQueue<K> {
  readonly #keys = new Set<K>()
  #waiter: (() => void) | undefined

  get size(): number { return this.#keys.size }

  add(key: K): void {
    this.#keys.add(key)
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.()
  }

  /** Takes the oldest key, or undefined when there is none. */
  take(): K | undefined {
    const { value, done } = this.#keys.values().next()
    if (done === true) return undefined
    this.#keys.delete(value)
    return value
  }

  /** Resolves when there is a key; rejects with `signal.reason` when aborted. */
  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#keys.size > 0) return
    let onAbort = (): void => {}
    try {
      await new Promise<void>((resolve, reject) => {
        this.#waiter = resolve
        onAbort = () => reject(signal.reason as Error)
        signal.addEventListener('abort', onAbort, { once: true })
      })
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }
}
