import { DISPATCHER_RPC } from '../src/api/codec/methods.ts'
import type { TaskStatus } from '../src/api/swarm/objects.ts'
import { compareTaskStates } from '../src/api/swarm/task-state.ts'
import type { Clock } from '../src/base/clock.ts'
import type { Logger } from '../src/base/logger.ts'
import type { RpcClient } from '../src/base/rpc.ts'
import { WorkQueue } from '../src/base/work-queue.ts'

/** One message's worth; the manager batches again. */
const UPDATES_MAX = 1_000
const RPC_TIMEOUT_MS = 5_000
/** Pause after a failed report; the session usually ends first. */
const RETRY_MS = 500

/** Sends task statuses to the manager until each newest one is acknowledged. What is not acknowledged waits for the next session. */
export class Reporter {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #pending = new Map<string, TaskStatus>()
  readonly #dirty = new WorkQueue<'dirty'>()

  constructor(options: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = options.clock
    this.#logger = options.logger
  }

  get pendingCount(): number { return this.#pending.size }

  /** Of two statuses of a task the one further on counts (T02). */
  report(taskId: string, status: TaskStatus): void {
    const known = this.#pending.get(taskId)
    if (known !== undefined && compareTaskStates(status.state, known.state) < 0) return
    this.#pending.set(taskId, status)
    this.#dirty.add('dirty')
  }

  /** The task is gone: nobody wants to know any more. */
  forget(taskId: string): void { this.#pending.delete(taskId) }

  /** Reports during one session, until the signal aborts; then rejects with its reason. */
  async run(client: RpcClient, sessionId: string, signal: AbortSignal): Promise<never> {
    if (this.#pending.size > 0) this.#dirty.add('dirty')
    for (;;) {
      await this.#dirty.ready(signal)
      this.#dirty.take()
      while (this.#pending.size > 0) {
        if (!await this.#send(client, sessionId, signal)) await this.#clock.sleep(RETRY_MS, signal)
      }
    }
  }

  async #send(client: RpcClient, sessionId: string, signal: AbortSignal): Promise<boolean> {
    const sent = [...this.#pending].slice(0, UPDATES_MAX)
    try {
      const updates = sent.map(([taskId, status]) => ({ taskId, status }))
      await client.unary(DISPATCHER_RPC.updateTaskStatus, { sessionId, updates }, { signal, timeoutMs: RPC_TIMEOUT_MS })
    } catch (err) {
      signal.throwIfAborted()
      this.#logger.debug('cannot report task statuses', { err })
      return false
    }
    for (const [taskId, status] of sent) if (this.#pending.get(taskId) === status) this.#pending.delete(taskId)
    return true
  }
}
