/** What someone who waits asks of a signal. An AbortSignal is one. */
export interface Cancellation {
  readonly aborted: boolean
  readonly reason: unknown
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** Can be aborted once, like an AbortController; an AbortSignal, which costs as much as a small call, is made for those only who need one. */
export class LightAbort implements Cancellation {
  #real: AbortController | undefined
  #end: { readonly reason: unknown } | undefined
  #listeners: (() => void)[] = []

  get aborted(): boolean { return this.#end !== undefined }
  get reason(): unknown { return this.#end?.reason }

  /** The same as an AbortSignal. */
  get signal(): AbortSignal {
    if (this.#real === undefined) {
      this.#real = new AbortController()
      if (this.#end !== undefined) this.#real.abort(this.#end.reason)
    }
    return this.#real.signal
  }

  throwIfAborted(): void { if (this.#end !== undefined) throw this.#end.reason }

  /** Each listener is called once, as with `once`. */
  addEventListener(_type: 'abort', listener: () => void): void { this.#listeners.push(listener) }
  removeEventListener(_type: 'abort', listener: () => void): void { this.#listeners = this.#listeners.filter(each => each !== listener) }

  abort(reason: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { reason }
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
    this.#real?.abort(reason)
  }
}

/** Rejects with `signal.reason` when the signal is or becomes aborted, else settles as `promise` does. Leaves no listener. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  if (signal.aborted) return Promise.reject(signal.reason as Error)
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error)
    const settled = <V>(settle: (value: V) => void) => (value: V): void => {
      signal.removeEventListener('abort', onAbort)
      settle(value)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(settled(resolve), settled<unknown>(reject))
  })
}
