import type { SubscribeLogsMessage } from '../../src/api/swarm/logs.ts'

/** Messages of one subscription on their way to a slow client before its nodes have to wait. */
const MESSAGES_MAX = 64

/** Between many nodes that publish and one client that reads: a full pipe makes the nodes wait, which the transport passes on to them. */
export class LogPipe {
  readonly #queue: SubscribeLogsMessage[] = []
  #isClosed = false
  #wakeReader: (() => void) | undefined
  #wakeWriters: (() => void)[] = []

  /** Resolves to false when the reader is gone. */
  async put(message: SubscribeLogsMessage): Promise<boolean> {
    while (this.#queue.length >= MESSAGES_MAX && !this.#isClosed) await new Promise<void>(resolve => { this.#wakeWriters.push(resolve) })
    if (this.#isClosed) return false
    this.#queue.push(message)
    this.#wakeReader?.()
    return true
  }

  /** Ends the stream after what is in it. */
  close(): void {
    this.#isClosed = true
    this.#wakeReader?.()
    this.#wakeAll()
  }

  async *read(): AsyncGenerator<SubscribeLogsMessage, void, undefined> {
    try {
      for (;;) {
        for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
          this.#wakeAll()
          yield next
        }
        if (this.#isClosed) return
        await new Promise<void>(resolve => { this.#wakeReader = resolve })
      }
    } finally {
      this.close()
    }
  }

  #wakeAll(): void {
    const writers = this.#wakeWriters
    this.#wakeWriters = []
    for (const wake of writers) wake()
  }
}
