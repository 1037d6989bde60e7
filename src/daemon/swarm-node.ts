import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ManagerStatusResponse } from '../api/swarm/control.ts'
import { RAFT_MEMBERSHIP_RPC } from '../api/codec/methods.ts'
import type { Node } from '../api/swarm/objects.ts'
import { nodeCertExpiryMs } from '../api/swarm/defaults.ts'
import type { ClusterSpec, NodeAvailability, NodeRole } from '../api/swarm/specs.ts'
import type { Clock } from '../base/clock.ts'
import { ShoalError, messageOf } from '../base/errors.ts'
import { createId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { RpcClient, RpcDialer } from '../base/rpc.ts'
import { TaskGroup } from '../base/task-group.ts'
import { fetchRootCa, requestCertificate } from '../ca/ca-client.ts'
import { createCertificateRequest } from '../ca/certificate-request.ts'
import { createJoinToken, parseJoinToken } from '../ca/join-token.ts'
import { signNodeCertificate } from '../ca/node-certificate.ts'
import { createRootCa } from '../ca/root-ca.ts'
import { CertificateFiles } from '../platform/certificates/certificate-files.ts'
import { swarmStateError } from '../http/convert/swarm-state-error.ts'
import { fixedCredentials, type CredentialsSource } from '../platform/rpc/credentials-source.ts'
import { GrpcDialer, createInsecureDialer } from '../platform/rpc/grpc-dialer.ts'
import { localAddressTowards, chooseAddress, ownAddress, resolveAddress, resolveRemote } from './host-address.ts'
import { ManagerProcess } from './manager-process.ts'
import { NodeCertificates, completeCredentials, type NodeCredentials } from './node-certificates.ts'
import { StateFile } from './state-file.ts'
import { isSwarmState, type SwarmState } from './swarm-state.ts'

const JOIN_TIMEOUT_MS = 20_000
const LEAVE_TIMEOUT_MS = 2000
const ROLE_RETRY_MS = 500
/** How long a request waits for a manager that died and is started again. */
const MANAGER_RESTART_MS = 5000
const MANAGER_POLL_MS = 50

/** This host's agent while it belongs to a cluster. */
export interface NodeAgent extends AsyncDisposable {
  start(): Promise<void>
  /** Resolves when a manager has accepted this node's session. */
  untilReady(signal: AbortSignal): Promise<void>
  /** Stops and removes every task's container. */
  removeTasks(): Promise<void>
}
export interface NodeAgentOptions {
  readonly state: SwarmState
  readonly dialer: RpcDialer
  /** PEM of the roots, for the node's description. */
  readonly rootPem: () => string
  readonly onNode: (node: Node) => void
  readonly onManagers: (managers: readonly { readonly nodeId: string; readonly addr: string }[]) => void
  readonly onRootCa: (rootPem: string) => void
}

export interface SwarmNodeParts {
  readonly dataFolder: string
  readonly execFolder: string
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly createAgent: (options: NodeAgentOptions) => Promise<NodeAgent>
}

export interface InitRequest {
  readonly listenAddress: string
  readonly advertiseAddress: string
  readonly dataPathAddress: string
  readonly dataPathPort: number
  readonly addressPool: readonly string[]
  readonly subnetSize: number
  readonly availability: NodeAvailability
  readonly forceNewCluster: boolean
  readonly spec: ClusterSpec
}
export interface JoinRequest {
  readonly remoteAddresses: readonly string[]
  readonly token: string
  readonly listenAddress: string
  readonly advertiseAddress: string
  readonly dataPathAddress: string
  readonly availability: NodeAvailability
}

export type MembershipState = 'inactive' | 'pending' | 'active' | 'error'
interface Membership { state: SwarmState; readonly certificates: NodeCertificates; readonly agent: NodeAgent; manager: ManagerProcess | undefined }

/** This host's membership in a cluster: init, join, leave, roles, certificates; all of it survives restarts. */
export class SwarmNode implements AsyncDisposable {
  readonly #parts: SwarmNodeParts
  readonly #stateFile: StateFile<SwarmState>
  readonly #certificateFiles: CertificateFiles
  readonly #group: TaskGroup
  #membership: Membership | undefined
  #isChanging = false
  #error = ''

  constructor(parts: SwarmNodeParts) {
    this.#parts = parts
    this.#stateFile = new StateFile(join(this.#folder, 'state.json'))
    this.#certificateFiles = new CertificateFiles(this.#certificateFolder)
    this.#group = new TaskGroup(parts.logger)
  }

  get #folder(): string { return join(this.#parts.dataFolder, 'swarm') }
  get #certificateFolder(): string { return join(this.#folder, 'certificates') }

  /** What this host remembers of its cluster; undefined outside one. */
  get state(): SwarmState | undefined { return this.#membership?.state }
  get localState(): MembershipState {
    if (this.#membership !== undefined) return 'active'
    return this.#isChanging ? 'pending' : this.#error !== '' ? 'error' : 'inactive'
  }
  get error(): string { return this.#error }
  /** PEM of the cluster's root certificate. */
  get rootPem(): string { return this.#membership?.certificates.rootPem ?? '' }

  /** The manager of this host as it says it is; undefined when there is none or it does not answer. */
  async managerStatus(): Promise<ManagerStatusResponse | undefined> { return this.#membership?.manager?.status() }

  /** A connection to this host's manager. @throws ShoalError `swarm-…` (unavailable) with Docker's texts (B03) */
  manager(): RpcClient {
    const membership = this.#membership
    if (membership === undefined) throw swarmStateError('inactive')
    if (membership.manager === undefined) throw swarmStateError('worker')
    return membership.manager.client
  }

  /** Waits until this host's manager answers, at most a few seconds. */
  async untilManagerAnswers(): Promise<void> {
    const endMs = this.#parts.clock.monotonicMs() + MANAGER_RESTART_MS
    while (this.#parts.clock.monotonicMs() < endMs && (await this.managerStatus()) === undefined) await this.#parts.clock.sleep(MANAGER_POLL_MS)
  }

  /** Takes up the membership of before a restart. A broken state is reported by `localState` and does not stop the engine. */
  async restore(): Promise<void> {
    try {
      const state = this.#stateFile.read()
      if (state === undefined) return
      if (!isSwarmState(state)) throw new ShoalError('internal', 'state-file-damaged', `${this.#stateFile.path} does not tell which cluster this host belongs to; restore it from a backup, or leave the cluster with 'docker swarm leave --force' and join it again`)
      await this.#enter(state, completeCredentials(await this.#certificateFiles.load(), this.#certificateFolder), undefined)
    } catch (err) {
      this.#error = messageOf(err)
      this.#parts.logger.error('this host\'s membership in its cluster could not be taken up again', { err })
    }
  }

  /** Starts a cluster with this host as its first manager. @returns the node id */
  async init(request: InitRequest): Promise<string> {
    return this.#change(async () => {
      if (request.forceNewCluster) throw new ShoalError('not-implemented', 'force-new-cluster', 'force-new-cluster is not supported yet; restore a manager\'s state folder instead')
      const { clock, random } = this.#parts
      const listenAddress = resolveAddress(request.listenAddress || '0.0.0.0:2377')
      const advertiseAddress = request.advertiseAddress === '' ? defaultAdvertise(listenAddress) : resolveAddress(request.advertiseAddress, portOf(listenAddress))
      const root = createRootCa({ nowMs: clock.nowMs(), random })
      const [nodeId, clusterId] = [createId(random), createId(random)]
      const { csrPem, keyPem } = createCertificateRequest()
      const certPem = signNodeCertificate({ root, csrPem, identity: { nodeId, role: 'manager', clusterId }, nowMs: clock.nowMs(), validityMs: nodeCertExpiryMs(request.spec), random })
      const state: SwarmState = {
        nodeId, clusterId, role: 'manager', listenAddress, advertiseAddress, dataAddress: request.dataPathAddress === '' ? hostOf(advertiseAddress) : hostOf(resolveAddress(request.dataPathAddress)), availability: request.availability,
        managers: [{ nodeId, addr: advertiseAddress }],
        bootstrap: {
          rootCertPem: root.certPem, rootKeyPem: root.keyPem, workerToken: createJoinToken(root.certPem, random), managerToken: createJoinToken(root.certPem, random),
          addressPool: request.addressPool, subnetSize: request.subnetSize, dataPathPort: request.dataPathPort, spec: request.spec, availability: request.availability,
        },
      }
      await this.#enter(state, { certPem, keyPem, rootCertPem: root.certPem }, undefined)
      await this.#untilJoined()
      const { bootstrap: _done, ...rest } = state
      this.#remember(rest)
      return nodeId
    })
  }

  /** Joins the cluster that one of the remote managers belongs to. */
  async join(request: JoinRequest): Promise<void> {
    await this.#change(async () => {
      parseJoinToken(request.token)
      const remote = request.remoteAddresses[0]
      if (remote === undefined) throw new ShoalError('invalid-argument', 'bad-address', 'at least 1 RemoteAddr is required to join')
      const address = await resolveRemote(remote)
      const listenAddress = resolveAddress(request.listenAddress || '0.0.0.0:2377')
      const advertiseAddress = request.advertiseAddress === '' ? `${await localAddressTowards(address)}:${portOf(listenAddress)}` : resolveAddress(request.advertiseAddress, portOf(listenAddress))
      const { clock } = this.#parts
      const rootPem = await this.#fetchRoot(address, request.token)
      const issued = await requestCertificate({ dialer: new GrpcDialer({ credentials: fixedCredentials({ rootCertsPem: rootPem }) }), address, rootCertPem: rootPem, nowMs: clock.nowMs(), token: request.token, availability: request.availability })
      const { nodeId, clusterId, role } = issued.identity
      const state: SwarmState = {
        nodeId, clusterId, role, listenAddress, advertiseAddress,
        dataAddress: request.dataPathAddress === '' ? hostOf(advertiseAddress) : hostOf(resolveAddress(request.dataPathAddress)), availability: request.availability, managers: [{ nodeId: '', addr: address }],
      }
      await this.#enter(state, { certPem: issued.certPem, keyPem: issued.keyPem, rootCertPem: rootPem }, address)
      await this.#untilJoined()
    })
  }

  /** Leaves the cluster: stops every task here and forgets everything. */
  async leave(options: { readonly force: boolean }): Promise<void> {
    const membership = this.#membership
    if (membership === undefined) {
      if (this.#error === '') throw swarmStateError('not-member')
      this.#forget()
      return
    }
    if (membership.manager !== undefined && !options.force) throw unavailable('manager-leave-refused', await this.#leaveWarning(membership.manager))
    await this.#change(async () => {
      if (membership.manager !== undefined) await this.#leaveRaft(membership.manager, membership.state.nodeId)
      await membership.agent.removeTasks()
      await membership.agent[Symbol.asyncDispose]()
      await membership.certificates[Symbol.asyncDispose]()
      await membership.manager?.stop()
      this.#membership = undefined
      this.#forget()
    }, { inside: true })
  }

  /** Leaves everything running as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group[Symbol.asyncDispose]()
    await this.#membership?.agent[Symbol.asyncDispose]()
    await this.#membership?.certificates[Symbol.asyncDispose]()
    await this.#membership?.manager?.[Symbol.asyncDispose]()
  }

  async #change<T>(work: () => Promise<T>, options: { readonly inside?: boolean } = {}): Promise<T> {
    if (this.#isChanging) throw unavailable('membership-changing', 'This node is joining or leaving a swarm right now. Wait until that is done and try again.')
    if (this.#membership !== undefined && options.inside !== true) throw swarmStateError('member')
    this.#isChanging = true
    try {
      return await work()
    } finally {
      this.#isChanging = false
    }
  }

  /** Writes everything down, starts the manager (if this is one) and the agent. Undone if the manager does not come up. */
  async #enter(state: SwarmState, credentials: NodeCredentials, joinAddress: string | undefined): Promise<void> {
    this.#error = ''
    const { clock, random, logger } = this.#parts
    const certificates = new NodeCertificates({
      files: this.#certificateFiles, clock, random, logger, createDialer: source => memberDialer(state, source),
      managers: () => (this.#membership?.state ?? state).managers.map(({ addr }) => addr),
    }, credentials)
    await certificates.save()
    this.#stateFile.write(state)
    const manager = state.role === 'manager' ? this.#createManager(state, joinAddress) : undefined
    manager?.start()
    const agent = await this.#parts.createAgent({
      state, dialer: memberDialer(state, certificates.source), rootPem: () => certificates.rootPem,
      onNode: node => { this.#onNode(node) },
      onManagers: managers => { if (this.#membership !== undefined && managers.length > 0) this.#remember({ ...this.#membership.state, managers }) },
      onRootCa: rootPem => { certificates.trust(rootPem) },
    })
    this.#membership = { state, certificates, agent, manager }
    await agent.start()
    certificates.start()
  }

  /** Waits for manager and session. A failing first start is undone, so that the user can try again. */
  async #untilJoined(): Promise<void> {
    const membership = this.#membership
    if (membership === undefined) return
    try {
      await membership.manager?.untilReady()
    } catch (error) {
      await membership.agent[Symbol.asyncDispose]()
      await membership.certificates[Symbol.asyncDispose]()
      await membership.manager?.stop()
      this.#membership = undefined
      this.#forget()
      throw error
    }
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

  /** The manager may be starting, so this tries for a while; within the time that clients grant a join. */
  async #fetchRoot(address: string, token: string): Promise<string> {
    const { clock } = this.#parts
    const timeout = new AbortController()
    const timer = clock.after(JOIN_TIMEOUT_MS, () => timeout.abort(unavailable('manager-unreachable', 'it does not answer')))
    try {
      return await fetchRootCa({ dialer: createInsecureDialer(), address, token, clock, signal: timeout.signal })
    } catch (cause) {
      if (!(cause instanceof ShoalError) || cause.kind !== 'unavailable') throw cause
      throw new ShoalError('unavailable', 'manager-unreachable', `cannot reach a manager at ${address}: check the address, that a manager runs there, and that port ${portOf(address)}/tcp is open (${cause.message})`, { cause })
    } finally {
      timer.cancel()
    }
  }

  #createManager(state: SwarmState, joinAddress: string | undefined): ManagerProcess {
    const { clock, random, logger, execFolder, logLevel } = this.#parts
    return new ManagerProcess({
      nodeId: state.nodeId, clusterId: state.clusterId, listenAddress: state.listenAddress, advertiseAddress: state.advertiseAddress, socketPath: join(execFolder, 'manager.sock'),
      certificateFolder: this.#certificateFolder, stateFolder: join(this.#folder, 'manager'), logLevel, ...(state.bootstrap === undefined ? {} : { bootstrap: state.bootstrap }),
      ...(joinAddress === undefined ? {} : { joinAddress }),
    }, { clock, random, logger, dialer: createInsecureDialer(), execFolder })
  }

  #remember(state: SwarmState): void {
    if (this.#membership === undefined || JSON.stringify(state) === JSON.stringify(this.#membership.state)) return
    this.#membership.state = state
    this.#stateFile.write(state)
  }

  #forget(): void {
    this.#error = ''
    rmSync(this.#folder, { recursive: true, force: true })
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
    this.#remember({ ...membership.state, role })
    if (role === 'manager') {
      const through = membership.state.managers.find(peer => peer.nodeId !== membership.state.nodeId)
      membership.manager = this.#createManager(membership.state, through?.addr)
      membership.manager.start()
    } else {
      const manager = membership.manager
      membership.manager = undefined
      await manager?.stop()
      rmSync(join(this.#folder, 'manager'), { recursive: true, force: true })
    }
    this.#parts.logger.info('this host changed its role', { role })
  }

  async #leaveWarning(manager: ManagerProcess): Promise<string> {
    const start = 'You are attempting to leave the swarm on a node that is participating as a manager. '
    const status = await manager.status()
    if (status === undefined || !status.hasLeader) return `${start}The manager of this node has no leader. Use \`--force\` to suppress this message.`
    const { members } = await manager.client.unary(RAFT_MEMBERSHIP_RPC.members, {})
    if (members.length <= 1) return `${start}Removing the last manager erases all current state of the swarm. Use \`--force\` to ignore this message. `
    const left = members.length - 1
    if (left < Math.floor(members.length / 2) + 1) return `${start}Removing this node leaves ${left} managers out of ${members.length}. Without a Raft quorum your swarm will be inaccessible. The only way to restore a swarm that has lost consensus is to reinitialize it with \`--force-new-cluster\`. Use \`--force\` to suppress this message. `
    return `${start}The only way to restore a swarm that has lost consensus is to reinitialize it with \`--force-new-cluster\`. Demote this node first with docker node demote, or use \`--force\` to suppress this message. `
  }

  async #leaveRaft(manager: ManagerProcess, nodeId: string): Promise<void> {
    try {
      // The last member takes the cluster with it: there is nobody to tell.
      const { members } = await manager.client.unary(RAFT_MEMBERSHIP_RPC.members, {}, { timeoutMs: LEAVE_TIMEOUT_MS })
      if (members.length > 1) await manager.client.unary(RAFT_MEMBERSHIP_RPC.leave, { nodeId }, { timeoutMs: LEAVE_TIMEOUT_MS })
    } catch (err) {
      this.#parts.logger.warn('the other managers could not be told that this one leaves; remove it there with docker node rm --force', { err })
    }
  }
}

function memberDialer(state: SwarmState, credentials: CredentialsSource): RpcDialer {
  const dialer = new GrpcDialer({ credentials })
  return { dial: address => dialer.dial(address === state.advertiseAddress ? ownAddress(state) : address) }
}

function hostOf(address: string): string { return address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '') }
function portOf(address: string): number { return Number(address.slice(address.lastIndexOf(':') + 1)) }
function defaultAdvertise(listenAddress: string): string {
  return /^0\.0\.0\.0:/.test(listenAddress) ? `${chooseAddress()}:${portOf(listenAddress)}` : listenAddress
}
function unavailable(code: string, message: string): ShoalError { return new ShoalError('unavailable', code, message) }
