import type { NetworkTable } from '../../src/api/swarm/dispatcher.ts'
import type { Clock } from '../../src/base/clock.ts'
import { messageOf } from '../../src/base/errors.ts'
import type { Logger } from '../../src/base/logger.ts'
import { TaskGroup } from '../../src/base/task-group.ts'
import { WorkQueue } from '../../src/base/work-queue.ts'
import type { Networks } from '../engine/engine.ts'

/** The part of the engine that programs overlay networks. */
export type OverlayNetworks = Pick<Networks, 'applyOverlay' | 'removeOverlay' | 'overlayRevisions'>

/** Pause before a network that could not be programmed, or is still in use, is tried again. */
const RETRY_MS = 1_000

/** Brings the kernel's overlay networks to what the managers sent: the newest table of each network, one at a time, until it works. */
export class NetworkTables implements AsyncDisposable {
  readonly #engine: OverlayNetworks
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #group: TaskGroup
  readonly #wanted = new Map<string, NetworkTable>()
  readonly #dirty = new WorkQueue<string>()
  readonly #failures = new Map<string, string>()

  constructor(options: { readonly engine: OverlayNetworks; readonly clock: Clock; readonly logger: Logger }) {
    this.#engine = options.engine
    this.#clock = options.clock
    this.#logger = options.logger
    this.#group = new TaskGroup(options.logger)
    this.#group.run('network tables', signal => this.#run(signal))
  }

  put(table: NetworkTable): void {
    this.#wanted.set(table.networkId, table)
    this.#dirty.add(table.networkId)
  }

  remove(networkId: string): void {
    this.#wanted.delete(networkId)
    this.#failures.delete(networkId)
    this.#dirty.add(networkId)
  }

  /** Wanted, or still in the kernel from before a restart. */
  ids(): readonly string[] { return [...new Set([...this.#wanted.keys(), ...this.#engine.overlayRevisions().keys()])] }
  revisions(): ReadonlyMap<string, number> { return this.#engine.overlayRevisions() }
  /** True when the kernel has some revision of the network: a task may be attached. */
  isReady(networkId: string): boolean { return this.#engine.overlayRevisions().has(networkId) }
  /** Why the network could not be programmed at the last try, if so. */
  failureOf(networkId: string): string | undefined { return this.#failures.get(networkId) }

  async [Symbol.asyncDispose](): Promise<void> { await this.#group[Symbol.asyncDispose]() }

  async #run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#dirty.ready(signal)
      const networkId = this.#dirty.take()
      if (networkId !== undefined) await this.#program(networkId)
    }
  }

  async #program(networkId: string): Promise<void> {
    const table = this.#wanted.get(networkId)
    try {
      if (table !== undefined) await this.#engine.applyOverlay(table)
      else if (this.#engine.overlayRevisions().has(networkId)) await this.#engine.removeOverlay(networkId)
      this.#failures.delete(networkId)
    } catch (err) {
      if (table !== undefined) {
        this.#failures.set(networkId, messageOf(err))
        this.#logger.warn('cannot program network, will try again', { networkId, err })
      }
      this.#group.run('network retry', async signal => {
        await this.#clock.sleep(RETRY_MS, signal)
        this.#dirty.add(networkId)
      })
    }
  }
}
