import type { WeightedPeer } from '../src/api/swarm/dispatcher.ts'
import type { Clock } from '../src/base/clock.ts'
import { createId } from '../src/base/ids.ts'
import type { Logger } from '../src/base/logger.ts'
import type { Random } from '../src/base/random.ts'
import { Allocator } from './allocator/allocator.ts'
import { Dispatcher } from './dispatcher/dispatcher.ts'
import { TaskOrphaner } from './dispatcher/orphan-tasks.ts'
import { LogBroker } from './logs/log-broker.ts'
import { ReconcileLoop } from './loop.ts'
import { ConstraintEnforcer } from './orchestrator/constraint-enforcer.ts'
import { ServiceReconciler } from './orchestrator/service-reconciler.ts'
import { TaskReaper } from './orchestrator/task-reaper.ts'
import { RoleManager, type RoleMembership } from './role-manager.ts'
import { Scheduler } from './scheduler/scheduler.ts'
import type { ObjectStore } from './store/object-store.ts'

/** What the leader's loops and services work with. */
export interface LeaderComponents {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly nodeId: string
  /** Host part of this manager's address. */
  readonly localAddress: string
  readonly managers: () => readonly WeightedPeer[]
  readonly membership: RoleMembership
}

/** All that only the leader does, for one leadership (F09). */
export class LeaderWork implements AsyncDisposable {
  readonly dispatcher: Dispatcher
  readonly logBroker: LogBroker
  readonly #loops: readonly ReconcileLoop[]
  readonly #scheduler: Scheduler
  readonly #roleManager: RoleManager

  constructor(components: LeaderComponents) {
    const { store, clock, random, logger, nodeId } = components
    const reconcilers = [new ServiceReconciler({ createId: () => createId(random) }), new Allocator(), new TaskReaper(), new ConstraintEnforcer(), new TaskOrphaner()]
    this.#loops = reconcilers.map(reconciler => new ReconcileLoop({ store, reconciler, clock, logger }))
    this.#scheduler = new Scheduler({ store, clock, logger })
    this.#roleManager = new RoleManager({ store, clock, logger, membership: components.membership })
    this.dispatcher = new Dispatcher({ store, clock, random, logger, managerId: nodeId, localAddress: components.localAddress, managers: components.managers })
    this.logBroker = new LogBroker({ store, clock, random, logger })
  }

  async start(): Promise<void> {
    await this.dispatcher.start()
    this.logBroker.start()
    for (const loop of this.#loops) loop.start()
    this.#scheduler.start()
    this.#roleManager.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const parts: readonly AsyncDisposable[] = [this.dispatcher, this.logBroker, this.#roleManager, this.#scheduler, ...this.#loops]
    await Promise.all(parts.map(part => part[Symbol.asyncDispose]()))
  }
}
