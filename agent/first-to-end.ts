/**
 * Runs all at once. When the first one ends, well or badly, the others are aborted and waited for; then the first one's outcome is the whole's.
 * An abort from outside aborts all and rejects with its reason.
 */
export async function firstToEnd(works: readonly ((signal: AbortSignal) => Promise<void>)[], signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const abort = new AbortController()
  const onAbort = (): void => abort.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  const running = works.map(work => work(abort.signal))
  try {
    await Promise.race(running)
  } finally {
    abort.abort(new Error('another part ended'))
    await Promise.allSettled(running)
    signal.removeEventListener('abort', onAbort)
  }
}
