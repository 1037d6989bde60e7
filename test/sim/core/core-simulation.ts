import type { Random } from '../../../src/base/random.ts'
import { SeededRandom } from '../../../src/platform/clock/seeded-random.ts'
import { EMPTY_CONF_STATE, isJoint } from 'raft-ts/cluster-config'
import { describeConfig } from 'raft-ts/describe'
import type { ConfChange, ConfChangeSingle, ConfChangeType, Message, Snapshot } from 'raft-ts/message'
import type { Raft } from 'raft-ts/raft'
import type { RawNodeConfig } from 'raft-ts/raft-config'
import type { RawNode } from 'raft-ts/raw-node'
import { RaftError } from 'raft-ts/storage'
import { createCoreCounts } from './core-counts.ts'
import { CoreInvariants, SafetyViolation, violated } from './core-invariants.ts'
import type { EventCounts } from '../sim-events.ts'
import { CoreNetwork } from './core-network.ts'
import { CoreNode, RIGHT_SEAMS, type CoreSeams } from './core-node.ts'
import { createProfile, EVENTS, type CoreEvent, type DirectedProfile, type Profile } from './core-profile.ts'

export interface CoreRunOptions {
  readonly seed: number
  /** Faulty steps; after them the faults stop and the cluster must settle. */
  readonly steps: number
  readonly seams?: CoreSeams
  /** Invariants of CoreInvariants other than this one are not looked at. */
  readonly only?: string
  /** What goes wrong; what the seed says if not given. */
  readonly profile?: DirectedProfile
}

/** What a settled cluster does: commits the entry at `index`, and answers the reads. */
interface Probe { readonly index: number; readonly reads: readonly { readonly node: CoreNode; readonly id: number }[] }

export interface CoreRunResult { readonly steps: number; readonly committed: number; readonly terms: number; readonly events: EventCounts }

const SETTLE_STEPS_MAX = 30_000
/** What is on its way when the faults stop is worked off within so many steps: messages don't beget messages for ever. */
const DRAIN_STEPS_MAX = 100_000
/** Enough for a round of heartbeats to be worked off. */
const SETTLE_STEPS_PER_TICK = 100
/** A settled cluster that is left alone for this many ticks elects nobody: 20 heartbeats. */
const CALM_TICKS = 40
/** Of so many seeds one is left alone in the end. */
const CALM_EVERY = 8
const NODES = 5
/** What a paused node finds waiting when it goes on; more is lost. */
const HELD_MAX = 60
/** Steps between two looks at all disks together. */
const SURVEY_STEPS = 512
/** Where the first configuration stands in every node's log. */
const BOOTSTRAP_INDEX = 1

/** Runs one seed of the Raft core alone: RawNodes, disks and a network in one loop. @throws SafetyViolation with the step in its message */
export function runCoreSimulation(options: CoreRunOptions): CoreRunResult {
  const simulation = new CoreSimulation(options)
  try {
    simulation.run(options.steps)
    simulation.settle()
    if (options.seed % CALM_EVERY === 0) simulation.rest()
  } catch (error) {
    const at = `step ${simulation.result().steps}, `
    if (error instanceof SafetyViolation) throw new SafetyViolation(error.invariant, at + error.message.slice(error.invariant.length + 2))
    throw new SafetyViolation('NoCrash', at + (error instanceof Error ? (error.stack ?? error.message) : String(error)))
  }
  return simulation.result()
}

class CoreSimulation {
  readonly #random: Random
  readonly #profile: Profile
  /** Of EVENTS: up to where in [0, 1) each is chosen. */
  readonly #bounds: readonly number[]
  readonly #counts = createCoreCounts()
  readonly #config: Pick<RawNodeConfig, 'preVote' | 'checkQuorum' | 'stepDownOnRemoval' | 'disableProposalForwarding' | 'asyncStorageWrites'>
  readonly #invariants: CoreInvariants
  readonly #network: CoreNetwork
  readonly #nodes: readonly CoreNode[]
  /** Ticks per tick, by node. */
  readonly #rates: readonly number[]
  /** By node: what waits for a paused one. */
  readonly #held: (Message[] | undefined)[]
  #steps = 0
  #proposals = 0
  #hasFaults = true
  #doomed: number | undefined

  constructor({ seed, seams = RIGHT_SEAMS, profile, only }: CoreRunOptions) {
    this.#invariants = new CoreInvariants(this.#counts, only)
    this.#random = new SeededRandom(seed)
    this.#profile = createProfile(this.#random, profile)
    let sum = 0
    this.#bounds = EVENTS.map(event => { sum += this.#profile[event]; return sum })
    this.#network = new CoreNetwork({ random: this.#random, profile: this.#profile, nodes: NODES, counts: this.#counts })
    const config = this.#config = {
      preVote: this.#chance(0.5), checkQuorum: this.#chance(0.5), stepDownOnRemoval: this.#chance(0.8), disableProposalForwarding: this.#chance(0.3), asyncStorageWrites: this.#chance(0.3),
    }
    const leaderSendsEarly = this.#chance(0.5)
    this.#nodes = Array.from({ length: NODES }, (_, i) => new CoreNode({
      id: i + 1, config, random: () => this.#random.next(), invariants: this.#invariants, counts: this.#counts, seams, leaderSendsEarly,
      send: message => this.#send(message),
      holds: (id, index, term) => this.#node(id).disk.holds(index, term),
      stopsAt: point => this.#happens(point === 'write' ? this.#profile.writeCrash : this.#profile.sendCrash),
    }))
    this.#rates = this.#nodes.map(() => this.#profile.skew ** (2 * this.#random.next() - 1))
    this.#held = this.#nodes.map(() => undefined)
    const voters = this.#chance(0.8) ? [1, 2, 3] : [1, 2, 3, 4, 5]
    for (const id of voters) this.#node(id).disk.replaceBySnapshot(bootstrap(voters))
    for (const node of this.#nodes) node.start()
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i++) {
      this.#steps++
      this.#step()
      if (this.#steps % SURVEY_STEPS === 0) this.#invariants.survey(this.#nodes, this.#newestLeader())
    }
  }

  /**
   * Without faults from now on: a leader must emerge that takes proposals, commits them and answers reads, and all its members must follow it and get its log.
   * Holds for every configuration. Who runs without stepDownOnRemoval is to stop a leader that is removed, which is done here.
   * @throws SafetyViolation `Settles`
   */
  settle(): void {
    this.#hasFaults = false
    this.#network.hasFaults = false
    this.#network.heal()
    for (const node of this.#nodes) {
      this.#resume(node)
      if (!node.isUp) node.start()
    }
    this.#drain()
    let probe: Probe | undefined
    for (let i = 0; i < SETTLE_STEPS_MAX; i++) {
      this.#steps++
      if (i % SETTLE_STEPS_PER_TICK === 0) this.#settlingTick()
      else this.#progress()
      if (i % 1000 === 499) probe = this.#probe()
      if (i % 1000 === 999) {
        if (probe !== undefined && this.#isSettled(probe)) return this.#invariants.survey(this.#nodes, this.#newestLeader())
        this.#propose()
      }
    }
    violated('Settles', `no leader that commits and answers, with an equal log on all its members, after ${SETTLE_STEPS_MAX} steps without faults: ${this.#describe()}`)
  }

  /** Time stands still until all messages and all work are done: a backlog of the faulty time is no news about the time after it. */
  #drain(): void {
    for (let i = 0; i < DRAIN_STEPS_MAX; i++) {
      if (this.#network.count === 0 && !this.#nodes.some(({ hasWork }) => hasWork)) return
      this.#steps++
      this.#progress()
    }
    violated('Settles', `messages go on after ${DRAIN_STEPS_MAX} steps in which no time passed: ${this.#describe()}`)
  }

  #settlingTick(): void {
    for (const node of this.#nodes) {
      node.tick()
      const { raft } = node
      if (this.#config.stepDownOnRemoval || raft?.role !== 'leader' || raft.tracker.progressOf(node.id) !== undefined) continue
      // It refuses all proposals, even the one that leaves a joint configuration, and its heartbeats keep others from being elected.
      this.#counts['removed leader stopped']++
      node.crash()
      node.start()
    }
  }

  /** Offers an entry to the leader, and asks it and all members that follow it for a read. Undefined if the entry was not taken. */
  #probe(): Probe | undefined {
    const leader = this.#newestLeader()
    if (leader === undefined) return undefined
    const before = leader.log.lastIndex
    this.#node(leader.id).input(node => attempt(() => node.propose(new Uint8Array(1))))
    const { lastIndex: index } = leader.log
    if (index === before) return undefined
    // Who is no member may still believe in this leader, and takes no answers.
    const readers = leader.tracker.ids.map(id => this.#node(id)).filter(({ raft }) => raft?.leader === leader.id && raft.term === leader.term)
    return { index, reads: readers.map(node => ({ node, id: node.read(this.#invariants.committedIndex) })) }
  }

  /** Settled, and nothing happens: nobody may stand for election. @throws SafetyViolation `StaysCalm` */
  rest(): void {
    const members = this.#newestLeader()?.tracker.voterIds.map(id => this.#node(id)) ?? []
    const terms = (): string => members.map(({ raft }) => raft?.term).join(' ')
    // A candidate of the time before may still be on its way.
    this.#pass(members, CALM_TICKS)
    const before = terms()
    this.#pass(members, CALM_TICKS)
    if (terms() !== before) violated('StaysCalm', `terms went from ${before} to ${terms()} in ${CALM_TICKS} ticks without faults: ${this.#describe()}`)
  }

  #pass(members: readonly CoreNode[], ticks: number): void {
    for (let tick = 0; tick < ticks; tick++) {
      for (const node of members) node.tick()
      for (let i = 1; i < SETTLE_STEPS_PER_TICK; i++) { this.#steps++; this.#progress() }
    }
  }

  result(): CoreRunResult {
    return { steps: this.#steps, committed: this.#invariants.committedIndex, terms: Math.max(...this.#nodes.map(({ disk }) => disk.hardState.term)), events: this.#counts }
  }

  #step(): void {
    if (this.#doomed !== undefined) this.#strikeDoomed(this.#node(this.#doomed))
    const dice = this.#random.next()
    const bounds = this.#bounds
    for (let i = 0; i < bounds.length; i++) if (dice < (bounds[i] as number)) return this.#happen(EVENTS[i] as CoreEvent)
    this.#progress()
  }

  #happen(event: CoreEvent): void {
    switch (event) {
      case 'tick': return this.#tick(this.#pickNode())
      case 'crash': return this.#crashOrStart()
      case 'churn': return this.#churn()
      case 'partition': return this.#network.repartition()
      case 'propose': return this.#propose()
      case 'confChange': return this.#proposeConfChange()
      case 'transfer': return this.#onLeader(node => node.transferLeader(this.#pickNode().id))
      case 'compact': return this.#pickNode().compact()
      case 'read': return void this.#pickNode().read(this.#invariants.committedIndex)
      case 'pause': return this.#pauseOrResume(this.#pickNode())
      case 'forget': return this.#forget(this.#pickNode())
    }
  }

  /** A node is told that its leader is gone, rightly or not. Every second one stands for election at once, as a shell does that knows it for sure. */
  #forget(node: CoreNode): void {
    const isSure = ++this.#counts['leader forgotten'] % 2 === 0
    node.input(each => {
      each.forgetLeader()
      if (isSure) each.campaign()
    })
  }

  #tick(node: CoreNode): void {
    if (this.#held[node.id - 1] !== undefined) return
    const rate = this.#rates[node.id - 1] as number
    if (rate === 1) return node.tick()
    for (let left = rate; left > 0; left--) if (left >= 1 || this.#chance(left)) node.tick()
  }

  /** Moves a driver or a message on. */
  #progress(): void {
    let busy = 0
    for (const node of this.#nodes) if (node.hasWork && this.#held[node.id - 1] === undefined) busy++
    if (this.#network.count === 0 || (busy > 0 && this.#chance(0.7))) {
      if (busy === 0) return
      let at = Math.floor(this.#random.next() * busy)
      for (const node of this.#nodes) if (node.hasWork && this.#held[node.id - 1] === undefined && at-- === 0) return node.work(this.#happens(this.#profile.slowDisk))
      return
    }
    const delivery = this.#network.take()
    if (delivery !== undefined) this.#deliver(delivery.message, delivery.isLost)
  }

  #deliver(message: Message, isLost: boolean): void {
    const target = this.#node(message.to)
    const held = this.#held[target.id - 1]
    if (!isLost && held !== undefined && held.length < HELD_MAX) {
      held.push(message)
      return
    }
    const hasArrived = !isLost && held === undefined && target.isUp
    if (hasArrived) target.input(node => attempt(() => node.step(message)))
    const sender = this.#node(message.from)
    if (message.type === 'MsgSnap') sender.input(node => node.reportSnapshot(message.to, hasArrived ? 'finished' : 'failed'))
    else if (!hasArrived && this.#chance(0.3)) sender.input(node => node.reportUnreachable(message.to))
  }

  #send(message: Message): void {
    if (message.type === 'MsgVoteResp' && !message.reject && this.#happens(this.#profile.voteCrash)) this.#doomed = message.from
    this.#network.send(message)
  }

  #strikeDoomed(node: CoreNode): void {
    this.#doomed = undefined
    this.#counts['restart right after a vote']++
    node.crash()
    node.start()
    this.#pickNode().input(each => each.campaign())
  }

  #crashOrStart(): void {
    const node = this.#pickNode()
    this.#resume(node)
    if (node.isUp) node.crash()
    else node.start()
  }

  /** Stopped as by SIGSTOP: its time stands still, and messages wait for it. */
  #pauseOrResume(node: CoreNode): void {
    if (this.#held[node.id - 1] === undefined) {
      this.#held[node.id - 1] = []
      this.#counts['node paused']++
    } else {
      this.#resume(node)
    }
  }

  #resume(node: CoreNode): void {
    const held = this.#held[node.id - 1]
    this.#held[node.id - 1] = undefined
    for (const message of held ?? []) this.#deliver(message, false)
  }

  /** Cuts leader and at most one other off, or brings all together again, and makes some node campaign: leaders come and go with little committed. */
  #churn(): void {
    this.#network.heal()
    const leaders = this.#leaders().map(({ id }) => id)
    const side = new Set([...leaders, ...(this.#chance(0.5) ? [this.#pickNode().id] : [])])
    for (const { id: a } of this.#nodes) {
      for (const { id: b } of this.#nodes) if (side.has(a) !== side.has(b) && this.#chance(0.8)) this.#network.cut(a, b)
    }
    for (const node of this.#nodes) if (!node.isUp) node.start()
    const next = this.#pickNode()
    this.#resume(next)
    next.input(node => node.campaign())
    if (this.#chance(0.3)) this.#pickNode().input(node => node.campaign())
    this.#propose()
    if (this.#chance(0.3)) this.#pickNode().crash()
  }

  #propose(): void {
    const data = new Uint8Array(2 + Math.floor(this.#random.next() * 24))
    data[0] = ++this.#proposals >> 8
    data[1] = this.#proposals
    this.#pickNode().input(node => attempt(() => node.propose(data)))
  }

  #proposeConfChange(): void {
    this.#onLeader(node => {
      const { config } = node.raft.tracker
      if (isJoint(config)) return attempt(() => node.proposeConfChange({ transition: 'auto', changes: [] }))
      const changes = Array.from({ length: this.#chance(0.6) ? 1 : 2 + Math.floor(this.#random.next() * 3) }, (): ConfChangeSingle => ({ type: this.#pick(CHANGE_TYPES), nodeId: this.#pickNode().id }))
      const leaving = changes.filter(({ type, nodeId }) => type !== 'add-node' && config.voters.incoming.has(nodeId)).length
      if (config.voters.incoming.size - leaving < 2) return
      attempt(() => node.proposeConfChange({ transition: this.#pick(TRANSITIONS), changes }))
    })
  }

  #onLeader(input: (node: RawNode) => void): void {
    const leaders = this.#leaders()
    if (leaders.length > 0) this.#pick(leaders).input(input)
  }

  #leaders(): readonly CoreNode[] { return this.#nodes.filter(({ raft }) => raft?.role === 'leader') }

  #newestLeader(): Raft | undefined {
    let newest: Raft | undefined
    for (const { raft } of this.#nodes) if (raft?.role === 'leader' && raft.term > (newest?.term ?? 0)) newest = raft
    return newest
  }

  /** The leader of the highest term has committed all it has, the probe too, its members follow it and have applied that, and reads were answered. */
  #isSettled({ index, reads }: Probe): boolean {
    const leader = this.#newestLeader()
    if (leader === undefined || leader.log.committed < Math.max(index, leader.log.lastIndex, this.#invariants.committedIndex)) return false
    const { config, ids } = leader.tracker
    if (isJoint(config)) this.#proposeConfChange()
    return !isJoint(config) && !reads.some(({ node, id }) => node.awaits(id)) && ids.every(id => {
      const { applied, raft } = this.#node(id)
      return applied === leader.log.committed && raft?.term === leader.term && raft.leader === leader.id
    })
  }

  #describe(): string {
    const options = Object.entries(this.#config).filter(([, is]) => is).map(([name]) => name).join(' ')
    const nodes = this.#nodes.map(({ id, raft, applied }) => raft === undefined ? `${id}: down`
      : `${id}: ${raft.role} term ${raft.term} of ${raft.leader} commit ${raft.log.committed} of ${raft.log.lastIndex} applied ${applied} ${describeConfig(raft.tracker.config)}`)
    return `${nodes.join('; ')}; ${this.#network.count} messages; ${options}`
  }

  #node(id: number): CoreNode { return this.#nodes[id - 1] as CoreNode }
  #pickNode(): CoreNode { return this.#nodes[Math.floor(this.#random.next() * NODES)] as CoreNode }
  /** A fault that this seed does not have draws nothing. */
  #happens(share: number): boolean { return share > 0 && this.#hasFaults && this.#random.next() < share }
  #chance(probability: number): boolean { return this.#random.next() < probability }
  #pick<T>(values: readonly T[]): T { return values[Math.floor(this.#random.next() * values.length)] as T }
}

const CHANGE_TYPES: readonly ConfChangeType[] = ['add-node', 'add-node', 'add-learner-node', 'remove-node']
const TRANSITIONS: readonly ConfChange['transition'][] = ['auto', 'auto', 'joint-implicit', 'joint-explicit']

function bootstrap(voters: readonly number[]): Snapshot {
  return { metadata: { index: BOOTSTRAP_INDEX, term: 1, confState: { ...EMPTY_CONF_STATE, voters } }, data: new Uint8Array(4) }
}

/** Expected refusals of the core are no news. */
function attempt(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof RaftError)) throw error
  }
}
