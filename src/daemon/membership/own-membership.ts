import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Node } from '../../api/swarm/objects.ts'
import { ShoalError } from '../../base/errors.ts'
import { swarmStateError } from '../../http/convert/swarm-state-error.ts'
import { CertificateFiles } from '../../platform/certificates/certificate-files.ts'
import { memberDialer } from '../member-dialer.ts'
import { NodeCertificates, type NodeCredentials } from '../node-certificates.ts'
import { NodeLock } from '../node-lock.ts'
import { OwnManagers, type OwnManager } from '../own-manager.ts'
import { StateFile } from '../state-file.ts'
import type { NodeAgent, SwarmNodeParts } from '../swarm-node-parts.ts'
import type { SwarmState } from '../swarm-state.ts'

const JOIN_TIMEOUT_MS = 20_000

/** This host while it is part of a cluster. */
export interface Membership { readonly state: SwarmState; readonly certificates: NodeCertificates; readonly agent: NodeAgent; manager: OwnManager | undefined }

/** What this host has of a cluster, on disk and running: entered and ended as a whole, changed by one at a time. */
export class OwnMembership {
  readonly parts: SwarmNodeParts
  readonly folder: string
  readonly managerFolder: string
  readonly certificateFolder: string
  readonly certificateFiles: CertificateFiles
  readonly stateFile: StateFile<SwarmState>
  readonly lock: NodeLock
  readonly managers: OwnManagers
  /** What this host remembers of its cluster while it can not take part without the unlock key. */
  locked: SwarmState | undefined
  /** Why it could not be taken up again after a restart; empty while that is not so. */
  failure = ''
  readonly #onNode: (node: Node) => void
  #current: Omit<Membership, 'state'> & { state: SwarmState } | undefined
  #isChanging = false

  /** @param onNode told what the managers have written down of this node, at each change */
  constructor(parts: SwarmNodeParts, onNode: (node: Node) => void) {
    this.parts = parts
    this.folder = join(parts.dataFolder, 'swarm')
    this.managerFolder = join(this.folder, 'manager')
    this.certificateFolder = join(this.folder, 'certificates')
    this.stateFile = new StateFile(join(this.folder, 'state.json'))
    this.lock = new NodeLock(join(this.folder, 'lock.json'), parts.random)
    this.certificateFiles = new CertificateFiles(this.certificateFolder, this.lock.ring)
    this.managers = new OwnManagers(parts, { stateFolder: this.managerFolder, certificateFolder: this.certificateFolder, lock: this.lock })
    this.#onNode = onNode
  }

  get current(): Membership | undefined { return this.#current }
  get isChanging(): boolean { return this.#isChanging }

  /**
   * Runs `work` alone. @param options.inside whether it is for a host that is part of a cluster
   * @throws ShoalError `membership-changing` (unavailable), `swarm-member` where work is for a host outside any
   */
  async change<T>(work: () => Promise<T>, options: { readonly inside?: boolean } = {}): Promise<T> {
    if (this.#isChanging) throw new ShoalError('unavailable', 'membership-changing', 'This node is joining or leaving a swarm right now. Wait until that is done and try again.')
    if ((this.#current !== undefined || this.locked !== undefined) && options.inside !== true) throw swarmStateError('member')
    this.#isChanging = true
    try {
      return await work()
    } finally {
      this.#isChanging = false
    }
  }

  /** Writes everything down, starts the manager (if this is one) and the agent. What fails leaves nothing running; what was written down stays. */
  async enter(state: SwarmState, credentials: NodeCredentials, joinAddress?: string): Promise<void> {
    this.failure = ''
    const { clock, random, logger } = this.parts
    const stateOfNow = (): SwarmState => this.#current?.state ?? state
    const certificates = new NodeCertificates({
      files: this.certificateFiles, clock, random, logger, createDialer: source => memberDialer(stateOfNow, source),
      managers: () => stateOfNow().managers.map(({ addr }) => addr),
      // Once there is a manager here, its keeper follows the unlock key.
      onUnlockKey: unlockKey => { if (unlockKey !== '' && this.#current?.manager === undefined && !this.lock.isSealing) this.lock.change(unlockKey) },
    }, credentials)
    await certificates.save()
    this.stateFile.write(state)
    const manager = state.role === 'manager' ? this.managers.start(state, certificates, joinAddress) : undefined
    let agent: NodeAgent | undefined
    try {
      agent = await this.parts.createAgent({
        state, dialer: memberDialer(stateOfNow, certificates.source), rootPem: () => certificates.rootPem,
        dataAddress: () => stateOfNow().dataAddress, onNode: node => { this.#onNode(node) },
        onManagers: managers => { if (this.#current !== undefined && managers.length > 0) this.remember({ ...this.#current.state, managers }) },
        onRootCa: rootPem => { certificates.trust(rootPem) },
      })
      this.#current = { state, certificates, agent, manager }
      await agent.start()
    } catch (error) {
      this.#current = undefined
      await stopAll({ agent, certificates, manager })
      throw error
    }
    certificates.start()
  }

  /** A failing first start is undone, so that the user can try again. */
  async untilManagerLeads(): Promise<void> {
    try {
      await this.#current?.manager?.process.untilReady()
    } catch (error) {
      await this.end()
      throw error
    }
  }

  /** Waits for the session. @throws ShoalError `swarm-pending` (unavailable); it is tried on */
  async untilJoined(): Promise<void> {
    if (this.#current === undefined) return
    const timeout = new AbortController()
    const timer = this.parts.clock.after(JOIN_TIMEOUT_MS, () => timeout.abort(swarmStateError('pending')))
    try {
      await this.#current.agent.untilReady(timeout.signal)
    } finally {
      timer.cancel()
    }
  }

  /** Ends everything and forgets the cluster. */
  async end(): Promise<void> {
    if (this.#current !== undefined) await stopAll(this.#current)
    this.#current = undefined
    this.forget()
  }

  /** Durable when it returns; what can not be written is not taken up either. */
  remember(state: SwarmState): void {
    if (this.#current === undefined || JSON.stringify(state) === JSON.stringify(this.#current.state)) return
    this.stateFile.write(state)
    this.#current.state = state
  }

  /** Of a cluster that this host is no part of (any more). */
  forget(): void {
    this.failure = ''
    rmSync(this.folder, { recursive: true, force: true })
    this.lock.load()
  }
}

/** Ends what looks after a manager, then its process. */
export async function stopManager({ keeper, process }: OwnManager): Promise<void> {
  await keeper[Symbol.asyncDispose]()
  await process.stop()
}

async function stopAll({ agent, certificates, manager }: Pick<Membership, 'certificates' | 'manager'> & { readonly agent: NodeAgent | undefined }): Promise<void> {
  await agent?.[Symbol.asyncDispose]()
  await manager?.keeper[Symbol.asyncDispose]()
  await certificates[Symbol.asyncDispose]()
  await manager?.process.stop()
}
