import { Channel } from '../src/base/channel.ts'
import type { Clock } from '../src/base/clock.ts'
import type { Logger } from '../src/base/logger.ts'
import { TaskGroup } from '../src/base/task-group.ts'
import { followStore } from './store/follow-store.ts'
import type { ObjectStore } from './store/object-store.ts'

/** Changes a reader may fall behind: they are made by hand. */
const CHANGES_MAX = 64

/** The unlock key of the cluster as this manager's own state has it, then each later one; '' without autolock. Nothing before there is a cluster. Ends by the signal. */
export async function* watchUnlockKey(parts: { readonly store: ObjectStore; readonly clock: Clock; readonly logger: Logger }, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
  const keys = new Channel<string>(CHANGES_MAX, () => {})
  let told: string | undefined
  await using following = new TaskGroup(parts.logger)
  const onAbort = (): void => keys.fail(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    following.run('follow the unlock key', stop => followStore(parts, ({ view }) => {
      const key = view.cluster()?.unlockKey
      if (key === undefined || key === told) return
      told = key
      keys.push(key)
    }, stop))
    yield* keys
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
