import { MANAGER_ADMIN_RPC } from '../api/codec/methods.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { streamOf, type RpcClient } from '../base/rpc.ts'
import { TaskGroup } from '../base/task-group.ts'
import type { NodeLock } from './node-lock.ts'

/** Wait before a manager that does not answer is asked again. */
const RETRY_MS = 500

/** What LockKeeper works with. */
export interface LockKeeperParts {
  readonly lock: NodeLock
  /** This host's manager. */
  readonly client: RpcClient
  readonly certificates: { save(): Promise<void>; renew(signal?: AbortSignal): Promise<void> }
  readonly clock: Clock
  readonly logger: Logger
}

/** Follows the cluster's unlock key, as this host's manager has it, and keeps the host's secrets sealed with it; runs as long as the manager does. */
export class LockKeeper implements AsyncDisposable {
  readonly #parts: LockKeeperParts
  readonly #group: TaskGroup
  /** The manager that runs now knows what is sealed with which key. */
  #isTold = false

  constructor(parts: LockKeeperParts) {
    this.#parts = parts
    this.#group = new TaskGroup(parts.logger)
  }

  start(): void { this.#group.run('follow the unlock key', async signal => this.#follow(signal)) }

  async [Symbol.asyncDispose](): Promise<void> { await this.#group[Symbol.asyncDispose]() }

  async #follow(signal: AbortSignal): Promise<void> {
    const { client, clock, logger } = this.#parts
    for (;;) {
      this.#isTold = false
      try {
        for await (const { unlockKey } of client.stream(MANAGER_ADMIN_RPC.watchUnlockKey, streamOf({}), { signal })) await this.#keep(unlockKey, signal)
      } catch (err) {
        signal.throwIfAborted()
        logger.debug('the unlock key is not followed now; trying again', { err })
      }
      await clock.sleep(RETRY_MS, signal)
    }
  }

  /** May be interrupted anywhere: the next time everything is done that was not. */
  async #keep(unlockKey: string, signal: AbortSignal): Promise<void> {
    const { lock, client, certificates, logger } = this.#parts
    const [wasSealing, isNew] = [lock.isSealing, !lock.isFor(unlockKey)]
    if (!isNew && !lock.isUnsettled && (this.#isTold || !wasSealing)) return
    if (isNew) lock.change(unlockKey)
    // The manager first: it must be able to read the key of the certificate when that is sealed anew.
    const { keys, isSealing } = lock.ring.state
    await client.unary(MANAGER_ADMIN_RPC.useNodeKeys, { keys, sealing: isSealing }, { signal })
    await certificates.save()
    lock.settle()
    this.#isTold = true
    if (isNew) logger.info(unlockKey === '' ? 'autolock is off: this manager starts without an unlock key' : 'this manager needs the unlock key of the cluster when it starts again')
    if (wasSealing || unlockKey === '') return
    // The key of the certificate of before lay open on the disk.
    await certificates.renew(signal).catch((err: unknown) => {
      signal.throwIfAborted()
      logger.warn('the certificate could not be renewed after autolock was turned on; it is renewed in time', { err })
    })
  }
}
