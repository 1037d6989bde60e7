import { make } from '../../../src/api/codec/codec.ts'
import type { Node } from '../../../src/api/swarm/objects.ts'
import { hasStopped, stateOf } from '../../../src/api/swarm/task-state.ts'
import { messageOf } from '../../../src/base/errors.ts'
import { randomInt, type Random } from '../../../src/base/random.ts'
import { SeededRandom } from '../../../src/platform/clock/seeded-random.ts'
import { FaultyNetwork } from '../../../src/platform/rpc/faulty-network.ts'
import { MemoryNetwork } from '../../../src/platform/rpc/memory-rpc.ts'
import type { CrashDisk } from '../../../src/platform/storage/crash-disk.ts'
import type { ManagerBootstrap } from '../../../manager/bootstrap-cluster.ts'
import { RaftLogStore } from '../../../manager/raft/raft-log-store.ts'
import type { StoreView } from '../../../manager/store/object-store.ts'
import type { ReplicatedStore } from '../../../manager/store/replicated-store.ts'
import { SafetyViolation } from '../core/core-invariants.ts'
import { SimEvents, type EventCounts } from '../sim-events.ts'
import { ClusterFaults } from './cluster-faults.ts'
import { ClusterInvariants } from './cluster-invariants.ts'
import type { ClusterPlant } from './cluster-plants.ts'
import { createClusterProfile, type ClusterProfile, type DirectedClusterProfile } from './cluster-profile.ts'
import { instrumentManagers } from './instruments.ts'
import { SimAgent } from './sim-agent.ts'
import { SimClient } from './sim-client.ts'
import { ProcessClock, SimClock } from './sim-clock.ts'
import { SimManager } from './sim-manager.ts'
import { SimOperator } from './sim-operator.ts'
import type { SimWorld } from './sim-process.ts'

export interface ClusterRunOptions {
  readonly seed: number
  /** Simulated time with faults. Default 30 s. */
  readonly faultyMs?: number
  readonly plant?: ClusterPlant
  /** What goes wrong; what the seed says if not given. */
  readonly profile?: DirectedClusterProfile
  /** Gets the managers' last log lines when the run fails. */
  readonly onFailure?: (report: string) => void
}

export interface ClusterRunResult { readonly simulatedMs: number; readonly entries: number; readonly acknowledged: number; readonly terms: number; readonly tasks: number; readonly events: EventCounts; /** Two runs of a seed have the same. */ readonly fingerprint: number }

/** The first founds the cluster, the last is there to join. */
const MANAGERS = ['m1', 'm2', 'm3', 'm4']
const FIRST_MEMBERS = 3
const AGENTS = ['a1', 'a2', 'a3', 'a4']
const FAULTY_MS = 30_000
/** A cluster without faults comes up within this, or the simulation itself is broken. */
const START_MS_MAX = 60_000
/** Longest wait of the system: a node counts as lost after 30 s, its successor's slot waits up to 60 s for what ran there. */
const SETTLE_MS_MAX = 240_000
const CHECK_MS = 1000
/** A settled cluster answers a read within this. */
const READ_MS_MAX = 5000
/** So many looks apart the operator sees to what came of changes that were asked for at once. */
const REVIEW_LOOKS = 15
const REPORT_LINES = 60

/** Runs one seed of a whole cluster: three managers and one that joins, four agents, a client. One at a time per process: it instruments classes. @throws SafetyViolation */
export async function runClusterSimulation(options: ClusterRunOptions): Promise<ClusterRunResult> {
  const simulation = new ClusterSimulation(options)
  using _planted = options.plant?.install?.()
  using _instruments = simulation.instrument()
  try {
    await simulation.begin()
    await simulation.suffer(options.faultyMs ?? FAULTY_MS)
    await simulation.settle()
    return simulation.result()
  } catch (error) {
    options.onFailure?.(simulation.report())
    throw error
  } finally {
    await simulation.end()
  }
}

class ClusterSimulation {
  readonly #random: Random
  readonly #clock = new SimClock()
  readonly #network: MemoryNetwork
  readonly #faults: FaultyNetwork
  readonly #profile: ClusterProfile
  readonly #events = new SimEvents()
  readonly #invariants: ClusterInvariants
  readonly #client: SimClient
  readonly #operator: SimOperator
  readonly #trouble: ClusterFaults
  readonly #plant: ClusterPlant | undefined
  readonly #managers: readonly SimManager[]
  readonly #agents: readonly SimAgent[]
  #lost: SimAgent | undefined

  constructor({ seed, plant, profile }: ClusterRunOptions) {
    this.#random = new SeededRandom(seed)
    this.#plant = plant
    this.#profile = createClusterProfile(this.#random, profile ?? plant?.profile)
    this.#invariants = new ClusterInvariants(this.#events)
    const clock = new ProcessClock(this.#clock)
    this.#client = new SimClient({ clock, random: this.#random, invariants: this.#invariants, events: this.#events, largeRate: this.#profile.largeRate })
    this.#faults = new FaultyNetwork({ clock, random: this.#random })
    this.#network = new MemoryNetwork({ clock })
    const world: SimWorld = { clock: this.#clock, random: this.#random, network: this.#network, faults: this.#faults, clusterId: 'simulated', events: this.#events }
    this.#managers = MANAGERS.map((nodeId, i) => new SimManager({
      world, nodeId, ...i === 0 ? { bootstrap: BOOTSTRAP } : {}, via: () => this.#via(nodeId), onDamage: (id, error) => this.#invariants.damaged(id, error),
    }, i < FIRST_MEMBERS))
    for (const { disk } of this.#managers) plant?.disk?.(disk)
    this.#agents = AGENTS.map(nodeId => new SimAgent({ world, nodeId, managers: this.#managers.map(({ address }) => address) }))
    this.#operator = new SimOperator(world, { managers: this.#managers, agents: this.#agents })
    this.#trouble = new ClusterFaults({ world, profile: this.#profile, managers: this.#managers, agents: this.#agents, operator: this.#operator, leader: () => this.#leader() })
  }

  /** Watches the managers' insides until disposed. */
  instrument(): Disposable {
    return instrumentManagers({
      invariants: this.#invariants, events: this.#events, refuses: () => this.#trouble.isOn && this.#profile.refusalRate > 0 && this.#random.next() < this.#profile.refusalRate,
      machine: (machine, nodeId) => this.#plant?.machine?.(machine, nodeId) ?? machine,
      opened: (nodeId, inside) => {
        const manager = this.#managers.find(each => each.nodeId === nodeId)
        if (manager !== undefined) manager.inside = inside
      },
    })
  }

  /** Brings the cluster up, without faults. */
  async begin(): Promise<void> {
    this.#faults.faults = { lossRate: 0, delayMinMs: 1, delayMaxMs: 5 }
    for (const manager of this.#managers) manager.start()
    await this.#until('the first manager leads', START_MS_MAX, () => this.#leader() !== undefined)
    const store = this.#leader()?.inside?.store as ReplicatedStore
    await this.#await(store.update(tx => {
      for (const id of AGENTS) tx.create('node', make('Node', { id, role: 'worker', spec: { annotations: {}, role: 'worker', availability: 'active' } }))
      // The founder made its own.
      for (const id of MANAGERS.slice(1)) tx.create('node', make('Node', { id, role: 'manager', spec: { annotations: {}, role: 'manager', availability: 'drain' } }))
    }))
    for (const agent of this.#agents) agent.start()
    await this.#until('all managers vote', START_MS_MAX, () => this.#leader()?.inside?.raft.table.members.filter(({ learner }) => !learner).length === FIRST_MEMBERS)
  }

  /** Lets things go wrong for a while, with a client that goes on asking. */
  async suffer(forMs: number): Promise<void> {
    this.#trouble.begin()
    this.#goOnAsking()
    await this.#run(forMs)
  }

  /** Faults end; what was asked for must come about, and nothing acknowledged may be missing. @throws SafetyViolation `Settles` and others */
  async settle(): Promise<void> {
    await this.#trouble.end()
    if (this.#profile.losesAgent) this.#lost = this.#pick(this.#agents)
    await this.#lost?.crash()
    const endMs = this.#clock.nowMs + SETTLE_MS_MAX
    let unsettled: string | undefined = 'not looked at yet'
    let looks = 0
    while (unsettled !== undefined) {
      if (this.#clock.nowMs >= endMs) throw new SafetyViolation('Settles', `after ${SETTLE_MS_MAX / 1000} s without faults: ${unsettled}`)
      await this.#run(CHECK_MS)
      unsettled = this.#unsettled()
      const leader = this.#leader()
      if (++looks % REVIEW_LOOKS === 0 && leader !== undefined) this.#operator.review(leader)
    }
    await this.#readEverywhere()
    // What the client did meanwhile is to have reached everybody.
    await this.#until('all have applied the same again', SETTLE_MS_MAX, () => this.#unsettled() === undefined)
    const views = this.#managers.flatMap(({ nodeId, inside }) => inside === undefined ? [] : [{ nodeId, view: inside.store.view() }])
    for (const { nodeId, view } of views) this.#invariants.checkAcknowledged(nodeId, view)
    this.#invariants.checkEqual(views)
    this.#invariants.checkLogs(await Promise.all(this.#managers.filter(({ isMember }) => isMember).map(async ({ nodeId, disk }) => ({ nodeId, log: await this.#readLog(nodeId, disk) }))))
    this.#check()
    for (const { disk } of this.#managers) if (disk.tornWrites > 0) this.#events.note('torn write', disk.tornWrites)
  }

  /** Every manager answers a linearizable read, whatever changes of members there were. @throws SafetyViolation `Settles` */
  async #readEverywhere(): Promise<void> {
    for (const manager of this.#managers.filter(({ isMember }) => isMember)) {
      const client = this.#network.createDialer().dial(manager.localAddress)
      let isFresh: boolean | undefined
      void this.#client.read(client).then(is => { isFresh = is })
      await this.#clock.run(this.#clock.nowMs + READ_MS_MAX, () => isFresh !== undefined || this.#invariants.violation !== undefined)
      this.#check()
      await client[Symbol.asyncDispose]()
      if (isFresh !== true) throw new SafetyViolation('Settles', `a read from ${manager.nodeId} is ${isFresh === undefined ? `not answered within ${READ_MS_MAX / 1000} s` : 'not a fresh one'}`)
    }
  }

  result(): ClusterRunResult {
    const view = this.#leader()?.inside?.store.view()
    return {
      simulatedMs: this.#clock.nowMs, entries: this.#invariants.appliedCount, acknowledged: this.#invariants.acknowledgedCount,
      terms: Math.max(...this.#managers.map(({ inside }) => inside?.raft.leadership.term ?? 0)), tasks: view?.list('task').length ?? 0,
      events: this.#events.counts, fingerprint: this.#events.fingerprint,
    }
  }

  /** Everything stops. */
  async end(): Promise<void> { await Promise.all([...this.#managers, ...this.#agents].map(each => each.crash())) }

  /** For people: what each manager said last. */
  report(): string {
    return this.#managers.flatMap(({ nodeId, inside, logger }) => [
      `${nodeId}: ${JSON.stringify(inside?.raft.leadership)}`,
      ...logger.lines.filter(({ message }) => message !== 'raft peer is not reached').slice(-REPORT_LINES).map(({ level, message, fields }) => `  ${level} ${message} ${JSON.stringify(fields)} ${fields['err'] === undefined ? '' : messageOf(fields['err'])}`),
    ]).join('\n')
  }

  // --- what happens

  #goOnAsking(): void {
    this.#clock.after(-Math.log(1 - this.#random.next()) * this.#profile.clientGapMs, () => {
      if (!this.#trouble.isOn) return
      const manager = this.#pick(this.#managers)
      const client = this.#network.createDialer().dial(manager.localAddress)
      // What is asked of a stopped process is the first that it hears of when it goes on.
      manager.time.whenRunning(() => void this.#client.ask(client).finally(() => client[Symbol.asyncDispose]()))
      this.#goOnAsking()
    })
  }

  /** A manager that others join through. */
  #via(nodeId: string): string {
    const leader = this.#leader()
    if (leader !== undefined && leader.nodeId !== nodeId) return leader.address
    const others = this.#managers.filter(other => other.nodeId !== nodeId && other.isMember)
    return (others.find(({ isUp }) => isUp) ?? others[0] ?? this.#managers[0] as SimManager).address
  }

  async #readLog(nodeId: string, disk: CrashDisk): Promise<RaftLogStore> {
    try {
      return await RaftLogStore.open(disk.copyOfLog(), () => undefined)
    } catch (error) {
      throw new SafetyViolation('LogReadable', `the log of ${nodeId} can not be read any more: ${messageOf(error)}`)
    }
  }

  // --- whether all is well

  #unsettled(): string | undefined {
    const leader = this.#leader()
    const view = leader?.inside?.store.view()
    if (leader === undefined || view === undefined) return 'no manager leads'
    const members = this.#membership(leader, view)
    if (members !== undefined) return members
    const wrong = view.list('node').filter(({ id }) => AGENTS.includes(id)).find(({ id, status }) => status?.state !== (id === this.#lost?.nodeId ? 'down' : 'ready'))
    if (wrong !== undefined) return `node ${wrong.id} is ${wrong.status?.state}: ${this.#agents.find(({ nodeId }) => nodeId === wrong.id)?.error}`
    for (const service of view.list('service')) {
      const tasks = view.tasksOfService(service.id).filter(task => task.desiredState === 'running' && stateOf(task) === 'running' && task.nodeId !== this.#lost?.nodeId)
      const wanted = service.spec?.global === undefined ? service.spec?.replicated?.replicas : view.list('node').filter(isAvailable).length
      if (tasks.length !== wanted) return `service ${service.id} has ${tasks.length} of ${wanted} tasks: ${this.#tasks(service.id)}`
      if (tasks.some(({ nodeId }) => !isAvailable(view.get('node', nodeId)))) return `service ${service.id} has tasks on drained nodes: ${this.#tasks(service.id)}`
      if (service.updateStatus?.state === 'updating') return `service ${service.id} is being updated`
    }
    return this.#misplaced(view)
  }

  #membership(leader: SimManager, view: StoreView): string | undefined {
    for (const { nodeId, isMember, inside } of this.#managers) {
      const member = leader.inside?.raft.table.members.find(each => each.nodeId === nodeId)
      if (!isMember && member !== undefined) return `${nodeId} was told that it is no member, and is one`
      if (!isMember) continue
      if (member === undefined || member.learner) return `${nodeId} is to be a voter, and is ${member === undefined ? 'no member' : 'a learner'}`
      if (view.get('node', nodeId)?.spec?.role === 'worker') return `${nodeId} is to be a worker`
      if (inside?.store.appliedIndex !== view.version) return `${nodeId} has applied ${inside?.store.appliedIndex}, the leader ${view.version}`
    }
    return undefined
  }

  /** Tasks that the cluster believes in and that don't run, and the other way round. */
  #misplaced(view: StoreView): string | undefined {
    const believed = new Map(view.list('task').filter(task => !hasStopped(task) && task.nodeId !== this.#lost?.nodeId).map(task => [`${task.id}@${task.nodeId}`, `${stateOf(task)}->${task.desiredState}`]))
    const actual = new Set(this.#agents.filter(agent => agent !== this.#lost).flatMap(({ nodeId, running }) => running.map(id => `${id}@${nodeId}`)))
    const ghosts = [...believed].filter(([key]) => !actual.has(key)).map(([key, state]) => `${key} (${state})`)
    const strays = [...actual].filter(key => !believed.has(key))
    return ghosts.length + strays.length === 0 ? undefined : `believed to run: ${ghosts.join(' ')}; run without being known: ${strays.join(' ')}`
  }

  #tasks(serviceId: string): string {
    return (this.#leader()?.inside?.store.view().tasksOfService(serviceId) ?? []).map(task => `${task.slot}:${stateOf(task)}->${task.desiredState}@${task.nodeId}`).join(' ')
  }

  #leader(): SimManager | undefined {
    const leaders = this.#managers.filter(({ isLeader }) => isLeader)
    return leaders.sort((a, b) => (b.inside?.raft.leadership.term ?? 0) - (a.inside?.raft.leadership.term ?? 0))[0]
  }

  // --- time

  async #run(forMs: number): Promise<void> {
    await this.#clock.run(this.#clock.nowMs + forMs, () => this.#invariants.violation !== undefined)
    this.#check()
  }

  async #until(what: string, maxMs: number, isTrue: () => boolean): Promise<void> {
    await this.#clock.run(this.#clock.nowMs + maxMs, () => isTrue() || this.#invariants.violation !== undefined)
    this.#check()
    if (!isTrue()) throw new SafetyViolation('Starts', `not within ${maxMs / 1000} s: ${what}`)
  }

  async #await<T>(promise: Promise<T>): Promise<T> {
    let isDone = false
    const done = promise.finally(() => { isDone = true })
    await this.#until('the client was answered', START_MS_MAX, () => isDone)
    return done
  }

  #check(): void { if (this.#invariants.violation !== undefined) throw this.#invariants.violation }

  #pick<T>(values: readonly T[]): T { return values[randomInt(this.#random, values.length)] as T }
}

function isAvailable(node: Node | undefined): boolean { return node?.status?.state === 'ready' && node.spec?.availability === 'active' }

const TOKEN = `SWMTKN-1-${'0'.repeat(50)}-${'0'.repeat(25)}`
/** Nobody looks into certificates here. Real ones are of another length each time, and with them the bytes at which a disk is full. */
const BOOTSTRAP: ManagerBootstrap = {
  rootCertPem: 'certificate', rootKeyPem: 'key', workerToken: TOKEN, managerToken: TOKEN, addressPool: [], subnetSize: 0, dataPathPort: 0, availability: 'drain',
}
