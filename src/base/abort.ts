/** Rejects with `signal.reason` when the signal is or becomes aborted, else settles as `promise` does. Leaves no listener. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  signal.throwIfAborted()
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
