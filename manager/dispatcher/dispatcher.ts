import { isDeepStrictEqual } from 'node:util'
import { heartbeatPeriodMsOf } from '../../src/api/swarm/defaults.ts'
import type {
  AssignmentsMessage, AssignmentsRequest, HeartbeatRequest, HeartbeatResponse, SessionMessage, SessionRequest, UpdateTaskStatusRequest, UpdateTaskStatusResponse, WeightedPeer,
} from '../../src/api/swarm/dispatcher.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import { isAtLeast, isTaskLive, stateOf } from '../../src/api/swarm/task-state.ts'
import type { Clock, Timer } from '../../src/base/clock.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { createId } from '../../src/base/ids.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { Random } from '../../src/base/random.ts'
import { addressOf, type RpcContext } from '../../src/base/rpc.ts'
import { TaskGroup } from '../../src/base/task-group.ts'
import { followStore } from '../store/follow-store.ts'
import type { ObjectStore, StoreChange, StoreCommit } from '../store/object-store.ts'
import { applyTaskStatuses } from './apply-task-statuses.ts'
import { assignmentSet, diffAssignments, type AssignmentSet } from './assignment-set.ts'
import { NetworkTables } from './network-tables.ts'
import { nodeNotRegistered, RegistrationLimiter, registerNode, withState } from './node-registration.ts'
import { NodeSession } from './node-session.ts'
import { SendPacer } from './send-pacer.ts'

/** An agent is given up after this many missed periods (N03). */
const GRACE_PERIODS = 3
/** After a change of leader agents have to find the new one first. */
const GRACE_PERIODS_UNKNOWN = 6
/** So that the beats of many agents spread. */
const HEARTBEAT_JITTER_MS = 500
/** Reports written in one transaction. */
const STATUSES_PER_WRITE_MAX = 500
/** Endpoints sent in network tables, all nodes together: about a quarter of a processor. */
const ENDPOINTS_PER_MS = 50
/** Under any load a change of a network is told within this: less than an agent waits before it stops a container. */
const NETWORK_SPACING_MAX_MS = 1_500
const UNKNOWN_MESSAGE = 'Node moved to "unknown" state due to leadership change in cluster'

/** What Dispatcher works with. */
export interface DispatcherComponents {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** This manager's node id. */
  readonly managerId: string
  /** The address of this node's own agent, which calls over the Unix socket. */
  readonly localAddress: string
  /** Where agents find managers, now. */
  readonly managers: () => readonly WeightedPeer[]
}

/**
 * The agents' side of the leader: registers nodes, tells them what to run, writes what they report, and declares them down when their
 * heartbeats stop. Lives for one leadership: start() once, dispose at its end; sessions then end with `disconnect`.
 * Handlers expect `context.identity` to be the agent itself (see manager/authorization.ts).
 */
export class Dispatcher implements AsyncDisposable {
  readonly #deps: DispatcherComponents
  readonly #sessions = new Map<string, NodeSession>()
  readonly #limiter = new RegistrationLimiter()
  readonly #group: TaskGroup
  readonly #tables: NetworkTables
  /** Nodes of the last leadership that are expected to return. */
  readonly #unknown = new Map<string, Timer>()
  /** Networks whose tables may have changed and were not told of yet. */
  readonly #touchedNetworks = new Set<string>()
  #networksDueAtMs = 0
  #networkTimer: Timer | undefined
  #isStopping = false

  constructor(components: DispatcherComponents) {
    this.#deps = components
    this.#group = new TaskGroup(components.logger)
    this.#tables = new NetworkTables(components.store.view())
  }

  /** Moves all nodes to unknown until they register here, and begins to watch (N02). */
  async start(): Promise<void> {
    this.#group.run('dispatcher watch', signal => followStore(this.#deps, commit => this.#observe(commit), signal))
    const { store, clock } = this.#deps
    const nowMs = clock.nowMs()
    const nodeIds = await store.update(tx => {
      const nodes = tx.list('node').filter(node => node.status?.state !== 'down')
      for (const node of nodes) tx.update('node', withState(node, { addr: '', ...node.status, state: 'unknown', message: UNKNOWN_MESSAGE }, nowMs))
      return nodes.map(node => node.id)
    })
    for (const nodeId of nodeIds) if (!this.#sessions.has(nodeId)) this.#expectReturn(nodeId)
  }

  /** Agents have to be told of another set of managers. */
  managersChanged(): void {
    for (const session of this.#sessions.values()) session.wake('session')
  }

  async *session(request: SessionRequest, context: RpcContext): AsyncIterable<SessionMessage> {
    const session = await this.#register(request, context)
    const { changed, signal } = session.open('session', context.signal)
    let told: SessionMessage | undefined
    for (;;) {
      const message = this.#sessionMessage(session)
      if (told === undefined || hasNews(told, message)) yield told = message
      if (message.disconnect) return
      await changed.ready(signal)
      changed.take()
    }
  }

  async heartbeat(request: HeartbeatRequest, context: RpcContext): Promise<HeartbeatResponse> {
    const session = this.#sessionOf(request.sessionId, context)
    const periodMs = heartbeatPeriodMsOf(this.#deps.store.view().cluster())
    this.#expectBeat(session, periodMs)
    const jitterMs = (2 * this.#deps.random.next() - 1) * Math.min(HEARTBEAT_JITTER_MS, periodMs / 10)
    return { periodMs: Math.max(1, Math.round(periodMs + jitterMs)) }
  }

  /** Durable when it resolves. The store gathers the reports of many agents into one log entry (D-132). */
  async updateTaskStatus(request: UpdateTaskStatusRequest, context: RpcContext): Promise<UpdateTaskStatusResponse> {
    const session = this.#sessionOf(request.sessionId, context)
    const { store, clock, managerId } = this.#deps
    const view = store.view()
    const foreign = request.updates.find(update => (view.get('task', update.taskId)?.nodeId ?? session.nodeId) !== session.nodeId)
    if (foreign !== undefined) throw new ShoalError('permission-denied', 'foreign-task', `task ${foreign.taskId} is not assigned to node ${session.nodeId}`)
    for (let at = 0; at < request.updates.length; at += STATUSES_PER_WRITE_MAX) {
      const slice = request.updates.slice(at, at + STATUSES_PER_WRITE_MAX)
      const by = { managerId, nowMs: clock.nowMs() }
      await store.update(tx => applyTaskStatuses(tx, session.nodeId, slice, by), context.signal)
    }
    return {}
  }

  async *assignments(request: AssignmentsRequest, context: RpcContext): AsyncIterable<AssignmentsMessage> {
    const session = this.#sessionOf(request.sessionId, context)
    const { changed, signal } = session.open('assignments', context.signal)
    const pacer = new SendPacer(this.#deps.clock)
    let sent: AssignmentSet = new Map()
    for (let sequence = 0; ;) {
      const set = this.#assignmentsOf(session, sent)
      const changes = diffAssignments(sent, set)
      sent = set
      if (sequence === 0) yield { type: 'complete', appliesTo: '', resultsIn: String(++sequence), changes }
      else if (changes.length > 0) yield { type: 'incremental', appliesTo: String(sequence), resultsIn: String(++sequence), changes }
      await changed.ready(signal)
      await pacer.wait(signal)
      changed.take()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true
    for (const timer of this.#unknown.values()) timer.cancel()
    for (const session of this.#sessions.values()) session.disconnect(leadsNoMore())
    this.#sessions.clear()
    await this.#group[Symbol.asyncDispose]()
    // Last, for the watch sets it.
    this.#networkTimer?.cancel()
  }

  async #register(request: SessionRequest, context: RpcContext): Promise<NodeSession> {
    if (this.#isStopping) throw leadsNoMore()
    const { store, clock, random } = this.#deps
    const nodeId = callerOf(context)
    const known = this.#sessions.get(nodeId)
    const isResumed = known !== undefined && known.id === request.sessionId
    if (!isResumed) this.#limiter.admit(nodeId, clock.monotonicMs())
    const facts = { description: request.description, addr: addressOf(context, this.#deps.localAddress) }
    const session = isResumed ? known : new NodeSession(nodeId, createId(random))
    const periodMs = heartbeatPeriodMsOf(store.view().cluster())
    // Before the write, which may wait long for a quorum: the end of the old session would declare the node down right after it.
    if (!isResumed) known?.end(new ShoalError('cancelled', 'stream-superseded', 'the node registered again'))
    this.#sessions.set(nodeId, session)
    this.#unknown.get(nodeId)?.cancel()
    this.#expectBeat(session, periodMs)
    await store.update(tx => registerNode(tx, nodeId, facts), context.signal)
    if (this.#isStopping) throw leadsNoMore()
    if (this.#sessions.get(nodeId) === session) this.#expectBeat(session, periodMs)
    return session
  }

  #sessionOf(sessionId: string, context: RpcContext): NodeSession {
    const session = this.#sessions.get(callerOf(context))
    if (session === undefined) throw nodeNotRegistered(callerOf(context))
    if (session.id !== sessionId) throw new ShoalError('invalid-argument', 'session-invalid', 'session invalid: the node has registered again since')
    return session
  }

  #sessionMessage(session: NodeSession): SessionMessage {
    const view = this.#deps.store.view()
    const node = view.get('node', session.nodeId)
    const message = {
      sessionId: session.id, managers: this.#deps.managers(), rootCaCertPem: view.cluster()?.rootCa?.certPem ?? new Uint8Array(), disconnect: session.isDisconnecting,
    }
    return node === undefined ? message : { ...message, node }
  }

  #assignmentsOf(session: NodeSession, sent: AssignmentSet): AssignmentSet {
    const set = assignmentSet(this.#deps.store.view(), session.nodeId, sent, (networkId, node) => this.#tables.table(networkId, node))
    session.networks = new Set([...set.values()].flatMap(({ network }) => network === undefined ? [] : [network.networkId]))
    return set
  }

  #expectBeat(session: NodeSession, periodMs: number): void {
    session.expectBy(this.#deps.clock.after(GRACE_PERIODS * periodMs, () => {
      if (this.#sessions.get(session.nodeId) === session) this.#sessions.delete(session.nodeId)
      session.end(nodeNotRegistered(session.nodeId))
      this.#declareDown(session.nodeId, 'heartbeat failure')
    }))
  }

  #expectReturn(nodeId: string): void {
    const { store, clock } = this.#deps
    const view = store.view()
    const delayMs = Math.max(GRACE_PERIODS_UNKNOWN * heartbeatPeriodMsOf(view.cluster()), (view.get('node', nodeId)?.expectedUntilMs ?? 0) - clock.nowMs())
    this.#unknown.set(nodeId, clock.after(delayMs, () => {
      this.#unknown.delete(nodeId)
      this.#declareDown(nodeId, 'heartbeat failure for node in "unknown" state')
    }))
  }

  #declareDown(nodeId: string, message: string): void {
    const { store, clock, logger } = this.#deps
    this.#group.run('declare a node down', async signal => {
      logger.info('node is down', { nodeId, reason: message })
      const nowMs = clock.nowMs()
      await store.update(tx => {
        const node = tx.get('node', nodeId)
        // It may have registered again while this write waited for its turn.
        if (node === undefined || this.#sessions.has(nodeId)) return
        tx.update('node', withState(node, { addr: '', ...node.status, state: 'down', message }, nowMs))
      }, signal)
    })
  }

  #observe(commit: StoreCommit): void {
    for (const id of this.#tables.observe(commit)) this.#touchedNetworks.add(id)
    this.#tellOfNetworks()
    if (commit.changes !== 'all') for (const change of commit.changes) this.#observeChange(change)
    else for (const session of this.#sessions.values()) {
      session.wake('session')
      session.wake('assignments')
    }
  }

  /** At once when idle, so that a task leaves DNS with the word to stop; spaced out by what it costs, since a table goes whole to many nodes. */
  #tellOfNetworks(): void {
    if (this.#touchedNetworks.size === 0 || this.#networkTimer !== undefined) return
    const nowMs = this.#deps.clock.monotonicMs()
    if (nowMs < this.#networksDueAtMs) {
      this.#networkTimer = this.#deps.clock.after(this.#networksDueAtMs - nowMs, () => {
        this.#networkTimer = undefined
        this.#tellOfNetworks()
      })
      return
    }
    this.#tables.refresh(this.#touchedNetworks)
    let endpoints = 0
    for (const session of this.#sessions.values()) {
      const told = [...this.#touchedNetworks].filter(id => session.networks.has(id))
      for (const id of told) endpoints += this.#tables.endpointCount(id)
      if (told.length > 0) session.wake('assignments')
    }
    this.#networksDueAtMs = nowMs + Math.min(NETWORK_SPACING_MAX_MS, Math.floor(endpoints / ENDPOINTS_PER_MS))
    this.#touchedNetworks.clear()
  }

  #observeChange(change: StoreChange): void {
    if (change.kind === 'task' && (change.action === 'remove' || concernsNode(change.object, change.old))) {
      this.#sessions.get(change.object.nodeId)?.wake('assignments')
    } else if (change.kind === 'node') {
      const session = this.#sessions.get(change.object.id)
      if (change.action === 'remove') {
        this.#sessions.delete(change.object.id)
        session?.end(nodeNotRegistered(change.object.id))
      }
      session?.wake('session')
      session?.wake('assignments')
    } else if (change.kind === 'cluster') {
      for (const session of this.#sessions.values()) session.wake('session')
    }
  }
}

function callerOf(context: RpcContext): string {
  if (context.identity === undefined) throw new ShoalError('unauthenticated', 'no-certificate', 'this call needs a certificate of the cluster')
  return context.identity.nodeId
}

function leadsNoMore(): ShoalError { return new ShoalError('unavailable', 'not-leader', 'this manager no longer leads; find another one') }

/** Agents care for what is asked of the node and whom to trust and call; the rest they told us themselves. */
function hasNews(told: SessionMessage, message: SessionMessage): boolean {
  const facts = ({ node, managers, rootCaCertPem, disconnect }: SessionMessage): unknown => [node?.spec, node?.role, managers, rootCaCertPem, disconnect]
  return !isDeepStrictEqual(facts(told), facts(message))
}

/** Most changes of a task are its own node's reports: those need not be told back. */
function concernsNode(task: Task, old: Task | undefined): boolean {
  if (task.nodeId === '') return false
  if (old === undefined || old.desiredState !== task.desiredState || old.nodeId !== task.nodeId || isTaskLive(old) !== isTaskLive(task)) return true
  return isAtLeast(stateOf(task), 'assigned') && !isAtLeast(stateOf(old), 'assigned')
}
