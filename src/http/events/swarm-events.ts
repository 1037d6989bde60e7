import type { EventMessage } from '../../api/engine/engine-json.ts'
import { Channel } from '../../base/channel.ts'
import type { Clock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { TaskGroup } from '../../base/task-group.ts'
import { storeEventToJson } from '../convert/store-event.ts'
import type { ControlBackend, WatchPosition } from '../routes/control-backend.ts'

/** As many as Docker keeps for `docker events --since`. */
const RECENT_MAX = 256
/** A reader that is this far behind is cut off. */
const QUEUE_MAX = 1024
const RETRY_MS = 1000

/**
 * The swarm's events as this node knows them: one watch at the managers for all readers, and a memory of the last ones. A node that is no
 * manager has none until that changes. One whose leader is lost goes on where it was as soon as there is another. Dispose ends every reader's stream.
 */
export class SwarmEvents implements AsyncDisposable {
  readonly #control: Pick<ControlBackend, 'watch'>
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #group: TaskGroup
  readonly #readers = new Set<Channel<EventMessage>>()
  #recent: readonly EventMessage[] = []

  constructor(parts: { readonly control: Pick<ControlBackend, 'watch'>; readonly clock: Clock; readonly logger: Logger }) {
    this.#control = parts.control
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#group = new TaskGroup(parts.logger)
    this.#group.run('watch the swarm for events', async signal => this.#watch(signal))
  }

  recent(): readonly EventMessage[] { return this.#recent }

  /** From the call on, until the signal aborts. */
  subscribe(signal: AbortSignal): AsyncIterable<EventMessage> {
    const end = (): void => reader.close()
    const reader = new Channel<EventMessage>(QUEUE_MAX, () => {
      this.#readers.delete(reader)
      signal.removeEventListener('abort', end)
    })
    if (signal.aborted || this.#group.signal.aborted) reader.close()
    signal.addEventListener('abort', end, { once: true })
    this.#readers.add(reader)
    return reader
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group[Symbol.asyncDispose]()
    for (const reader of this.#readers) reader.close()
  }

  async #watch(signal: AbortSignal): Promise<void> {
    let seen: WatchPosition | undefined
    while (!signal.aborted) {
      try {
        for await (const { events, ...position } of this.#control.watch(seen, signal)) {
          for (const change of events) this.#publish(storeEventToJson(change))
          seen = position
        }
      } catch (err) {
        if (!(err instanceof ShoalError)) throw err
        if (err.code === 'lagged') {
          this.#logger.warn('events of the swarm were missed: this host did not hear of them for too long', { err })
          seen = undefined
          continue
        }
      }
      await this.#clock.sleep(RETRY_MS, signal)
    }
  }

  #publish(event: EventMessage | undefined): void {
    if (event === undefined) return
    this.#recent = [...this.#recent, event].slice(-RECENT_MAX)
    for (const reader of this.#readers) reader.push(event)
  }
}
