import { make } from '../../../src/api/codec/codec.ts'
import type { Node } from '../../../src/api/swarm/objects.ts'
import { hasStopped, stateOf } from '../../../src/api/swarm/task-state.ts'
import { messageOf } from '../../../src/base/errors.ts'
import { randomInt, type Random } from '../../../src/base/random.ts'
import { createJoinToken } from '../../../src/ca/join-token.ts'
import { createRootCa } from '../../../src/ca/root-ca.ts'
import { SeededRandom } from '../../../src/platform/clock/seeded-random.ts'
import { FaultyNetwork } from '../../../src/platform/rpc/faulty-network.ts'
import { MemoryNetwork } from '../../../src/platform/rpc/memory-rpc.ts'
import type { ManagerBootstrap } from '../../../manager/bootstrap-cluster.ts'
import { RaftLogStore } from '../../../manager/raft/raft-log-store.ts'
import type { StoreView } from '../../../manager/store/object-store.ts'
import type { ReplicatedStore } from '../../../manager/store/replicated-store.ts'
import { SafetyViolation } from '../core/core-invariants.ts'
import { ClusterInvariants } from './cluster-invariants.ts'
import type { ClusterPlant } from './cluster-plants.ts'
import { instrumentManagers } from './instruments.ts'
import { SimAgent } from './sim-agent.ts'
import { SimClient } from './sim-client.ts'
import { ProcessClock, SimClock } from './sim-clock.ts'
import { SimManager } from './sim-manager.ts'
import type { SimWorld } from './sim-process.ts'

export interface ClusterRunOptions {
  readonly seed: number
  /** Simulated time with faults. Default 30 s. */
  readonly faultyMs?: number
  readonly plant?: ClusterPlant
  /** Gets the managers' last log lines when the run fails. */
  readonly onFailure?: (report: string) => void
}

export interface ClusterRunResult { readonly simulatedMs: number; readonly entries: number; readonly acknowledged: number; readonly terms: number; readonly tasks: number }

const MANAGERS = ['m1', 'm2', 'm3']
const AGENTS = ['a1', 'a2', 'a3', 'a4']
const FAULTY_MS = 30_000
/** A cluster without faults comes up within this, or the simulation itself is broken. */
const START_MS_MAX = 60_000
/** Longest wait of the system: a node counts as lost after 30 s, its successor's slot waits up to 60 s for what ran there. */
const SETTLE_MS_MAX = 240_000
const CHECK_MS = 1000
const REPORT_LINES = 30

/** What goes wrong in this run, and how often: drawn per seed. Gaps are mean times between events. */
interface Profile {
  readonly managerCrashGapMs: number
  readonly agentCrashGapMs: number
  readonly partitionGapMs: number
  readonly clientGapMs: number
  readonly lossRate: number
  readonly delayMaxMs: number
  readonly flushMsMax: number
  readonly failureRate: number
  readonly diskFailureGapMs: number
  /** One agent dies in the end and stays dead. */
  readonly losesAgent: boolean
}

/** Runs one seed of a whole cluster: three managers, four agents, a client. One at a time per process: it instruments classes. @throws SafetyViolation */
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
  readonly #profile: Profile
  readonly #invariants = new ClusterInvariants()
  readonly #client: SimClient
  readonly #plant: ClusterPlant | undefined
  readonly #managers: readonly SimManager[]
  readonly #agents: readonly SimAgent[]
  #hasFaults = true
  #lost: SimAgent | undefined

  constructor({ seed, plant }: ClusterRunOptions) {
    this.#random = new SeededRandom(seed)
    this.#plant = plant
    this.#profile = createProfile(this.#random)
    this.#client = new SimClient(this.#random, this.#invariants)
    const clock = new ProcessClock(this.#clock)
    this.#faults = new FaultyNetwork({ clock, random: this.#random })
    this.#network = new MemoryNetwork({ clock })
    const world: SimWorld = { clock: this.#clock, random: this.#random, network: this.#network, faults: this.#faults, clusterId: 'simulated' }
    const bootstrap = createBootstrap(clock.nowMs())
    this.#managers = MANAGERS.map((nodeId, i) => new SimManager({ world, nodeId, ...i === 0 ? { bootstrap } : { joinAddress: `${MANAGERS[0]}:2377` } }))
    for (const { disk } of this.#managers) plant?.disk?.(disk)
    this.#agents = AGENTS.map(nodeId => new SimAgent({ world, nodeId, managers: this.#managers.map(({ address }) => address) }))
  }

  /** Watches the managers' insides until disposed. */
  instrument(): Disposable {
    return instrumentManagers({
      invariants: this.#invariants, machine: (machine, nodeId) => this.#plant?.machine?.(machine, nodeId) ?? machine,
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
    }))
    for (const agent of this.#agents) agent.start()
    await this.#until('all managers vote', START_MS_MAX, () => this.#leader()?.inside?.raft.table.members.filter(({ learner }) => !learner).length === MANAGERS.length)
  }

  /** Lets things go wrong for a while, with a client that goes on asking. */
  async suffer(forMs: number): Promise<void> {
    const { lossRate, delayMaxMs, flushMsMax, failureRate } = this.#profile
    this.#faults.faults = { lossRate, delayMinMs: 1, delayMaxMs }
    for (const manager of this.#managers) manager.disk.faults.flushMsMax = flushMsMax
    for (const agent of this.#agents) agent.failureRate = failureRate
    this.#repeat(this.#profile.managerCrashGapMs, () => this.#crash(this.#pick(this.#managers)))
    this.#repeat(this.#profile.agentCrashGapMs, () => this.#crash(this.#pick(this.#agents)))
    this.#repeat(this.#profile.partitionGapMs, () => this.#partition())
    this.#repeat(this.#profile.diskFailureGapMs, () => this.#failDisk(this.#pick(this.#managers)))
    this.#repeat(this.#profile.clientGapMs, () => this.#ask())
    await this.#run(forMs)
  }

  /** Faults end; what was asked for must come about, and nothing acknowledged may be missing. @throws SafetyViolation `Settles` and others */
  async settle(): Promise<void> {
    this.#hasFaults = false
    this.#faults.healAll()
    this.#faults.faults = { lossRate: 0, delayMinMs: 1, delayMaxMs: 5 }
    for (const agent of this.#agents) agent.failureRate = 0
    for (const manager of this.#managers) {
      if (manager.disk.faults.failure !== undefined) await manager.crash()
      manager.disk.faults.failure = undefined
    }
    if (this.#profile.losesAgent) this.#lost = this.#pick(this.#agents)
    await this.#lost?.crash()
    for (const each of [...this.#managers, ...this.#agents]) if (each !== this.#lost) each.start()
    const endMs = this.#clock.nowMs + SETTLE_MS_MAX
    let unsettled: string | undefined = 'not looked at yet'
    while (unsettled !== undefined) {
      if (this.#clock.nowMs >= endMs) throw new SafetyViolation('Settles', `after ${SETTLE_MS_MAX / 1000} s without faults: ${unsettled}`)
      await this.#run(CHECK_MS)
      unsettled = this.#unsettled()
    }
    const views = this.#managers.flatMap(({ nodeId, inside }) => inside === undefined ? [] : [{ nodeId, view: inside.store.view() }])
    for (const { nodeId, view } of views) this.#invariants.checkAcknowledged(nodeId, view)
    this.#invariants.checkEqual(views)
    this.#invariants.checkLogs(await Promise.all(this.#managers.map(async ({ nodeId, disk }) => ({ nodeId, log: await RaftLogStore.open(disk.copyOfLog(), () => undefined) }))))
    this.#check()
  }

  result(): ClusterRunResult {
    const view = this.#leader()?.inside?.store.view()
    return {
      simulatedMs: this.#clock.nowMs, entries: this.#invariants.appliedCount, acknowledged: this.#invariants.acknowledgedCount,
      terms: Math.max(...this.#managers.map(({ inside }) => inside?.raft.leadership.term ?? 0)), tasks: view?.list('task').length ?? 0,
    }
  }

  /** Everything stops. */
  async end(): Promise<void> { await Promise.all([...this.#managers, ...this.#agents].map(each => each.crash())) }

  /** For people: what each manager said last. */
  report(): string {
    return this.#managers.flatMap(({ nodeId, inside, logger }) => [
      `${nodeId}: ${JSON.stringify(inside?.raft.leadership)}`,
      ...logger.lines.slice(-REPORT_LINES).map(({ level, message, fields }) => `  ${level} ${message} ${JSON.stringify(fields)} ${fields['err'] === undefined ? '' : messageOf(fields['err'])}`),
    ]).join('\n')
  }

  // --- what happens

  #crash(machine: SimManager | SimAgent): void {
    if (!machine.isUp) return
    // A power cut takes the containers too.
    if (machine instanceof SimAgent && this.#random.next() < 0.4) machine.cutPower()
    void machine.crash()
    this.#later(500 + this.#random.next() * 12_000, () => {
      if (machine instanceof SimManager) machine.disk.faults.failure = undefined
      machine.start()
    })
  }

  /** Writes fail: the manager must stop by itself. It comes back with another disk controller. */
  #failDisk(manager: SimManager): void {
    manager.disk.faults.failure = new Error('EIO')
    this.#later(3000 + this.#random.next() * 5000, () => {
      manager.disk.faults.failure = undefined
      manager.start()
    })
  }

  #partition(): void {
    this.#faults.healAll()
    const hosts = [...MANAGERS, ...AGENTS]
    const left = hosts.filter(() => this.#random.next() < 0.5)
    this.#faults.partition([left, hosts.filter(host => !left.includes(host))])
    this.#later(1000 + this.#random.next() * 15_000, () => this.#faults.healAll())
  }

  #ask(): void {
    const client = this.#network.createDialer().dial(this.#pick(this.#managers).localAddress)
    void this.#client.ask(client).finally(() => client[Symbol.asyncDispose]())
  }

  // --- whether all is well

  #unsettled(): string | undefined {
    const leader = this.#leader()
    const view = leader?.inside?.store.view()
    if (leader === undefined || view === undefined) return 'no manager leads'
    const behind = this.#managers.find(({ inside }) => inside?.store.appliedIndex !== view.version)
    if (behind !== undefined) return `${behind.nodeId} has applied ${behind.inside?.store.appliedIndex}, the leader ${view.version}`
    const wrong = view.list('node').filter(({ role }) => role === 'worker').find(({ id, status }) => status?.state !== (id === this.#lost?.nodeId ? 'down' : 'ready'))
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

  /** Happens again and again while there are faults, at exponentially distributed intervals. */
  #repeat(gapMs: number, event: () => void): void {
    if (gapMs === Infinity) return
    this.#later(-Math.log(1 - this.#random.next()) * gapMs, () => {
      event()
      this.#repeat(gapMs, event)
    })
  }

  #later(delayMs: number, event: () => void): void {
    this.#clock.after(delayMs, () => { if (this.#hasFaults) event() })
  }

  #pick<T>(values: readonly T[]): T { return values[randomInt(this.#random, values.length)] as T }
}

function createProfile(random: Random): Profile {
  const gapMs = (leastMs: number): number => random.next() < 0.3 ? Infinity : leastMs * 10 ** random.next()
  const isOff = (): boolean => random.next() < 0.4
  return {
    managerCrashGapMs: gapMs(4000), agentCrashGapMs: gapMs(4000), partitionGapMs: gapMs(5000), diskFailureGapMs: random.next() < 0.8 ? Infinity : 20_000,
    clientGapMs: 200 * 10 ** random.next(), lossRate: isOff() ? 0 : 0.02 * random.next(), delayMaxMs: isOff() ? 5 : 10 * 30 ** random.next(), flushMsMax: isOff() ? 0 : 100 * random.next(),
    failureRate: isOff() ? 0 : 0.5 * random.next(), losesAgent: random.next() < 0.3,
  }
}

function isAvailable(node: Node | undefined): boolean { return node?.status?.state === 'ready' && node.spec?.availability === 'active' }

/** Certificates don't matter here; that they are there does. */
function createBootstrap(nowMs: number): ManagerBootstrap {
  const random = new SeededRandom(1)
  const { certPem, keyPem } = createRootCa({ nowMs, random })
  const workerToken = createJoinToken(certPem, random)
  const managerToken = createJoinToken(certPem, random)
  return { rootCertPem: certPem, rootKeyPem: keyPem, workerToken, managerToken, addressPool: [], subnetSize: 0, dataPathPort: 0, availability: 'drain' }
}
