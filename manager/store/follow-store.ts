import type { Clock } from '../../src/base/clock.ts'
import { hasCode } from '../../src/base/errors.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { ObjectStore, StoreCommit } from './object-store.ts'

/** Pause before following again after falling behind or a failure. */
const FOLLOW_AGAIN_DELAY_MS = 1000

/**
 * Calls `onCommit` with all that is there (`changes: 'all'`), then with each commit, until the signal aborts. Starts anew, with 'all', when the reader
 * fell behind or onCommit threw. No commit between the first call and the next one is missed.
 */
export async function followStore({ store, clock, logger }: { readonly store: ObjectStore; readonly clock: Clock; readonly logger: Logger }, onCommit: (commit: StoreCommit) => void, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await followOnce(store, onCommit, signal)
    } catch (err) {
      signal.throwIfAborted()
      if (!hasCode(err, 'lagged')) logger.warn('watch failed, starting again', { err })
    }
    await clock.sleep(FOLLOW_AGAIN_DELAY_MS, signal)
  }
}

async function followOnce(store: ObjectStore, onCommit: (commit: StoreCommit) => void, signal: AbortSignal): Promise<void> {
  const commits = store.watch(signal)[Symbol.asyncIterator]()
  try {
    // The first next() opens the watch; only then is the picture complete.
    let next = commits.next()
    onCommit({ view: store.view(), changes: 'all' })
    for (let result = await next; result.done !== true; result = await next) {
      onCommit(result.value)
      next = commits.next()
    }
  } finally {
    await commits.return?.()
  }
}
