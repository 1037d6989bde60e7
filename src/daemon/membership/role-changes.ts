import { join } from 'node:path'
import type { NodeRole } from '../../api/swarm/specs.ts'
import { Backoff } from '../../base/backoff.ts'
import { isMarkedLeft, keepUnsureState, keepWithLeftState, putAwayLeftState } from '../left-state.ts'
import type { ManagerProcess } from '../manager-process.ts'
import type { NodeLock } from '../node-lock.ts'
import type { OwnManagers } from '../own-manager.ts'
import type { SwarmNodeParts } from '../swarm-node-parts.ts'
import type { Membership, OwnMembership } from './own-membership.ts'

/** Wait before the authority, or what else was not ready, is asked again. */
const RETRY_MS = 500
const RETRY_MAX_MS = 10_000
const SETTLE_POLL_MS = 50
/** Long enough for a manager whose way to the others was just mended: they try again every second. */
const SETTLE_TIMEOUT_MS = 10_000

/** What RoleChanges works on; OwnMembership. */
export interface RoleHost extends Pick<OwnMembership, 'current' | 'isChanging' | 'change' | 'remember' | 'folder' | 'managerFolder'> {
  readonly parts: Pick<SwarmNodeParts, 'clock' | 'random' | 'logger'>
  readonly managers: Pick<OwnManagers, 'start'>
  readonly lock: Pick<NodeLock, 'isSealing' | 'isUnsettled' | 'change' | 'settle'>
}

/** Makes this host the manager or the worker that the cluster wants it to be, whatever fails or changes meanwhile. Dispose stops where it is: the next daemon goes on. */
export class RoleChanges implements AsyncDisposable {
  readonly #own: RoleHost
  readonly #stop = new AbortController()
  #wanted: NodeRole = 'worker'
  #hold = new AbortController()
  /** Settles when no change goes on. */
  #change: Promise<void> = Promise.resolve()
  #isChanging = false

  constructor(own: RoleHost) { this.#own = own }

  /** The managers have written down that this node has this role. Called again, also while a change goes on, the last one counts. */
  follow(role: NodeRole): void {
    this.#wanted = role
    this.#begin()
  }

  /** Runs `work`, which does not wait for a change of the role that goes on: it is broken off, and tried again afterwards where it still matters. */
  async holdWhile<T>(work: () => Promise<T>): Promise<T> {
    this.#hold.abort(new Error('something else comes first'))
    await this.#change
    try {
      return await work()
    } finally {
      this.#hold = new AbortController()
      this.#begin()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    await this.#change
  }

  /** A certificate in another role than the host's is what a change leaves that was taken back halfway. */
  #isDue(): boolean {
    const membership = this.#own.current
    return membership !== undefined && (membership.state.role !== this.#wanted || membership.certificates.identity().role !== this.#wanted)
  }

  #begin(): void {
    if (this.#isChanging || this.#stop.signal.aborted || this.#hold.signal.aborted || !this.#isDue()) return
    this.#isChanging = true
    this.#change = this.#run(AbortSignal.any([this.#stop.signal, this.#hold.signal]))
  }

  async #run(signal: AbortSignal): Promise<void> {
    try {
      await this.#settle(signal)
    } catch (err) {
      if (!signal.aborted) this.#own.parts.logger.error('this host does not follow changes of its role until the next one', { err })
      return
    } finally {
      this.#isChanging = false
    }
    // What was said in between.
    this.#begin()
  }

  async #settle(signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#own.parts
    const backoff = new Backoff({ baseMs: RETRY_MS, maxMs: RETRY_MAX_MS, random })
    while (this.#isDue() && !signal.aborted) {
      let delayMs = RETRY_MS
      try {
        // Joining, moving and leaving come first: the host may be part of no cluster after it.
        if (!this.#own.isChanging && await this.#own.change(async () => this.#changeOnce(signal), { inside: true })) continue
      } catch (err) {
        if (signal.aborted) return
        delayMs = backoff.next()
        logger.warn('this host could not change its role; it is tried again', { role: this.#wanted, delayMs, err })
      }
      await clock.sleep(delayMs, signal)
    }
  }

  /** @returns false when the authority still knows this node in its old role */
  async #changeOnce(signal: AbortSignal): Promise<boolean> {
    const membership = this.#own.current
    if (membership === undefined) return true
    await membership.certificates.renew(signal)
    const role = this.#wanted
    if (membership.certificates.identity().role !== role) return false
    if (membership.state.role === role) return true
    if (role === 'manager') this.#becomeManager(membership)
    else await this.#becomeWorker(membership, signal)
    this.#own.parts.logger.info('this host changed its role', { role })
    return true
  }

  #becomeManager(membership: Membership): void {
    this.#own.remember({ ...membership.state, role: 'manager' })
    membership.manager = this.#own.managers.start(membership.state, membership.certificates)
  }

  async #becomeWorker(membership: Membership, signal: AbortSignal): Promise<void> {
    const { managerFolder } = this.#own
    const { manager } = membership
    // From now on nobody asks it.
    membership.manager = undefined
    if (manager !== undefined) {
      await manager.keeper[Symbol.asyncDispose]()
      const isSettled = await this.#untilSettled(manager.process, signal).catch((error: unknown) => {
        membership.manager = manager
        throw error
      })
      await manager.process.stop()
      if (!isSettled && !isMarkedLeft(managerFolder)) keepUnsureState(managerFolder)
    }
    putAwayLeftState(managerFolder, { always: true })
    await this.#stopSealing(membership)
    this.#own.remember({ ...membership.state, role: 'worker' })
  }

  /**
   * Waits until the manager of a host that is a worker now has been told by the others why: removed, or left behind by a forced new cluster. Only the latter's
   * state is worth keeping, and it must not be taken for the former's. @returns false when it was not told in time
   */
  async #untilSettled(manager: ManagerProcess, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#own.parts
    const endMs = clock.monotonicMs() + SETTLE_TIMEOUT_MS
    while (!isMarkedLeft(this.#own.managerFolder)) {
      // One that was told ends, puts its state away, and begins again with none.
      if ((await manager.status())?.raftId === 0) return true
      if (clock.monotonicMs() > endMs) return false
      await clock.sleep(SETTLE_POLL_MS, signal)
    }
    return true
  }

  /** A worker is never locked. */
  async #stopSealing({ certificates }: Membership): Promise<void> {
    const { lock, managerFolder, folder } = this.#own
    if (!lock.isSealing && !lock.isUnsettled) return
    keepWithLeftState(managerFolder, join(folder, 'lock.json'))
    lock.change('')
    await certificates.save()
    lock.settle()
  }
}
