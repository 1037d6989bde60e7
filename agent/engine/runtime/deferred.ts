/** A promise with its resolver beside it. A rejection that nobody awaits is not an error of the process. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: unknown): void
}

export function createDeferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined
  let reject: (error: unknown) => void = () => undefined
  const promise = new Promise<T>((onValue, onError) => { resolve = onValue; reject = onError })
  // Whoever waits for it hears of it; nobody may.
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}
