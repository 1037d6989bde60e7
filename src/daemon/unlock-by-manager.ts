import { MANAGER_ADMIN_RPC } from '../api/codec/methods.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { streamOf } from '../base/rpc.ts'
import type { ManagerProcess } from './manager-process.ts'
import type { NodeLock } from './node-lock.ts'

const ANSWER_TIMEOUT_MS = 5000

/** Opens the lock with the unlock key of a manager that an earlier daemon left running. False: there is none, or it does not tell. */
export async function unlockByManager(lock: NodeLock, manager: ManagerProcess, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }): Promise<boolean> {
  if (!manager.isRunning) return false
  const timeout = new AbortController()
  const timer = clock.after(ANSWER_TIMEOUT_MS, () => timeout.abort(new Error('the manager did not answer in time')))
  try {
    for await (const { unlockKey } of manager.client.stream(MANAGER_ADMIN_RPC.watchUnlockKey, streamOf({}), { signal: timeout.signal })) {
      lock.unlock(unlockKey)
      return true
    }
  } catch (err) {
    logger.warn('the manager that an earlier daemon left does not give the unlock key, so it is stopped', { err })
  } finally {
    timer.cancel()
  }
  return false
}
