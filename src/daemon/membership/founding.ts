import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { StateSummary } from '../../api/swarm/state-summary.ts'
import { swarmStateError } from '../../http/convert/swarm-state-error.ts'
import type { RestoreRequest } from '../../http/routes/swarm-recovery.ts'
import { portOf } from '../address-parts.ts'
import { foundCluster, type InitRequest } from '../found-cluster.ts'
import { resolveAddress } from '../host-address.ts'
import type { NodeCredentials } from '../node-certificates.ts'
import type { StartOrders } from '../own-manager.ts'
import { receiveBackup } from '../recovery/receive-backup.ts'
import type { SwarmState } from '../swarm-state.ts'
import { stopManager, type OwnMembership } from './own-membership.ts'

/** Makes this host the first, or the only, manager of a cluster: a new one, that of a backup, or its own without the others. */
export class Founding {
  readonly #own: OwnMembership

  constructor(own: OwnMembership) { this.#own = own }

  /** Starts a cluster with this host as its first manager. @returns the node id */
  async init(request: InitRequest): Promise<string> {
    return this.#own.change(async () => {
      const { state, credentials, bootstrap } = foundCluster(request, this.#own.parts)
      await this.#found(state, credentials, { bootstrap }, bootstrap.unlockKey)
      return state.nodeId
    })
  }

  /** Starts the cluster of a backup anew, with this host as its only manager: same authority, tokens and objects. */
  async restore(request: RestoreRequest): Promise<{ readonly nodeId: string; readonly summary: StateSummary }> {
    return this.#own.change(async () => {
      const file = join(this.#own.folder, 'restore.backup')
      try {
        const { state, credentials, restore, unlockKey, summary } = await receiveBackup(request, file, this.#own.parts)
        await this.#found(state, credentials, { restore }, unlockKey)
        rmSync(file)
        return { nodeId: state.nodeId, summary }
      } catch (error) {
        if (this.#own.current === undefined) this.#own.forget()
        throw error
      }
    })
  }

  /** Makes this manager the only one of its cluster, with all it knows. @returns the node id */
  async forceNew(request: InitRequest): Promise<string> {
    const own = this.#own
    if (own.locked !== undefined) throw swarmStateError('locked')
    const membership = own.current
    if (membership === undefined) throw swarmStateError('starting')
    const { manager: old, certificates } = membership
    if (old === undefined) throw swarmStateError('worker')
    return own.change(async () => {
      const { state } = membership
      const listenAddress = request.listenAddress === '' ? state.listenAddress : resolveAddress(request.listenAddress)
      const advertiseAddress = request.advertiseAddress === '' ? state.advertiseAddress : resolveAddress(request.advertiseAddress, portOf(listenAddress))
      own.remember({ ...state, listenAddress, advertiseAddress, managers: [{ nodeId: state.nodeId, addr: advertiseAddress }] })
      await stopManager(old)
      // Should the process end before it leads, it does it again: nobody can have joined it by then.
      await own.managers.withOrders({ forceNewCluster: true }, async () => {
        membership.manager = own.managers.start(membership.state, certificates)
        await membership.manager.process.untilReady()
      })
      own.parts.logger.warn('this manager is now the only one of its cluster: the others are workers as soon as they hear of it', { clusterId: state.clusterId })
      return state.nodeId
    }, { inside: true })
  }

  /** Init had not answered yet when the daemon ended: there is no cluster that anybody knows of. */
  async undo(state: SwarmState): Promise<void> {
    this.#own.parts.logger.warn('starting a cluster was interrupted before it was there: undone')
    await this.#own.managers.create(state).stop()
    this.#own.forget()
  }

  /** This host's manager begins a cluster as `orders` say. */
  async #found(state: SwarmState, credentials: NodeCredentials, orders: Pick<StartOrders, 'bootstrap' | 'restore'>, unlockKey: string): Promise<void> {
    const own = this.#own
    own.lock.begin(unlockKey)
    await own.managers.withOrders(orders, async () => {
      await own.enter(state, credentials)
      await own.untilManagerLeads()
    })
    const { isFounding: _done, ...rest } = own.current?.state ?? state
    own.remember(rest)
    await own.untilJoined()
  }
}
