import type { SessionMessage, WeightedPeer } from '../src/api/swarm/dispatcher.ts'
import type { Node } from '../src/api/swarm/objects.ts'
import { Backoff } from '../src/base/backoff.ts'
import type { Clock } from '../src/base/clock.ts'
import { hasCode, messageOf, ShoalError } from '../src/base/errors.ts'
import type { Logger } from '../src/base/logger.ts'
import type { Random } from '../src/base/random.ts'
import type { RpcCallOptions, RpcClient, RpcDialer, RpcMethod } from '../src/base/rpc.ts'
import type { KvStore } from '../src/base/storage.ts'
import { TaskGroup } from '../src/base/task-group.ts'
import type { Executor } from './exec/executor.ts'
import { LogPublisher } from './log-publisher.ts'
import { ManagerList } from './manager-list.ts'
import { Reporter } from './reporter.ts'
import { Session } from './session.ts'
import { TaskDb } from './task-db.ts'
import { Worker } from './worker.ts'

/** A01. */
const BACKOFF = { baseMs: 100, maxMs: 8_000 }
/** Between looks for a session, and between tries of a call. */
const CALL_RETRY_MS = 100
const CALL_TIMEOUT_MS = 10_000

export interface AgentOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** With this node's certificate. */
  readonly dialer: RpcDialer
  /** Not owned. */
  readonly executor: Executor
  /** Not owned; keys under "agent/". */
  readonly kv: KvStore
  readonly nodeId: string
  /** Addresses to begin with, e.g. the one that was joined; those remembered from before a restart are added. */
  readonly managers: readonly string[]
  /** What the managers say of the cluster. Called in order; a promise is waited for. */
  readonly events?: AgentEvents
}

export interface AgentEvents {
  /** This node's object, whenever it changed: its role, its availability. */
  onNode?(node: Node): void | Promise<void>
  onRootCa?(rootCertPem: string): void | Promise<void>
  onManagers?(managers: readonly WeightedPeer[]): void | Promise<void>
}

/** For `docker info`. */
export interface AgentState {
  /** Registered with a manager now. */
  readonly isConnected: boolean
  /** Why not, if not. */
  readonly error: string
  /** A manager refused this node, and none has taken it since: that does not go away by itself. Empty otherwise. */
  readonly refusal: string
  readonly managerAddress: string
  readonly managers: readonly WeightedPeer[]
  readonly node: Node | undefined
}

/** This node's part in the cluster: keeps a session with some manager and runs what it assigns. Restarting it leaves the tasks running. */
export class Agent implements AsyncDisposable {
  readonly #options: AgentOptions
  readonly #db: TaskDb
  readonly #managers: ManagerList
  readonly #reporter: Reporter
  readonly #worker: Worker
  readonly #logs: LogPublisher
  readonly #group: TaskGroup
  readonly #backoff: Backoff
  #sessionId = ''
  /** The manager of the session that there is now. */
  #client: RpcClient | undefined
  #rootCa = ''
  #state: AgentState = { isConnected: false, error: '', refusal: '', managerAddress: '', managers: [], node: undefined }

  constructor(options: AgentOptions) {
    const { clock, random, logger, executor, nodeId } = options
    this.#options = options
    this.#db = new TaskDb(options.kv)
    this.#managers = new ManagerList({ random, addresses: options.managers })
    this.#reporter = new Reporter({ clock, logger })
    this.#worker = new Worker({ executor, db: this.#db, reporter: this.#reporter, clock, logger })
    this.#logs = new LogPublisher({ worker: this.#worker, nodeId, logger })
    this.#group = new TaskGroup(logger)
    this.#backoff = new Backoff({ ...BACKOFF, random })
  }

  get state(): AgentState { return this.#state }

  /** Takes up the tasks of before and begins to look for a manager. */
  async start(): Promise<void> {
    const remembered = await this.#db.loadManagers()
    const given = this.#options.managers.map(addr => ({ nodeId: '', addr, weight: 1 }))
    this.#managers.replace([...remembered, ...given])
    this.#state = { ...this.#state, managers: remembered }
    await this.#worker.start()
    this.#group.run('agent', signal => this.#run(signal))
  }

  /** Forgets where the managers were, and looks for one at these addresses: they moved while this node could not be told. */
  async useManagers(addresses: readonly string[]): Promise<void> {
    const managers = addresses.map(addr => ({ nodeId: '', addr, weight: 1 }))
    this.#managers.replace(managers)
    await this.#db.putManagers(managers)
    this.#backoff.reset()
    this.reconnect()
  }

  /** Ends the session and opens a new one, e.g. with a renewed certificate. */
  reconnect(): void { this.#reconnect.abort(new Error('reconnect')) }
  #reconnect = new AbortController()

  /**
   * Asks a manager, through the session; while there is none, or it breaks, until `timeoutMs` is over. For calls that may be repeated.
   * @throws ShoalError `no-session` (unavailable), or what the manager answered
   */
  async call<Req, Res>(method: RpcMethod<Req, Res>, request: Req, options: RpcCallOptions = {}): Promise<Res> {
    const { clock } = this.#options
    const endMs = clock.monotonicMs() + (options.timeoutMs ?? CALL_TIMEOUT_MS)
    let last = new ShoalError('unavailable', 'no-session', 'this node has no connection to a manager; see whether the managers are up')
    for (let leftMs = endMs - clock.monotonicMs(); leftMs > 0; leftMs = endMs - clock.monotonicMs()) {
      try {
        if (this.#client !== undefined) return await this.#client.unary(method, request, { ...options, timeoutMs: leftMs })
      } catch (error) {
        if (!(error instanceof ShoalError) || error.kind !== 'unavailable') throw error
        last = error
      }
      await clock.sleep(CALL_RETRY_MS, options.signal)
    }
    throw last
  }

  /** Stops and removes every task, before leaving the swarm. */
  async removeTasks(): Promise<void> { await this.#worker.removeAll() }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group[Symbol.asyncDispose]()
    await this.#worker[Symbol.asyncDispose]()
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const address = this.#managers.pick()
      if (address !== undefined) await this.#attend(address, signal)
      await this.#options.clock.sleep(this.#backoff.next(), signal)
    }
  }

  /** One session with the manager at `address`, to its end. */
  async #attend(address: string, signal: AbortSignal): Promise<void> {
    const { dialer, clock, logger, executor } = this.#options
    this.#reconnect = new AbortController()
    const life = this.#reconnect
    const onAbort = (): void => life.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    await using client = dialer.dial(address)
    const session = new Session({
      client, previousSessionId: this.#sessionId, executor, worker: this.#worker, reporter: this.#reporter, logs: this.#logs, clock, logger,
      onMessage: message => {
        this.#client = client
        return this.#onMessage(address, message)
      },
    })
    try {
      await session.run(life.signal)
    } catch (err) {
      if (signal.aborted) return
      if (hasCode(err, 'session-invalid')) this.#sessionId = ''
      this.#managers.observe(address, 'bad')
      this.#state = { ...this.#state, isConnected: false, error: messageOf(err), ...isRefusal(err) ? { refusal: messageOf(err) } : {} }
      logger.info('session ended', { manager: address, err })
    } finally {
      this.#client = undefined
      signal.removeEventListener('abort', onAbort)
    }
  }

  async #onMessage(address: string, message: SessionMessage): Promise<void> {
    const { events } = this.#options
    if (!message.disconnect) {
      this.#sessionId = message.sessionId === '' ? this.#sessionId : message.sessionId
      if (!this.#state.isConnected) {
        this.#backoff.reset()
        this.#managers.observe(address, 'good')
        this.#options.logger.info('session begins', { manager: address })
      }
      this.#state = { ...this.#state, isConnected: true, error: '', refusal: '', managerAddress: address, node: message.node ?? this.#state.node }
    }
    if (message.managers.length > 0) {
      this.#managers.replace(message.managers)
      this.#state = { ...this.#state, managers: message.managers }
      await this.#db.putManagers(message.managers)
      await events?.onManagers?.(message.managers)
    }
    const rootCa = new TextDecoder().decode(message.rootCaCertPem)
    if (rootCa !== '' && rootCa !== this.#rootCa) {
      this.#rootCa = rootCa
      await events?.onRootCa?.(rootCa)
    }
    if (message.node !== undefined) await events?.onNode?.(message.node)
  }
}

/** The node itself is refused, whatever it asks; a manager that is not there, or a session of before, is another matter. */
function isRefusal(error: unknown): boolean { return error instanceof ShoalError && (error.kind === 'permission-denied' || error.kind === 'unauthenticated') }
