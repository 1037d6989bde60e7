import type { ContactAnswer, ManagerStatusResponse } from '../api/swarm/control.ts'
import type { StateSummary } from '../api/swarm/state-summary.ts'
import { ShoalError, messageOf } from '../base/errors.ts'
import type { RpcClient } from '../base/rpc.ts'
import type { AnnounceRequest, RestoreRequest } from '../http/routes/swarm-recovery.ts'
import { swarmStateError } from '../http/convert/swarm-state-error.ts'
import { createInsecureDialer } from '../platform/rpc/grpc-dialer.ts'
import { portOf } from './address-parts.ts'
import { followAddress, withAdvertise } from './follow-address.ts'
import type { InitRequest } from './found-cluster.ts'
import { resolveAddress, resolveRemote } from './host-address.ts'
import { joinCluster, type JoinRequest } from './join-cluster.ts'
import { leaveRefusal } from './leave-refusal.ts'
import { Founding } from './membership/founding.ts'
import { OwnMembership } from './membership/own-membership.ts'
import { RoleChanges } from './membership/role-changes.ts'
import { Whereabouts } from './membership/whereabouts.ts'
import { completeCredentials } from './node-certificates.ts'
import { leaveRaft } from './own-manager.ts'
import type { SwarmNodeParts } from './swarm-node-parts.ts'
import { isSwarmState, type SwarmState } from './swarm-state.ts'

/** How long a request waits for a manager that died and is started again. */
const MANAGER_RESTART_MS = 5000
const MANAGER_POLL_MS = 50

export type MembershipState = 'inactive' | 'pending' | 'active' | 'error' | 'locked'

/** This host's membership in a cluster: init, join, leave, roles, certificates; all of it survives restarts. */
export class SwarmNode implements AsyncDisposable {
  readonly #parts: SwarmNodeParts
  readonly #own: OwnMembership
  readonly #founding: Founding
  readonly #roles: RoleChanges
  readonly #whereabouts: Whereabouts

  constructor(parts: SwarmNodeParts) {
    this.#parts = parts
    this.#own = new OwnMembership(parts, node => { this.#roles.follow(node.role) })
    this.#founding = new Founding(this.#own)
    this.#roles = new RoleChanges(this.#own)
    this.#whereabouts = new Whereabouts(this.#own)
  }

  /** What this host remembers of its cluster; undefined outside one. */
  get state(): SwarmState | undefined { return this.#own.current?.state }
  get localState(): MembershipState {
    if (this.#own.current !== undefined) return 'active'
    if (this.#own.locked !== undefined) return 'locked'
    return this.#own.isChanging ? 'pending' : this.#own.failure !== '' ? 'error' : 'inactive'
  }
  get error(): string {
    if (this.#own.locked !== undefined) return swarmStateError('locked').message
    return this.#own.failure || this.#own.current?.manager?.process.failure || (this.#own.current?.agent.refusal ?? '')
  }
  /** Where others reach this host, also while it is locked. */
  get advertiseAddress(): string { return (this.state ?? this.#own.locked)?.advertiseAddress ?? '' }
  /** PEM of the cluster's root certificate. */
  get rootPem(): string { return this.#own.current?.certificates.rootPem ?? '' }

  /** The manager of this host as it says it is; undefined when there is none or it does not answer. */
  async managerStatus(): Promise<ManagerStatusResponse | undefined> { return this.#own.current?.manager?.process.status() }

  /** A connection to this host's manager. @throws ShoalError `swarm-…` (unavailable) with Docker's texts (B03) */
  manager(): RpcClient {
    const membership = this.#own.current
    if (membership === undefined) throw swarmStateError(this.#own.locked === undefined ? 'inactive' : 'locked')
    if (membership.manager === undefined) throw swarmStateError('worker')
    return membership.manager.process.client
  }

  /** This host's manager with what it is a part of; undefined where there is none, or it is locked. */
  get ownManager(): { readonly client: RpcClient; readonly clusterId: string; readonly nodeId: string } | undefined {
    const membership = this.#own.current
    return membership?.manager === undefined ? undefined : { client: membership.manager.process.client, clusterId: membership.state.clusterId, nodeId: membership.state.nodeId }
  }

  /** Waits until this host's manager answers, at most a few seconds, and not for one that has said why it cannot. */
  async untilManagerAnswers(): Promise<void> {
    await this.#untilManager(status => status !== undefined || this.error !== '')
  }

  /** Takes up the membership of before a restart. A broken state is reported by `localState` and does not stop the engine. */
  async restore(): Promise<void> {
    const { stateFile, lock, managers } = this.#own
    try {
      const state = stateFile.read()
      if (state === undefined) return
      if (!isSwarmState(state)) throw new ShoalError('internal', 'state-file-damaged', `${stateFile.path} does not tell which cluster this host belongs to; restore it from a backup, or leave the cluster with 'docker swarm leave --force' and join it again`)
      if (state.isFounding === true) return await this.#founding.undo(state)
      lock.load()
      if (!lock.isLocked || await managers.unlockByRunning(state)) return await this.#resume(state)
      this.#own.locked = state
      this.#parts.logger.warn('the secrets of this manager are sealed: it takes part again after docker swarm unlock')
    } catch (err) {
      this.#own.failure = messageOf(err)
      this.#parts.logger.error('this host\'s membership in its cluster could not be taken up again', { err })
    }
  }

  /**
   * Opens the secrets of a locked manager and lets it take part again. Waits a while for it to find a leader, but does not need one.
   * @throws ShoalError `not-locked` (conflict), `invalid-unlock-key` (invalid-argument), `wrong-unlock-key` (unauthenticated), `swarm-…` (unavailable)
   */
  async unlock(unlockKey: string): Promise<void> {
    const own = this.#own
    if (own.current?.manager !== undefined) throw new ShoalError('conflict', 'not-locked', 'swarm is not locked')
    if (own.current !== undefined) throw swarmStateError('worker')
    await own.change(async () => {
      const state = own.locked
      if (state === undefined) throw swarmStateError('inactive')
      own.lock.unlock(unlockKey)
      await this.#resume(state)
      own.locked = undefined
      await this.#untilManager(status => status?.hasLeader === true)
    }, { inside: true })
  }

  /** Starts a cluster with this host as its first manager, or goes on with its own without the other managers. @returns the node id */
  async init(request: InitRequest): Promise<string> {
    if (request.forceNewCluster && this.localState !== 'inactive') return this.#founding.forceNew(request)
    return this.#founding.init(request)
  }

  /** Starts the cluster of a backup anew, with this host as its only manager: same authority, tokens and objects. */
  async restoreCluster(request: RestoreRequest): Promise<{ readonly nodeId: string; readonly summary: StateSummary }> {
    return this.#founding.restore(request)
  }

  /**
   * Joins the cluster that one of the remote managers belongs to. A worker that has lost all managers of its own cluster, and is told where one is now,
   * goes there as the node it is, with its tasks.
   */
  async join(request: JoinRequest): Promise<void> {
    if (this.#whereabouts.canRejoin(request.token)) return this.#whereabouts.rejoin(request)
    const own = this.#own
    await own.change(async () => {
      const { state, credentials, unlockKey, through } = await joinCluster(request, this.#parts.clock)
      own.lock.begin(unlockKey)
      await own.enter(state, credentials, through)
      await own.untilManagerLeads()
      await own.untilJoined()
    })
  }

  /** Takes up another address of this host: its manager starts again and tells the others. Tasks go on. */
  async moveTo(state: SwarmState): Promise<void> { await this.#whereabouts.moveTo(state) }

  /** Whether this host's manager knows no leader, or this worker has no session. */
  async isCutOff(): Promise<boolean> { return this.#whereabouts.isCutOff() }

  /** Looks for managers of this host's cluster at these addresses too, from now on. */
  async meetManagers(addresses: readonly string[]): Promise<readonly ContactAnswer[]> { return this.#whereabouts.meetManagers(addresses) }

  /** Says where this host is now, if `advertiseAddress` is given, and looks for managers that moved at the remote addresses. @returns what came of each */
  async announce({ advertiseAddress, remoteAddresses }: AnnounceRequest): Promise<readonly ContactAnswer[]> {
    const state = this.state
    if (state === undefined) throw swarmStateError(this.#own.locked === undefined ? 'not-member' : 'locked')
    const addresses = await Promise.all(remoteAddresses.map(resolveRemote))
    if (advertiseAddress !== '') {
      await this.moveTo(withAdvertise(state, resolveAddress(advertiseAddress, portOf(state.advertiseAddress))))
      await this.untilManagerAnswers()
    }
    return this.meetManagers(addresses)
  }

  /** Leaves the cluster: stops every task here and forgets everything. */
  async leave(options: { readonly force: boolean }): Promise<void> {
    const own = this.#own
    const membership = own.current
    if (membership === undefined) {
      if (own.locked !== undefined) return this.#leaveLocked(own.locked, options)
      if (own.failure === '') throw swarmStateError('not-member')
      return own.forget()
    }
    // A host that is being demoted may wait for managers that are no more.
    await this.#roles.holdWhile(async () => {
      if (membership.manager !== undefined && !options.force) throw await leaveRefusal(membership.manager.process)
      await own.change(async () => {
        if (membership.manager !== undefined) await leaveRaft(membership.manager.process, membership.state.nodeId, this.#parts.logger)
        await membership.agent.removeTasks()
        await own.end()
      }, { inside: true })
    })
  }

  /** Leaves everything running as it is, but for a manager with autolock: who stops the daemon has to unlock it, as with Docker's. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#roles[Symbol.asyncDispose]()
    const membership = this.#own.current
    if (membership === undefined) return
    await membership.agent[Symbol.asyncDispose]()
    await membership.manager?.keeper[Symbol.asyncDispose]()
    await membership.certificates[Symbol.asyncDispose]()
    if (this.#own.lock.isSealing) await membership.manager?.process.stop()
    else await membership.manager?.process[Symbol.asyncDispose]()
  }

  async #resume(before: SwarmState): Promise<void> {
    const { managers, certificateFiles, certificateFolder } = this.#own
    const state = followAddress(before)
    // One that outlived the daemon speaks from the address of before.
    if (state.advertiseAddress !== before.advertiseAddress) await managers.create(before).stop()
    await this.#own.enter(state, completeCredentials(await certificateFiles.load(), certificateFolder))
  }

  async #untilManager(isSo: (status: ManagerStatusResponse | undefined) => boolean): Promise<void> {
    const { clock } = this.#parts
    const endMs = clock.monotonicMs() + MANAGER_RESTART_MS
    while (clock.monotonicMs() < endMs && !isSo(await this.managerStatus())) await clock.sleep(MANAGER_POLL_MS)
  }

  /** Its containers are removed by what the agent remembers; the other managers can not be told without the certificate. */
  async #leaveLocked(state: SwarmState, { force }: { readonly force: boolean }): Promise<void> {
    if (!force) throw new ShoalError('unavailable', 'locked-leave-refused', 'Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.')
    await this.#own.change(async () => {
      const agent = await this.#parts.createAgent({ state: { ...state, managers: [] }, dialer: createInsecureDialer(), dataAddress: () => state.dataAddress, rootPem: () => '', onNode: () => {}, onManagers: () => {}, onRootCa: () => {} })
      try {
        await agent.start()
        await agent.removeTasks()
      } finally {
        await agent[Symbol.asyncDispose]()
      }
      this.#own.locked = undefined
      this.#own.forget()
    }, { inside: true })
  }
}
