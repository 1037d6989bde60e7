import { DISPATCHER_RPC } from '../../../src/api/codec/methods.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { createId } from '../../../src/base/ids.ts'
import { unaryHandler, type RpcContext, type RpcServer } from '../../../src/base/rpc.ts'
import { CrashDisk } from '../../../src/platform/storage/crash-disk.ts'
import { MemoryLogger } from '../../../src/platform/log/memory-logger.ts'
import { Allocator } from '../../../manager/allocator/allocator.ts'
import { Dispatcher, type DispatcherComponents } from '../../../manager/dispatcher/dispatcher.ts'
import { TaskOrphaner } from '../../../manager/dispatcher/orphan-tasks.ts'
import { ReconcileLoop } from '../../../manager/loop.ts'
import { ConstraintEnforcer } from '../../../manager/orchestrator/constraint-enforcer.ts'
import { ServiceReconciler } from '../../../manager/orchestrator/service-reconciler.ts'
import { TaskReaper } from '../../../manager/orchestrator/task-reaper.ts'
import { Membership } from '../../../manager/raft/membership.ts'
import { MembershipClient } from '../../../manager/raft/membership-client.ts'
import { RaftNode } from '../../../manager/raft/raft-node.ts'
import { registerRaftService } from '../../../manager/raft/raft-service.ts'
import type { StateMachine } from '../../../manager/raft/state-machine.ts'
import { Scheduler } from '../../../manager/scheduler/scheduler.ts'
import type { Proposer } from '../../../manager/store/proposer.ts'
import type { Reconciler } from '../../../manager/store/reconciler.ts'
import { ReplicatedStore } from '../../../manager/store/replicated-store.ts'
import type { ClusterInvariants } from './cluster-invariants.ts'
import { ProcessClock } from './sim-clock.ts'
import { SimProcess, type SimWorld } from './sim-process.ts'

const PORT = 2377
/** Small, so that a run of minutes has snapshots and compactions. */
const COMPACTION_ENTRIES = 120
const KEPT_ENTRIES = 20
const JOIN_RETRY_MS = 1000

/** Where a planted bug gets hold of a manager. Each default leaves things as they are. */
export interface ManagerSeams {
  disk(disk: CrashDisk): void
  machine(machine: StateMachine, nodeId: string): StateMachine
  proposer(raft: RaftNode): Proposer
  reconciler(reconciler: Reconciler): Reconciler
  dispatcher(components: DispatcherComponents): Dispatcher
}

export const RIGHT_MANAGER_SEAMS: ManagerSeams = {
  disk: () => {}, machine: machine => machine, proposer: raft => raft, reconciler: reconciler => reconciler, dispatcher: components => new Dispatcher(components),
}

export interface SimManagerOptions {
  readonly world: SimWorld
  readonly nodeId: string
  /** Address of a manager to join through; absent for the first one. */
  readonly via: string | undefined
  readonly invariants: ClusterInvariants
  readonly seams: ManagerSeams
}

interface Running { readonly process: SimProcess; readonly store: ReplicatedStore; readonly raft: RaftNode }

/** A host with a manager: the real raft driver, store, control loops and dispatcher on a simulated disk and network. */
export class SimManager {
  readonly nodeId: string
  readonly disk: CrashDisk
  readonly logger = new MemoryLogger()
  readonly #options: SimManagerOptions
  #process: SimProcess | undefined
  #running: Running | undefined

  constructor(options: SimManagerOptions) {
    this.nodeId = options.nodeId
    this.#options = options
    this.disk = new CrashDisk(new ProcessClock(options.world.clock), options.world.random)
    options.seams.disk(this.disk)
  }

  get addr(): string { return `${this.nodeId}:${PORT}` }
  get isUp(): boolean { return this.#process !== undefined }
  get store(): ReplicatedStore | undefined { return this.#running?.store }
  get raft(): RaftNode | undefined { return this.#running?.raft }
  get isLeader(): boolean { return this.#running?.raft.isLeader === true }

  /** Begins to run; the rest happens as time goes. */
  start(): void {
    if (this.#process !== undefined) return
    const { world } = this.#options
    const process = new SimProcess(world, this.nodeId, { nodeId: this.nodeId, role: 'manager', clusterId: world.clusterId })
    this.#process = process
    void this.#guard(process, () => this.#run(process))
  }

  async crash(): Promise<void> {
    const process = this.#process
    this.#process = undefined
    this.#running = undefined
    this.disk.crash()
    await process?.kill()
  }

  /** What ends a manager's life ends its process, as in the product. */
  async #guard(process: SimProcess, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.logger.error('the manager ends', { err: error })
      if (this.#process === process) await this.crash()
    }
  }

  async #run(process: SimProcess): Promise<void> {
    const { world, invariants, seams, via } = this.#options
    const store = await ReplicatedStore.open(this.disk.openKv())
    const { clock, random, dialer } = process
    const logger = this.logger
    const raft = await RaftNode.open({
      clusterId: world.clusterId, nodeId: this.nodeId, addr: this.addr, log: this.disk.openLog(), machine: this.#observed(seams.machine(store, this.nodeId)), dialer, clock, random, logger,
      compactionEntries: COMPACTION_ENTRIES, keptEntries: KEPT_ENTRIES,
    })
    if (process.isDead) return
    store.attach(seams.proposer(raft))
    const membership = new Membership({ raft, dialer, clock, random, logger })
    const server = process.createServer()
    const dispatcher = { current: undefined as Dispatcher | undefined }
    registerRaftService(server, raft, membership)
    registerDispatcher(server, () => dispatcher.current)
    await server.listen(this.addr)
    this.#running = { process, store, raft }
    void this.#guard(process, () => this.#join(process, raft, via))
    for await (const leadership of raft.onLeadership(new AbortController().signal)) {
      if (process.isDead) return
      invariants.leads(raft.raftId, leadership)
      const isServing = dispatcher.current !== undefined
      if (leadership.isLeader && !isServing) void this.#guard(process, () => this.#lead({ process, store, raft }, dispatcher))
    }
  }

  async #join(process: SimProcess, raft: RaftNode, via: string | undefined): Promise<void> {
    if (raft.isStarted) return
    if (via === undefined) return raft.bootstrap()
    const client = new MembershipClient(process)
    while (!process.isDead) {
      try {
        return await raft.start(await client.join(via, { addr: this.addr, raftId: 0 }))
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error
      }
      await process.clock.sleep(JOIN_RETRY_MS)
    }
  }

  /** Runs what only a leader runs, until it leads no more. */
  async #lead({ process, store, raft }: Running, slot: { current: Dispatcher | undefined }): Promise<void> {
    const { seams } = this.#options
    const { clock, random } = process
    const logger = this.logger
    const reconcilers: Reconciler[] = [new ServiceReconciler({ createId: () => createId(random) }), new TaskReaper(), new ConstraintEnforcer(), new Allocator(), new TaskOrphaner()]
    const loops = reconcilers.map(each => new ReconcileLoop({ store, reconciler: seams.reconciler(each), clock, logger }))
    const scheduler = new Scheduler({ store, clock, logger })
    const dispatcher = seams.dispatcher({ store, clock, random, logger, managerId: this.nodeId, localAddress: this.nodeId, managers: () => [] })
    slot.current = dispatcher
    for (const loop of loops) loop.start()
    scheduler.start()
    try {
      await dispatcher.start()
    } catch (error) {
      // Leadership was lost at once: the end below is due then.
      if (!(error instanceof ShoalError)) throw error
    }
    for await (const { isLeader } of raft.onLeadership(new AbortController().signal)) if (!isLeader) break
    if (process.isDead) return
    await dispatcher[Symbol.asyncDispose]()
    await scheduler[Symbol.asyncDispose]()
    for (const loop of loops) await loop[Symbol.asyncDispose]()
    slot.current = undefined
    if (raft.isLeader) await this.#lead({ process, store, raft }, slot)
  }

  #observed(machine: StateMachine): StateMachine {
    const { invariants } = this.#options
    const { nodeId } = this
    const store = (): ReplicatedStore | undefined => this.#running?.store
    return {
      get appliedIndex() { return machine.appliedIndex },
      applyCommitted: (index, proposal) => {
        if (index > machine.appliedIndex) invariants.applies(nodeId, index, proposal)
        machine.applyCommitted(index, proposal)
        const view = store()?.view()
        if (view !== undefined && proposal?.actions.some(({ object }) => object?.task !== undefined) === true) invariants.checkSlots(view)
      },
      snapshot: members => machine.snapshot(members),
      stage: records => machine.stage(records),
      install: (staged, note) => machine.install(staged, note),
      note: () => machine.note(),
      flush: () => machine.flush(),
    }
  }
}

/** Only a leader has a dispatcher; others say so, and agents go on to the next manager. */
function registerDispatcher(server: RpcServer, current: () => Dispatcher | undefined): void {
  const leading = (): Dispatcher => {
    const dispatcher = current()
    if (dispatcher === undefined) throw new ShoalError('unavailable', 'not-leader', 'this manager does not lead')
    return dispatcher
  }
  const first = async <T>(requests: AsyncIterable<T>): Promise<T> => {
    for await (const request of requests) return request
    throw new ShoalError('invalid-argument', 'no-request', 'the call has no request')
  }
  server.handle(DISPATCHER_RPC.heartbeat, unaryHandler((request, context) => leading().heartbeat(request, context)))
  server.handle(DISPATCHER_RPC.updateTaskStatus, unaryHandler((request, context) => leading().updateTaskStatus(request, context)))
  server.handle(DISPATCHER_RPC.session, async function* (requests, context: RpcContext) { yield* leading().session(await first(requests), context) })
  server.handle(DISPATCHER_RPC.assignments, async function* (requests, context: RpcContext) { yield* leading().assignments(await first(requests), context) })
}
