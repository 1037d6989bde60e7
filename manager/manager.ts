import type { TickCounts } from 'raft-ts/raft-config'
import { CallTable } from '../src/api/calls/call-table.ts'
import type { ManagerStatusResponse, NodeKey } from '../src/api/swarm/control.ts'
import type { WeightedPeer } from '../src/api/swarm/dispatcher.ts'
import type { Cluster, ManagerStatus } from '../src/api/swarm/objects.ts'
import type { Clock } from '../src/base/clock.ts'
import { hasCode, messageOf } from '../src/base/errors.ts'
import type { FrameLinkServer } from '../src/base/frame-link.ts'
import type { Logger } from '../src/base/logger.ts'
import type { MessageDialer, MessageServer } from '../src/base/message-channel.ts'
import type { Random } from '../src/base/random.ts'
import type { RpcServer } from '../src/base/rpc.ts'
import type { AppendLog, KvStore } from '../src/base/storage.ts'
import { TaskGroup } from '../src/base/task-group.ts'
import { createJoinToken } from '../src/ca/join-token.ts'
import { createUnlockKey } from '../src/ca/unlock-key.ts'
import { bootstrapCluster, demoteOtherManagers, type ManagerBootstrap } from './bootstrap-cluster.ts'
import { CertificateService } from './certificate-service.ts'
import { ControlService } from './control/control-service.ts'
import { adoptRestoredState, type RestoredState } from './restored-cluster.ts'
import { LeaderGate } from './leader-gate.ts'
import { LeaderProxy } from './leader-proxy.ts'
import { LeaderWork } from './leader-work.ts'
import { leaderlessReason } from './leaderless.ts'
import type { CompactionSettings } from './raft/compaction.ts'
import { MemberFinder } from './raft/member-finder.ts'
import { Membership } from './raft/membership.ts'
import { MembershipClient } from './raft/membership-client.ts'
import { NetworkAttacher } from './network-attacher.ts'
import { noLeader } from './raft/not-leader.ts'
import { RaftNode } from './raft/raft-node.ts'
import type { RaftStop } from './raft/raft-stop.ts'
import { RAFT_MESSAGES } from './raft/peer-stream.ts'
import { messagesHandler, registerRaftService } from './raft/raft-service.ts'
import { registerServices } from './register-services.ts'
import { ReplicatedStore } from './store/replicated-store.ts'
import { watchUnlockKey } from './watch-unlock-key.ts'

/** How often the list of managers is compared with what agents were told. */
const MANAGERS_REVIEW_MS = 1_000
/** Wait after a join or a start of the leader's work that failed. */
const RETRY_DELAY_MS = 1_000
const PEER_WEIGHT = 10

/** What one manager is made of; addresses and identity are fixed for its life. */
export interface ManagerOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The replicated state and the raft log, for this manager alone; the caller disposes them after the manager. */
  readonly kv: KvStore
  readonly log: AppendLog
  /** Dials other managers with this node's certificate. */
  readonly dialer: MessageDialer
  /** With mutual TLS, for agents and managers; and for this host alone, over a Unix socket. Not listening yet; disposed with the manager. */
  readonly server: MessageServer
  readonly localServer: FrameLinkServer
  /** "host:port" */
  readonly listenAddress: string
  /** "unix:/path" */
  readonly localAddress: string
  /** "host:port" where others reach this manager. */
  readonly advertiseAddress: string
  readonly nodeId: string
  /** Time of one tick of raft; how many make an election timeout says the cluster (D-741). Default 100. */
  readonly raftTickMs?: number
  readonly clusterId: string
  /** As StoreTurns.later. */
  readonly later?: (work: () => void) => void
  /** First manager of a new cluster; ignored once there is state. */
  readonly bootstrap?: ManagerBootstrap
  /** A manager to join through, "host:port"; ignored once there is state. */
  readonly joinAddress?: string
  /** Where other managers may be beside where the log says, "host:port". */
  readonly contacts?: readonly string[]
  /** Begins the cluster anew from a saved state; ignored once there is a log. */
  readonly restore?: RestoredState
  /** Keeps the state and drops all other managers, once; the caller does not pass it at the next start. */
  readonly forceNewCluster?: boolean
  /** Of this process, for ManagerAdmin.Status. */
  readonly pid: number
  /** Called when ManagerAdmin.Stop asks this process to end. */
  readonly onStop: () => void
  /** Called when this host's daemon changes what its secrets are sealed with; what is sealed otherwise is to be sealed anew before it returns. Absent: there are none. */
  readonly onNodeKeys?: (state: { readonly keys: readonly NodeKey[]; readonly isSealing: boolean }) => void
}

/** What start() has opened, in order. */
interface Parts { readonly store: ReplicatedStore; readonly raft: RaftNode; readonly membership: Membership; readonly finder: MemberFinder }

/**
 * One manager: raft, the replicated state, the services it answers, and the leader's work while it leads.
 * start() resolves when it listens; a cluster is there once status() says that it has a leader.
 */
export class Manager implements AsyncDisposable {
  readonly #options: ManagerOptions
  readonly #parts: Parts
  readonly #gate: LeaderGate
  readonly #proxy: LeaderProxy
  readonly #group: TaskGroup
  #work: LeaderWork | undefined
  /** The nodes were told of the forced new cluster: once, for managers may join it again. */
  #isForced = false
  #error = ''

  private constructor(options: ManagerOptions, parts: Parts) {
    this.#options = options
    this.#parts = parts
    this.#gate = new LeaderGate(options.clock, () => noLeader(this.#leaderlessReason()))
    this.#group = new TaskGroup(options.logger)
    this.#proxy = new LeaderProxy({
      local: { nodeId: options.nodeId, clusterId: options.clusterId }, localAddress: hostOf(options.advertiseAddress), gate: this.#gate, dialer: options.dialer,
      confirmRead: signal => parts.raft.confirmRead(signal),
      hasState: () => parts.store.view().cluster() !== undefined,
      isRemoved: nodeId => parts.store.view().cluster()?.removedNodes.some(removed => removed.nodeId === nodeId) ?? false,
    })
  }

  /** Opens the state, listens, and takes part in the cluster: continues, founds, or joins it. @throws what ReplicatedStore.open, RaftNode.open and listen() throw */
  static async start(options: ManagerOptions): Promise<Manager> {
    const store = await ReplicatedStore.open(options.kv, { pause: () => options.clock.sleep(0), later: options.later })
    const { clusterId, nodeId, log, dialer, clock, random, logger, forceNewCluster } = options
    const raft = await RaftNode.open({
      clusterId, nodeId, addr: options.advertiseAddress, log, machine: store, dialer, clock, random, logger, timing: { tickMs: options.raftTickMs, counts: () => tickCountsOf(store.view().cluster()) }, compaction: () => compactionOf(store.view().cluster()), ...forceNewCluster === undefined ? {} : { forceNewCluster }, isRestoring: options.restore !== undefined,
    })
    store.attach(raft)
    const manager = new Manager(options, {
      store, raft, membership: new Membership({ raft, dialer, clock, random, logger, isWanted: id => store.view().get('node', id)?.spec?.role !== 'worker' }),
      finder: new MemberFinder({ raft, dialer, clock, random, logger, contacts: options.contacts ?? [] }),
    })
    try {
      await manager.#start()
    } catch (error) {
      await manager[Symbol.asyncDispose]()
      throw error
    }
    return manager
  }

  /** Resolves when raft takes part no more: removed, failed or disposed. */
  get stopped(): Promise<RaftStop> { return this.#parts.raft.stopped }

  status(): ManagerStatusResponse {
    const { raft, store } = this.#parts
    const { leadership } = raft
    // A leader is worth the name to callers once it answers: with the cluster's first objects, and its loops running.
    const hasLeader = this.#gate.current !== undefined && store.view().cluster() !== undefined
    return {
      nodeId: raft.nodeId, raftId: raft.raftId, leader: this.#gate.current?.kind === 'self', hasLeader, leaderAddr: leadership.leaderAddr, pid: this.#options.pid,
      clusterId: raft.clusterId, appliedIndex: store.appliedIndex, term: leadership.term, error: this.#error,
      leaderlessMs: this.#gate.leaderlessMs, leaderlessReason: hasLeader ? '' : this.#leaderlessReason(), refusal: raft.refusal,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { store, raft, membership, finder } = this.#parts
    const { server, localServer } = this.#options
    await this.#group[Symbol.asyncDispose]()
    this.#gate.set(undefined)
    await this.#work?.[Symbol.asyncDispose]()
    await finder[Symbol.asyncDispose]()
    await membership[Symbol.asyncDispose]()
    await Promise.all([server[Symbol.asyncDispose](), localServer[Symbol.asyncDispose]()])
    await this.#proxy[Symbol.asyncDispose]()
    await raft[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  }

  async #start(): Promise<void> {
    const { server, localServer, listenAddress, localAddress, logger } = this.#options
    this.#register(this.#proxy.guard(server))
    server.handleMessages(RAFT_MESSAGES, this.#proxy.guardMessages(RAFT_MESSAGES, messagesHandler(this.#parts.raft)))
    const calls = new CallTable(logger)
    this.#register(this.#proxy.guard(localServer, calls))
    localServer.handleLinks(calls.handler)
    this.#group.run('follow the leadership', signal => this.#followLeadership(signal))
    this.#group.run('tell agents of managers', signal => this.#reviewManagers(signal))
    await server.listen(listenAddress)
    await this.#takePart()
    await localServer.listen(localAddress)
  }

  #register(server: Pick<RpcServer, 'handle'>): void {
    const { store, raft, membership } = this.#parts
    const { clock, random, onStop } = this.#options
    registerRaftService(server, raft, membership)
    registerServices(server, {
      control: new ControlService({
        store, clock, random, secrets: { joinToken: rootPem => createJoinToken(rootPem, random), unlockKey: () => createUnlockKey(random) },
        membership: { isMember: id => this.#isMember(id), canRemove: id => membership.canRemove(id), managerStatus: id => this.#managerStatus(id) },
      }),
      certificates: new CertificateService({ store, clock, random }), attacher: new NetworkAttacher({ store, clock, random, logger: this.#options.logger }), gate: this.#gate, status: () => this.status(), stop: onStop, snapshot: () => store.snapshot(raft.table), survey: { raft, view: () => store.view(), dialer: this.#options.dialer },
      unlockKeys: signal => watchUnlockKey({ store, clock, logger: this.#options.logger }, signal),
      meet: (addresses, signal) => this.#parts.finder.meet(addresses, signal),
      useNodeKeys: ({ keys, sealing }) => this.#options.onNodeKeys?.({ keys, isSealing: sealing }),
    })
  }

  async #takePart(): Promise<void> {
    const { raft } = this.#parts
    const { joinAddress, bootstrap, restore } = this.#options
    if (raft.isStarted) return
    if (joinAddress !== undefined) this.#group.run('join the cluster', signal => this.#join(joinAddress, signal))
    else if (restore !== undefined) await raft.restore(restore.records())
    else if (bootstrap !== undefined) await raft.bootstrap()
    else this.#error = 'this manager has no state, and neither a cluster to join nor one to found'
  }

  async #join(joinAddress: string, signal: AbortSignal): Promise<void> {
    const { clock, random, dialer, logger, advertiseAddress, contacts = [] } = this.#options
    const client = new MembershipClient({ dialer, clock, random })
    // The one it was told may go, even between taking this one in and saying so: another says the same.
    const managers = [...new Set([joinAddress, ...contacts])].filter(addr => addr !== advertiseAddress)
    for (let tries = 0; ; tries++) {
      const via = managers[tries % managers.length] ?? joinAddress
      try {
        await this.#parts.raft.start(await client.join(via, { addr: advertiseAddress, raftId: 0 }, signal))
        this.#error = ''
        return
      } catch (err) {
        signal.throwIfAborted()
        this.#error = messageOf(err)
        // `stopped` says why.
        if (this.#parts.raft.signal.aborted) return
        logger.warn('could not join the managers; trying again', { via, err })
      }
      await clock.sleep(RETRY_DELAY_MS, signal)
    }
  }

  async #followLeadership(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#followChanges(signal)
      } catch (error) {
        if (!hasCode(error, 'lagged')) throw error
        // What was missed may be another leadership of this manager: its work begins anew.
        await this.#stopLeading()
      }
    }
  }

  async #followChanges(signal: AbortSignal): Promise<void> {
    const { raft } = this.#parts
    for await (const { isLeader, leaderId, leaderAddr } of raft.onLeadership(signal)) {
      if (isLeader) {
        await this.#startLeading(signal)
        continue
      }
      // Calls go to the new leader before the old work is put away.
      this.#gate.set(leaderId === 0 || leaderId === raft.raftId || leaderAddr === '' ? undefined : { kind: 'other', address: leaderAddr })
      await this.#stopLeading()
    }
  }

  async #startLeading(signal: AbortSignal): Promise<void> {
    const { store, raft, membership } = this.#parts
    const { clock, random, logger, nodeId, clusterId, bootstrap, advertiseAddress, forceNewCluster, restore } = this.#options
    while (this.#work === undefined && raft.isLeader) {
      const work = new LeaderWork({
        store, clock, random, logger, nodeId, localAddress: hostOf(advertiseAddress), managers: () => this.#peers(),
        membership: { isMember: id => this.#isMember(id), remove: id => membership.remove(id) },
      })
      try {
        if (bootstrap !== undefined) await bootstrapCluster(store, random, { clusterId, nodeId, bootstrap })
        if (restore !== undefined) await adoptRestoredState(store, { ...restore, nodeId, nowMs: clock.nowMs() })
        if (forceNewCluster === true && !this.#isForced) await demoteOtherManagers(store, nodeId)
        this.#isForced = true
        await work.start()
        this.#work = work
        this.#gate.set({ kind: 'self', work })
        logger.info('leads the cluster', { term: raft.leadership.term })
      } catch (err) {
        await work[Symbol.asyncDispose]()
        signal.throwIfAborted()
        logger.warn('could not begin to lead', { err })
        await clock.sleep(RETRY_DELAY_MS, signal)
      }
    }
  }

  async #stopLeading(): Promise<void> {
    const work = this.#work
    this.#work = undefined
    if (work === undefined) return
    this.#options.logger.info('leads no more')
    await work[Symbol.asyncDispose]()
  }

  async #reviewManagers(signal: AbortSignal): Promise<void> {
    for (let told = ''; ; await this.#options.clock.sleep(MANAGERS_REVIEW_MS, signal)) {
      const peers = JSON.stringify(this.#peers())
      if (peers !== told) this.#work?.dispatcher.managersChanged()
      told = peers
    }
  }

  #peers(): readonly WeightedPeer[] {
    return this.#parts.raft.membersWhereTheyAre.map(({ nodeId, addr }) => ({ nodeId, addr, weight: PEER_WEIGHT }))
  }

  #leaderlessReason(): string {
    const { raft, store } = this.#parts
    return leaderlessReason({ members: raft.membersWhereTheyAre, selfId: raft.raftId, silentMs: raftId => raft.silentMs(raftId), silenceMaxMs: raft.silenceMaxMs, hostnameOf: nodeId => store.view().get('node', nodeId)?.description?.hostname })
  }

  #isMember(nodeId: string): boolean {
    return this.#parts.raft.table.members.some(member => member.nodeId === nodeId)
  }

  #managerStatus(nodeId: string): ManagerStatus | undefined {
    const member = this.#parts.membership.members().find(candidate => candidate.nodeId === nodeId)
    if (member === undefined) return undefined
    const { isLeader, isReachable, addr, raftId } = member
    return { leader: isLeader, reachability: isReachable === undefined ? 'unknown' : isReachable ? 'reachable' : 'unreachable', addr, raftId }
  }
}

/** What the cluster's settings say; undefined before there are any. */
function tickCountsOf(cluster: Cluster | undefined): TickCounts | undefined {
  const raft = cluster?.spec?.raft
  return raft === undefined ? undefined : { electionTicks: raft.electionTick, heartbeatTicks: raft.heartbeatTick }
}

function compactionOf(cluster: Cluster | undefined): CompactionSettings {
  const raft = cluster?.spec?.raft
  return { entries: raft?.snapshotInterval, kept: raft?.logEntriesForSlowFollowers }
}

/** The host of "host:port", without the brackets of an IPv6 address. */
function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
