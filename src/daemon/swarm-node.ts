import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ContactAnswer, ManagerStatusResponse } from '../api/swarm/control.ts'
import { MANAGER_ADMIN_RPC } from '../api/codec/methods.ts'
import type { Node } from '../api/swarm/objects.ts'
import type { StateSummary } from '../api/swarm/state-summary.ts'
import type { NodeRole } from '../api/swarm/specs.ts'
import { ShoalError, messageOf } from '../base/errors.ts'
import type { RpcClient } from '../base/rpc.ts'
import { TaskGroup } from '../base/task-group.ts'
import { parseJoinToken, verifyRootDigest } from '../ca/join-token.ts'
import { CertificateFiles } from '../platform/certificates/certificate-files.ts'
import type { AnnounceRequest, RestoreRequest } from '../http/routes/swarm-recovery.ts'
import { swarmStateError } from '../http/convert/swarm-state-error.ts'
import { createInsecureDialer } from '../platform/rpc/grpc-dialer.ts'
import { portOf } from './address-parts.ts'
import { followAddress, withAdvertise } from './follow-address.ts'
import { foundCluster, type InitRequest } from './found-cluster.ts'
import { resolveAddress, resolveRemote } from './host-address.ts'
import { fetchRoot, joinCluster, type JoinRequest } from './join-cluster.ts'
import { leaveRefusal } from './leave-refusal.ts'
import { isMarkedLeft, keepUnsureState, keepWithLeftState, putAwayLeftState } from './left-state.ts'
import { memberDialer } from './member-dialer.ts'
import { NodeCertificates, completeCredentials, type NodeCredentials } from './node-certificates.ts'
import { NodeLock } from './node-lock.ts'
import type { ManagerProcess } from './manager-process.ts'
import { leaveRaft, OwnManagers, type OwnManager, type StartOrders } from './own-manager.ts'
import { receiveBackup } from './recovery/receive-backup.ts'
import { StateFile } from './state-file.ts'
import type { NodeAgent, SwarmNodeParts } from './swarm-node-parts.ts'
import { isSwarmState, withContacts, type SwarmState } from './swarm-state.ts'

const JOIN_TIMEOUT_MS = 20_000
/** A host that is not there is known after three seconds. */
const MEET_TIMEOUT_MS = 10_000
const ROLE_RETRY_MS = 500
/** How long a request waits for a manager that died and is started again. */
const MANAGER_RESTART_MS = 5000
const MANAGER_POLL_MS = 50
/** Long enough for a manager whose way to the others was just mended: they try again every second. */
const SETTLE_TIMEOUT_MS = 10_000

export type MembershipState = 'inactive' | 'pending' | 'active' | 'error' | 'locked'
interface Membership { state: SwarmState; readonly certificates: NodeCertificates; readonly agent: NodeAgent; manager: OwnManager | undefined }

/** This host's membership in a cluster: init, join, leave, roles, certificates; all of it survives restarts. */
export class SwarmNode implements AsyncDisposable {
  readonly #parts: SwarmNodeParts
  readonly #stateFile: StateFile<SwarmState>
  readonly #certificateFiles: CertificateFiles
  readonly #group: TaskGroup
  readonly #lock: NodeLock
  readonly #managers: OwnManagers
  #membership: Membership | undefined
  /** What this host remembers of its cluster while it can not take part without the unlock key. */
  #locked: SwarmState | undefined
  #isChanging = false
  #error = ''

  constructor(parts: SwarmNodeParts) {
    this.#parts = parts
    this.#stateFile = new StateFile(join(this.#folder, 'state.json'))
    this.#lock = new NodeLock(join(this.#folder, 'lock.json'), parts.random)
    this.#certificateFiles = new CertificateFiles(this.#certificateFolder, this.#lock.ring)
    this.#managers = new OwnManagers(parts, { stateFolder: join(this.#folder, 'manager'), certificateFolder: this.#certificateFolder, lock: this.#lock })
    this.#group = new TaskGroup(parts.logger)
  }

  get #folder(): string { return join(this.#parts.dataFolder, 'swarm') }
  get #managerFolder(): string { return join(this.#folder, 'manager') }
  get #certificateFolder(): string { return join(this.#folder, 'certificates') }

  /** What this host remembers of its cluster; undefined outside one. */
  get state(): SwarmState | undefined { return this.#membership?.state }
  get localState(): MembershipState {
    if (this.#membership !== undefined) return 'active'
    if (this.#locked !== undefined) return 'locked'
    return this.#isChanging ? 'pending' : this.#error !== '' ? 'error' : 'inactive'
  }
  get error(): string {
    if (this.#locked !== undefined) return swarmStateError('locked').message
    return this.#error || this.#membership?.manager?.process.failure || (this.#membership?.agent.refusal ?? '')
  }
  /** Where others reach this host, also while it is locked. */
  get advertiseAddress(): string { return (this.#membership?.state ?? this.#locked)?.advertiseAddress ?? '' }
  /** PEM of the cluster's root certificate. */
  get rootPem(): string { return this.#membership?.certificates.rootPem ?? '' }

  /** The manager of this host as it says it is; undefined when there is none or it does not answer. */
  async managerStatus(): Promise<ManagerStatusResponse | undefined> { return this.#membership?.manager?.process.status() }

  /** A connection to this host's manager. @throws ShoalError `swarm-…` (unavailable) with Docker's texts (B03) */
  manager(): RpcClient {
    const membership = this.#membership
    if (membership === undefined) throw swarmStateError(this.#locked === undefined ? 'inactive' : 'locked')
    if (membership.manager === undefined) throw swarmStateError('worker')
    return membership.manager.process.client
  }

  /** This host's manager with what it is a part of; undefined where there is none, or it is locked. */
  get ownManager(): { readonly client: RpcClient; readonly clusterId: string; readonly nodeId: string } | undefined {
    const membership = this.#membership
    return membership?.manager === undefined ? undefined : { client: membership.manager.process.client, clusterId: membership.state.clusterId, nodeId: membership.state.nodeId }
  }

  /** Waits until this host's manager answers, at most a few seconds, and not for one that has said why it cannot. */
  async untilManagerAnswers(): Promise<void> {
    const endMs = this.#parts.clock.monotonicMs() + MANAGER_RESTART_MS
    while (this.#parts.clock.monotonicMs() < endMs && (await this.managerStatus()) === undefined && this.error === '') await this.#parts.clock.sleep(MANAGER_POLL_MS)
  }

  /** Takes up the membership of before a restart. A broken state is reported by `localState` and does not stop the engine. */
  async restore(): Promise<void> {
    try {
      const state = this.#stateFile.read()
      if (state === undefined) return
      if (!isSwarmState(state)) throw new ShoalError('internal', 'state-file-damaged', `${this.#stateFile.path} does not tell which cluster this host belongs to; restore it from a backup, or leave the cluster with 'docker swarm leave --force' and join it again`)
      if (state.isFounding === true) return await this.#undoFounding(state)
      this.#lock.load()
      if (!this.#lock.isLocked || await this.#managers.unlockByRunning(state)) return await this.#resume(state)
      this.#locked = state
      this.#parts.logger.warn('the secrets of this manager are sealed: it takes part again after docker swarm unlock')
    } catch (err) {
      this.#error = messageOf(err)
      this.#parts.logger.error('this host\'s membership in its cluster could not be taken up again', { err })
    }
  }

  /**
   * Opens the secrets of a locked manager and lets it take part again. Waits a while for it to find a leader, but does not need one.
   * @throws ShoalError `not-locked` (conflict), `invalid-unlock-key` (invalid-argument), `wrong-unlock-key` (unauthenticated), `swarm-…` (unavailable)
   */
  async unlock(unlockKey: string): Promise<void> {
    if (this.#membership?.manager !== undefined) throw new ShoalError('conflict', 'not-locked', 'swarm is not locked')
    if (this.#membership !== undefined) throw swarmStateError('worker')
    await this.#change(async () => {
      const state = this.#locked
      if (state === undefined) throw swarmStateError('inactive')
      this.#lock.unlock(unlockKey)
      await this.#resume(state)
      this.#locked = undefined
      await this.#untilLeaderKnown()
    }, { inside: true })
  }

  /** Starts a cluster with this host as its first manager. @returns the node id */
  async init(request: InitRequest): Promise<string> {
    if (request.forceNewCluster && this.localState !== 'inactive') return this.#forceNewCluster(request)
    return this.#change(async () => {
      const { state, credentials, bootstrap } = foundCluster(request, this.#parts)
      await this.#found(state, credentials, { bootstrap })
      return state.nodeId
    })
  }

  /** Starts the cluster of a backup anew, with this host as its only manager: same authority, tokens and objects. */
  async restoreCluster(request: RestoreRequest): Promise<{ readonly nodeId: string; readonly summary: StateSummary }> {
    return this.#change(async () => {
      const file = join(this.#folder, 'restore.backup')
      try {
        const { state, credentials, restore, unlockKey, summary } = await receiveBackup(request, file, this.#parts)
        await this.#found(state, credentials, { restore }, unlockKey)
        rmSync(file)
        return { nodeId: state.nodeId, summary }
      } catch (error) {
        if (this.#membership === undefined) this.#forget()
        throw error
      }
    })
  }

  /**
   * Joins the cluster that one of the remote managers belongs to. A worker that has lost all managers of its own cluster, and is told where one is now,
   * goes there as the node it is, with its tasks.
   */
  async join(request: JoinRequest): Promise<void> {
    if (this.#isCutOff(request.token)) return this.#findManagers(request)
    await this.#change(async () => {
      const { state, credentials, unlockKey, through } = await joinCluster(request, this.#parts.clock)
      this.#lock.begin(unlockKey)
      await this.#enter(state, credentials, through)
      await this.#untilManagerLeads()
      await this.#untilJoined()
    })
  }

  /** Takes up another address of this host: its manager starts again and tells the others. Tasks go on. */
  async moveTo(state: SwarmState): Promise<void> {
    const membership = this.#membership
    if (membership === undefined) throw swarmStateError('not-member')
    if (state.advertiseAddress === membership.state.advertiseAddress) return this.#remember(state)
    await this.#change(async () => {
      const { manager, agent, certificates } = membership
      await manager?.keeper[Symbol.asyncDispose]()
      await manager?.process.stop()
      this.#remember(state)
      if (manager !== undefined) membership.manager = this.#managers.start(membership.state, certificates)
      await agent.useManagers(membership.state.managers.map(({ addr }) => addr))
    }, { inside: true })
  }

  /** Whether this host's manager knows no leader, or this worker has no session. */
  async isCutOff(): Promise<boolean> {
    const membership = this.#membership
    if (membership === undefined) return false
    return membership.manager === undefined ? !membership.agent.isConnected : (await membership.manager.process.status())?.hasLeader === false
  }

  /** Says where this host is now, if `advertiseAddress` is given, and looks for managers that moved at the remote addresses. @returns what came of each */
  async announce({ advertiseAddress, remoteAddresses }: AnnounceRequest): Promise<readonly ContactAnswer[]> {
    const state = this.#membership?.state
    if (state === undefined) throw swarmStateError(this.#locked === undefined ? 'not-member' : 'locked')
    const addresses = await Promise.all(remoteAddresses.map(resolveRemote))
    if (advertiseAddress !== '') {
      await this.moveTo(withAdvertise(state, resolveAddress(advertiseAddress, portOf(state.advertiseAddress))))
      await this.untilManagerAnswers()
    }
    return this.meetManagers(addresses)
  }

  /** Looks for managers of this host's cluster at these addresses too, from now on: where the log or this worker's memory says there may be none any more. */
  async meetManagers(addresses: readonly string[]): Promise<readonly ContactAnswer[]> {
    const membership = this.#membership
    if (membership === undefined) throw swarmStateError('not-member')
    if (addresses.length === 0) return []
    const { manager, agent } = membership
    const answers = manager === undefined
      ? addresses.map(addr => ({ addr, nodeId: '', error: '' }))
      : (await manager.process.client.unary(MANAGER_ADMIN_RPC.meetManagers, { addrs: addresses }, { timeoutMs: MEET_TIMEOUT_MS })).answers
    this.#remember(withContacts(membership.state, answers))
    const found = answers.filter(({ error }) => error === '').map(({ addr }) => addr)
    if (!agent.isConnected && found.length > 0) await agent.useManagers(manager === undefined ? found : [membership.state.advertiseAddress, ...found])
    return answers
  }

  /** Leaves the cluster: stops every task here and forgets everything. */
  async leave(options: { readonly force: boolean }): Promise<void> {
    const membership = this.#membership
    if (membership === undefined) {
      if (this.#locked !== undefined) return this.#leaveLocked(this.#locked, options)
      if (this.#error === '') throw swarmStateError('not-member')
      this.#forget()
      return
    }
    if (membership.manager !== undefined && !options.force) throw await leaveRefusal(membership.manager.process)
    await this.#change(async () => {
      if (membership.manager !== undefined) await leaveRaft(membership.manager.process, membership.state.nodeId, this.#parts.logger)
      await membership.agent.removeTasks()
      await this.#endMembership(membership)
    }, { inside: true })
  }

  /** Leaves everything running as it is, but for a manager with autolock: who stops the daemon has to unlock it, as with Docker's. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group[Symbol.asyncDispose]()
    const membership = this.#membership
    if (membership === undefined) return
    await membership.agent[Symbol.asyncDispose]()
    await membership.manager?.keeper[Symbol.asyncDispose]()
    await membership.certificates[Symbol.asyncDispose]()
    if (this.#lock.isSealing) await membership.manager?.process.stop()
    else await membership.manager?.process[Symbol.asyncDispose]()
  }

  async #change<T>(work: () => Promise<T>, options: { readonly inside?: boolean } = {}): Promise<T> {
    if (this.#isChanging) throw unavailable('membership-changing', 'This node is joining or leaving a swarm right now. Wait until that is done and try again.')
    if ((this.#membership !== undefined || this.#locked !== undefined) && options.inside !== true) throw swarmStateError('member')
    this.#isChanging = true
    try {
      return await work()
    } finally {
      this.#isChanging = false
    }
  }

  /** This host's manager begins a cluster as `orders` say. */
  async #found(state: SwarmState, credentials: NodeCredentials, orders: Pick<StartOrders, 'bootstrap' | 'restore'>, unlockKey = orders.bootstrap?.unlockKey ?? ''): Promise<void> {
    this.#lock.begin(unlockKey)
    await this.#managers.withOrders(orders, async () => {
      await this.#enter(state, credentials, undefined)
      await this.#untilManagerLeads()
    })
    const { isFounding: _done, ...rest } = this.#membership?.state ?? state
    this.#remember(rest)
    await this.#untilJoined()
  }

  /** A worker without a session, and the token is of its own cluster: in any other case it has to leave first, as in Docker. */
  #isCutOff(token: string): boolean {
    const membership = this.#membership
    if (membership === undefined || membership.state.role !== 'worker' || membership.agent.isConnected) return false
    try {
      verifyRootDigest(membership.certificates.rootPem, parseJoinToken(token))
      return true
    } catch (error) {
      if (error instanceof ShoalError) return false
      throw error
    }
  }

  async #findManagers({ remoteAddresses, token }: JoinRequest): Promise<void> {
    await this.#change(async () => {
      const addresses = await Promise.all(remoteAddresses.map(resolveRemote))
      const [address] = addresses
      const membership = this.#membership
      if (membership === undefined || address === undefined) throw new ShoalError('invalid-argument', 'bad-address', 'at least 1 RemoteAddr is required to join')
      await fetchRoot(address, token, this.#parts.clock)
      this.#remember({ ...membership.state, managers: addresses.map(addr => ({ nodeId: '', addr })) })
      await membership.agent.useManagers(addresses)
      await this.#untilJoined()
    }, { inside: true })
  }

  /** Writes everything down, starts the manager (if this is one) and the agent. Undone if the manager does not come up. */
  async #enter(state: SwarmState, credentials: NodeCredentials, joinAddress: string | undefined): Promise<void> {
    this.#error = ''
    const { clock, random, logger } = this.#parts
    const certificates = new NodeCertificates({
      files: this.#certificateFiles, clock, random, logger, createDialer: source => memberDialer(() => this.#membership?.state ?? state, source),
      managers: () => (this.#membership?.state ?? state).managers.map(({ addr }) => addr),
      // Once there is a manager here, its keeper follows the unlock key.
      onUnlockKey: unlockKey => { if (unlockKey !== '' && this.#membership?.manager === undefined && !this.#lock.isSealing) this.#lock.change(unlockKey) },
    }, credentials)
    await certificates.save()
    this.#stateFile.write(state)
    const manager = state.role === 'manager' ? this.#managers.start(state, certificates, joinAddress) : undefined
    const agent = await this.#parts.createAgent({
      state, dialer: memberDialer(() => this.#membership?.state ?? state, certificates.source), rootPem: () => certificates.rootPem,
      dataAddress: () => (this.#membership?.state ?? state).dataAddress, onNode: node => { this.#onNode(node) },
      onManagers: managers => { if (this.#membership !== undefined && managers.length > 0) this.#remember({ ...this.#membership.state, managers }) },
      onRootCa: rootPem => { certificates.trust(rootPem) },
    })
    this.#membership = { state, certificates, agent, manager }
    await agent.start()
    certificates.start()
  }

  /** A failing first start is undone, so that the user can try again. */
  async #untilManagerLeads(): Promise<void> {
    const membership = this.#membership
    try {
      await membership?.manager?.process.untilReady()
    } catch (error) {
      if (membership !== undefined) await this.#endMembership(membership)
      throw error
    }
  }

  /** Waits for the session. */
  async #untilJoined(): Promise<void> {
    const membership = this.#membership
    if (membership === undefined) return
    const timeout = new AbortController()
    const timer = this.#parts.clock.after(JOIN_TIMEOUT_MS, () => {
      timeout.abort(swarmStateError('pending'))
    })
    try {
      await membership.agent.untilReady(timeout.signal)
    } finally {
      timer.cancel()
    }
  }

  async #resume(before: SwarmState): Promise<void> {
    const state = followAddress(before)
    // One that outlived the daemon speaks from the address of before.
    if (state.advertiseAddress !== before.advertiseAddress) await this.#managers.create(before).stop()
    await this.#enter(state, completeCredentials(await this.#certificateFiles.load(), this.#certificateFolder), undefined)
  }

  /** Init had not answered yet when the daemon ended: there is no cluster that anybody knows of. */
  async #undoFounding(state: SwarmState): Promise<void> {
    this.#parts.logger.warn('starting a cluster was interrupted before it was there: undone')
    await this.#managers.create(state).stop()
    this.#forget()
  }

  /** Makes this manager the only one, with all it knows. @returns the node id */
  async #forceNewCluster(request: InitRequest): Promise<string> {
    if (this.#locked !== undefined) throw swarmStateError('locked')
    const membership = this.#membership
    if (membership === undefined) throw swarmStateError('starting')
    const { manager: old, certificates } = membership
    if (old === undefined) throw swarmStateError('worker')
    return this.#change(async () => {
      const { state } = membership
      const listenAddress = request.listenAddress === '' ? state.listenAddress : resolveAddress(request.listenAddress)
      const advertiseAddress = request.advertiseAddress === '' ? state.advertiseAddress : resolveAddress(request.advertiseAddress, portOf(listenAddress))
      await old.keeper[Symbol.asyncDispose]()
      await old.process.stop()
      this.#remember({ ...state, listenAddress, advertiseAddress, managers: [{ nodeId: state.nodeId, addr: advertiseAddress }] })
      // Should the process end before it leads, it does it again: nobody can have joined it by then.
      await this.#managers.withOrders({ forceNewCluster: true }, async () => {
        membership.manager = this.#managers.start(membership.state, certificates)
        await membership.manager.process.untilReady()
      })
      this.#parts.logger.warn('this manager is now the only one of its cluster: the others are workers as soon as they hear of it', { clusterId: state.clusterId })
      return state.nodeId
    }, { inside: true })
  }

  async #untilLeaderKnown(): Promise<void> {
    const endMs = this.#parts.clock.monotonicMs() + MANAGER_RESTART_MS
    while (this.#parts.clock.monotonicMs() < endMs && (await this.managerStatus())?.hasLeader !== true) await this.#parts.clock.sleep(MANAGER_POLL_MS)
  }

  /** Its containers are removed by what the agent remembers; the other managers can not be told without the certificate. */
  async #leaveLocked(state: SwarmState, { force }: { readonly force: boolean }): Promise<void> {
    if (!force) throw unavailable('locked-leave-refused', 'Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.')
    await this.#change(async () => {
      const agent = await this.#parts.createAgent({ state: { ...state, managers: [] }, dialer: createInsecureDialer(), dataAddress: () => state.dataAddress, rootPem: () => '', onNode: () => {}, onManagers: () => {}, onRootCa: () => {} })
      try {
        await agent.start()
        await agent.removeTasks()
      } finally {
        await agent[Symbol.asyncDispose]()
      }
      this.#locked = undefined
      this.#forget()
    }, { inside: true })
  }

  /** Ends everything and forgets the cluster. */
  async #endMembership(membership: Membership): Promise<void> {
    await membership.agent[Symbol.asyncDispose]()
    await membership.manager?.keeper[Symbol.asyncDispose]()
    await membership.certificates[Symbol.asyncDispose]()
    await membership.manager?.process.stop()
    this.#membership = undefined
    this.#forget()
  }

  #remember(state: SwarmState): void {
    if (this.#membership === undefined || JSON.stringify(state) === JSON.stringify(this.#membership.state)) return
    this.#membership.state = state
    this.#stateFile.write(state)
  }

  #forget(): void {
    this.#error = ''
    rmSync(this.#folder, { recursive: true, force: true })
    this.#lock.load()
  }

  /** The manager's view of this node changed: perhaps its role. */
  #onNode(node: Node): void {
    const membership = this.#membership
    if (membership === undefined || node.role === membership.state.role || this.#isChanging) return
    this.#isChanging = true
    this.#group.run('change the role', async signal => {
      try {
        await this.#changeRole(node.role, signal)
      } finally {
        this.#isChanging = false
      }
    })
  }

  async #changeRole(role: NodeRole, signal: AbortSignal): Promise<void> {
    for (;;) {
      const membership = this.#membership
      if (membership === undefined) return
      await membership.certificates.renew(signal)
      if (membership.certificates.identity().role === role) break
      await this.#parts.clock.sleep(ROLE_RETRY_MS, signal)
    }
    const membership = this.#membership
    if (membership === undefined) return
    if (role === 'manager') {
      this.#remember({ ...membership.state, role })
      membership.manager = this.#managers.start(membership.state, membership.certificates)
    } else {
      const manager = membership.manager
      membership.manager = undefined
      await manager?.keeper[Symbol.asyncDispose]()
      const isSettled = manager === undefined || await this.#untilSettled(manager.process)
      await manager?.process.stop()
      if (!isSettled && !isMarkedLeft(this.#managerFolder)) keepUnsureState(this.#managerFolder)
      putAwayLeftState(this.#managerFolder, { always: true })
      await this.#stopSealing(membership.certificates)
      this.#remember({ ...membership.state, role })
    }
    this.#parts.logger.info('this host changed its role', { role })
  }

  /**
   * Waits until the manager of a host that is a worker now has been told by the others why: removed, or left behind by a forced new cluster. Only the latter's
   * state is worth keeping, and it must not be taken for the former's. @returns false when it was not told in time
   */
  async #untilSettled(manager: ManagerProcess): Promise<boolean> {
    const endMs = this.#parts.clock.monotonicMs() + SETTLE_TIMEOUT_MS
    while (!isMarkedLeft(this.#managerFolder)) {
      // One that was told ends, puts its state away, and begins again with none.
      if ((await manager.status())?.raftId === 0) return true
      if (this.#parts.clock.monotonicMs() > endMs) return false
      await this.#parts.clock.sleep(MANAGER_POLL_MS)
    }
    return true
  }

  /** A worker is never locked. */
  async #stopSealing(certificates: NodeCertificates): Promise<void> {
    if (!this.#lock.isSealing && !this.#lock.isUnsettled) return
    keepWithLeftState(this.#managerFolder, join(this.#folder, 'lock.json'))
    this.#lock.change('')
    await certificates.save()
    this.#lock.settle()
  }
}

function unavailable(code: string, message: string): ShoalError { return new ShoalError('unavailable', code, message) }
