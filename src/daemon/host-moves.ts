import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { TaskGroup } from '../base/task-group.ts'
import { followAddress } from './follow-address.ts'
import { resolveRemotes } from './host-address.ts'
import type { SwarmState } from './swarm-state.ts'

/** How often the host's addresses are looked at. */
const LOOK_MS = 2_000
/** An address must be another one for as many looks: an interface that is set up anew has none for a moment. */
const LOOKS = 2
/** Between two looks of a host that is cut off at the names it was given. */
const NAMES_MS = 10_000

/** What HostMoves looks at and tells; SwarmNode. */
export interface MovingHost {
  readonly state: SwarmState | undefined
  /** Takes up this state: another address of this host. */
  moveTo(state: SwarmState): Promise<void>
  /** Whether no leader (on a manager) or no manager (on a worker) is known. */
  isCutOff(): Promise<boolean>
  /** Looks for managers at these addresses too. */
  meetManagers(addresses: readonly string[]): Promise<unknown>
}

/** What HostMoves works with. */
export interface HostMovesParts {
  readonly host: MovingHost
  /** Names or addresses under which managers are found: the daemon's `swarm-managers`; may change. */
  readonly names: () => readonly string[]
  readonly clock: Clock
  readonly logger: Logger
}

/** Follows this host to a new address while it runs, and looks for managers under the names it was given while it is cut off (D-692, D-693). */
export class HostMoves implements AsyncDisposable {
  readonly #parts: HostMovesParts
  readonly #group: TaskGroup
  #looks = 0
  #askedAtMs = -Infinity

  constructor(parts: HostMovesParts) {
    this.#parts = parts
    this.#group = new TaskGroup(parts.logger)
  }

  start(): void { this.#group.run('follow this host\'s address', signal => this.#run(signal)) }

  async [Symbol.asyncDispose](): Promise<void> { await this.#group[Symbol.asyncDispose]() }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#parts
    for (; ; await clock.sleep(LOOK_MS, signal)) {
      try {
        await this.#follow()
        await this.#lookUpNames()
      } catch (err) {
        signal.throwIfAborted()
        // A full disk, too: what was not written down was not taken up, and the next look tries again.
        logger.warn('this host could not follow its address, or look for managers; it is tried again', { err })
      }
    }
  }

  async #follow(): Promise<void> {
    const { host, logger } = this.#parts
    const { state } = host
    const next = state === undefined ? undefined : followAddress(state)
    const isMoved = state !== undefined && next !== undefined && next.advertiseAddress !== state.advertiseAddress
    this.#looks = isMoved ? this.#looks + 1 : 0
    if (state === undefined || next === undefined || next === state || (isMoved && this.#looks < LOOKS)) return
    if (isMoved) logger.info('this host has another address; the managers are told', { before: state.advertiseAddress, addr: next.advertiseAddress })
    await host.moveTo(next)
  }

  async #lookUpNames(): Promise<void> {
    const { host, names, clock, logger } = this.#parts
    if (host.state === undefined || names().length === 0 || clock.monotonicMs() - this.#askedAtMs < NAMES_MS || !await host.isCutOff()) return
    this.#askedAtMs = clock.monotonicMs()
    const found = await Promise.all(names().map(async name => {
      try {
        return await resolveRemotes(name)
      } catch (err) {
        logger.warn('a name of swarm-managers leads nowhere', { name, reason: messageOf(err) })
        return []
      }
    }))
    const addresses = [...new Set(found.flat())]
    if (addresses.length > 0) await host.meetManagers(addresses)
  }
}
