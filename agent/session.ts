import { DISPATCHER_RPC } from '../src/api/codec/methods.ts'
import { encode } from '../src/api/codec/codec.ts'
import type { SessionMessage } from '../src/api/swarm/dispatcher.ts'
import type { NodeDescription } from '../src/api/swarm/objects.ts'
import type { Clock } from '../src/base/clock.ts'
import { ShoalError } from '../src/base/errors.ts'
import type { Logger } from '../src/base/logger.ts'
import type { RpcClient } from '../src/base/rpc.ts'
import { streamOf } from '../src/base/rpc.ts'
import type { Executor } from './exec/executor.ts'
import { firstToEnd } from './first-to-end.ts'
import type { LogPublisher } from './log-publisher.ts'
import type { Reporter } from './reporter.ts'
import type { Worker } from './worker.ts'

/** Registration waits for a commit, perhaps for an election. */
const REGISTER_TIMEOUT_MS = 15_000
/** N03: agent's timeout of one beat. */
const BEAT_TIMEOUT_MS = 5_000
/** Until the manager has said its period. */
const FIRST_PERIOD_MS = 1_000
/** N10. */
const DESCRIPTION_CHECK_MS = 20_000
/** The log broker is not worth a session: a pause, then again. */
const LOGS_RETRY_MS = 5_000

export interface SessionParts {
  readonly executor: Executor
  readonly worker: Worker
  readonly reporter: Reporter
  readonly logs: LogPublisher
  readonly clock: Clock
  readonly logger: Logger
}

export interface SessionOptions extends SessionParts {
  readonly client: RpcClient
  /** That of the session before, or empty. */
  readonly previousSessionId: string
  /** Told of each message, the first one (registered!) included, before what it says takes effect. */
  readonly onMessage: (message: SessionMessage) => Promise<void>
}

/**
 * One session with one manager: register, then beat, follow assignments, report statuses and publish logs until any of them breaks.
 * Always ends by rejecting: with `session-ended` (unavailable) when the manager sent us away, else with what broke.
 */
export class Session {
  readonly #options: SessionOptions
  #sessionId = ''

  constructor(options: SessionOptions) { this.#options = options }

  async run(signal: AbortSignal): Promise<never> {
    const description = await this.#options.executor.describe()
    const life = new AbortController()
    const onAbort = (): void => life.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const timer = this.#options.clock.after(REGISTER_TIMEOUT_MS, () =>
      life.abort(new ShoalError('deadline-exceeded', 'deadline-exceeded', `manager ${this.#options.client.address} did not register this node in time`)))
    try {
      signal.throwIfAborted()
      await this.#follow(description, life, () => timer.cancel())
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      life.abort(new Error('the session ended'))
    }
    throw this.#ended('the manager ended the session')
  }

  async #follow(description: NodeDescription, life: AbortController, onRegistered: () => void): Promise<void> {
    const { client, previousSessionId } = this.#options
    const { signal } = life
    const messages = client.stream(DISPATCHER_RPC.session, streamOf({ description, sessionId: previousSessionId }), { signal })[Symbol.asyncIterator]()
    try {
      const first = await messages.next()
      if (first.done === true) throw this.#ended('the manager refused the session')
      onRegistered()
      this.#sessionId = first.value.sessionId
      await this.#take(first.value)
      const { worker, reporter } = this.#options
      for (const [taskId, status] of worker.statuses()) reporter.report(taskId, status)
      await firstToEnd([
        inner => this.#readMessages(messages, life, inner),
        inner => this.#beat(inner),
        inner => this.#assignments(inner),
        inner => reporter.run(client, this.#sessionId, inner),
        inner => this.#watchDescription(description, inner),
        inner => this.#publishLogs(inner),
      ], signal)
    } finally {
      void messages.return?.(undefined)
    }
  }

  async #readMessages(messages: AsyncIterator<SessionMessage>, life: AbortController, signal: AbortSignal): Promise<void> {
    // The stream began before the other parts and hangs on the whole life: their end must end it.
    signal.addEventListener('abort', () => life.abort(signal.reason), { once: true })
    for (let next = await messages.next(); next.done !== true; next = await messages.next()) await this.#take(next.value)
  }

  async #take(message: SessionMessage): Promise<void> {
    if (message.node !== undefined) this.#options.executor.configure(message.node)
    await this.#options.onMessage(message)
    if (message.disconnect) throw this.#ended('this manager no longer leads')
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { client, executor, clock } = this.#options
    for (let periodMs = 0; ; ) {
      await clock.sleep(periodMs, signal)
      const appliedNetworks = [...executor.networkRevisions()].map(([networkId, revision]) => ({ networkId, revision }))
      const response = await client.unary(DISPATCHER_RPC.heartbeat, { sessionId: this.#sessionId, appliedNetworks }, { signal, timeoutMs: BEAT_TIMEOUT_MS })
      periodMs = response.periodMs > 0 ? response.periodMs : FIRST_PERIOD_MS
    }
  }

  /** Applies the messages in sequence; where one is missing, the stream is opened again and begins with a complete set (P06). */
  async #assignments(signal: AbortSignal): Promise<void> {
    const { client, worker, logger } = this.#options
    for (;;) {
      let sequence: string | undefined
      for await (const message of client.stream(DISPATCHER_RPC.assignments, streamOf({ sessionId: this.#sessionId }), { signal })) {
        if (message.type === 'incremental' && message.appliesTo !== sequence) {
          logger.warn('assignments out of sequence, asking for all', { expected: sequence, got: message.appliesTo })
          sequence = undefined
          break
        }
        await worker.assign(message)
        sequence = message.resultsIn
      }
      if (sequence !== undefined) throw this.#ended('the manager ended the assignments')
      signal.throwIfAborted()
      await this.#options.clock.sleep(FIRST_PERIOD_MS, signal)
    }
  }

  /** A changed description is told by registering again (N10). */
  async #watchDescription(registered: NodeDescription, signal: AbortSignal): Promise<void> {
    const before = encode('NodeDescription', registered)
    for (;;) {
      await this.#options.clock.sleep(DESCRIPTION_CHECK_MS, signal)
      const now = encode('NodeDescription', await this.#options.executor.describe())
      if (now.length !== before.length || now.some((byte, i) => byte !== before[i])) throw this.#ended('the description of this node changed')
    }
  }

  async #publishLogs(signal: AbortSignal): Promise<void> {
    const { client, logs, clock, logger } = this.#options
    for (;;) {
      try {
        await logs.run(client, signal)
      } catch (err) {
        signal.throwIfAborted()
        logger.debug('log subscriptions broke', { err })
      }
      await clock.sleep(LOGS_RETRY_MS, signal)
    }
  }

  #ended(why: string): ShoalError {
    return new ShoalError('unavailable', 'session-ended', `${this.#options.client.address}: ${why}`)
  }
}
