import { join } from 'node:path'
import { RAFT_MEMBERSHIP_RPC } from '../api/codec/methods.ts'
import type { Logger } from '../base/logger.ts'
import { createInsecureDialer } from '../platform/rpc/grpc-dialer.ts'
import { LockKeeper } from './lock-keeper.ts'
import type { ManagerOrders } from './manager-config.ts'
import { ManagerProcess } from './manager-process.ts'
import type { NodeCertificates } from './node-certificates.ts'
import type { NodeLock } from './node-lock.ts'
import type { SwarmNodeParts } from './swarm-node-parts.ts'
import type { SwarmState } from './swarm-state.ts'
import { unlockByManager } from './unlock-by-manager.ts'

const LEAVE_TIMEOUT_MS = 2000

/** What a manager process is told beside its keys. */
export type StartOrders = Pick<ManagerOrders, 'bootstrap' | 'restore' | 'forceNewCluster'>

/** This host's manager with what looks after its secrets. */
export interface OwnManager { readonly process: ManagerProcess; readonly keeper: LockKeeper }

/** Where a host's manager has its files, and what opens them. */
export interface ManagerPlace { readonly stateFolder: string; readonly certificateFolder: string; readonly lock: NodeLock }

/** Makes this host's manager processes: one at a time, all in the same folders. */
export class OwnManagers {
  readonly #parts: SwarmNodeParts
  readonly #place: ManagerPlace
  #orders: StartOrders = {}

  constructor(parts: SwarmNodeParts, place: ManagerPlace) {
    this.#parts = parts
    this.#place = place
  }

  /** Every process that is started while `work` goes on is told `orders`: again, if it ends meanwhile. */
  async withOrders<T>(orders: StartOrders, work: () => Promise<T>): Promise<T> {
    this.#orders = orders
    try {
      return await work()
    } finally {
      this.#orders = {}
    }
  }

  /** Starts the process, or adopts one that an earlier daemon left. */
  start(state: SwarmState, certificates: NodeCertificates, joinAddress?: string): OwnManager {
    const { clock, logger } = this.#parts
    const process = this.create(state, joinAddress)
    process.start()
    const keeper = new LockKeeper({ lock: this.#place.lock, client: process.client, certificates, clock, logger })
    keeper.start()
    return { process, keeper }
  }

  /** Not started yet. */
  create(state: SwarmState, through?: string): ManagerProcess {
    const contacts = state.managers.filter(peer => peer.nodeId !== state.nodeId).map(({ addr }) => addr)
    const joinAddress = through ?? contacts[0]
    const { clock, random, logger, execFolder, logLevel, raftTickMs } = this.#parts
    const { stateFolder, certificateFolder } = this.#place
    return new ManagerProcess({
      nodeId: state.nodeId, clusterId: state.clusterId, listenAddress: state.listenAddress, advertiseAddress: state.advertiseAddress, socketPath: join(execFolder, 'manager.sock'),
      certificateFolder, stateFolder, logLevel, contacts, ...(raftTickMs === undefined ? {} : { raftTickMs }), ...(joinAddress === undefined ? {} : { joinAddress }),
    }, { clock, random, logger, dialer: createInsecureDialer(), execFolder, orders: () => this.#allOrders() })
  }

  /** Opens the lock by a manager that a crashed daemon left running: the cluster goes on, and that manager knows the unlock key. One that does not tell is stopped. */
  async unlockByRunning(state: SwarmState): Promise<boolean> {
    const manager = this.create(state)
    if (await unlockByManager(this.#place.lock, manager, this.#parts)) {
      await manager[Symbol.asyncDispose]()
      return true
    }
    await manager.stop()
    return false
  }

  #allOrders(): ManagerOrders {
    const { keys, isSealing } = this.#place.lock.ring.state
    return { ...this.#orders, ring: { keys: keys.map(({ id, key }) => ({ id, key: Buffer.from(key).toString('base64') })), isSealing } }
  }
}

/** Tells the other managers that this one goes, if it can. */
export async function leaveRaft({ client }: ManagerProcess, nodeId: string, logger: Logger): Promise<void> {
  try {
    // The last member takes the cluster with it: there is nobody to tell.
    const { members } = await client.unary(RAFT_MEMBERSHIP_RPC.members, {}, { timeoutMs: LEAVE_TIMEOUT_MS })
    if (members.length > 1) await client.unary(RAFT_MEMBERSHIP_RPC.leave, { nodeId }, { timeoutMs: LEAVE_TIMEOUT_MS })
  } catch (err) {
    logger.warn('the other managers could not be told that this one leaves; remove it there with docker node rm --force', { err })
  }
}
