import type { Random } from '../../../src/base/random.ts'
import { SeededRandom } from '../../../src/platform/clock/seeded-random.ts'
import { EMPTY_CONF_STATE, isJoint } from 'raft-ts/cluster-config'
import type { ConfChange, ConfChangeSingle, Message, Snapshot } from 'raft-ts/message'
import type { RawNode } from 'raft-ts/raw-node'
import { RaftError } from 'raft-ts/storage'
import { CoreInvariants, SafetyViolation } from './core-invariants.ts'
import { CoreNode, RIGHT_SEAMS, type CoreSeams } from './core-node.ts'

export interface CoreRunOptions {
  readonly seed: number
  /** Faulty steps; after them the faults stop and the cluster must settle. */
  readonly steps: number
  readonly seams?: CoreSeams
}

export interface CoreRunResult { readonly steps: number; readonly committed: number; readonly terms: number }

const SETTLE_STEPS_MAX = 30_000
/** Enough for a round of heartbeats to be worked off. */
const SETTLE_STEPS_PER_TICK = 100
const MESSAGES_MAX = 400
const NODES = 5
/** Where the first configuration stands in every node's log. */
const BOOTSTRAP_INDEX = 1

/** How likely each event is in this run: drawn per seed, so that some runs have much of one fault and none of another. */
interface Profile {
  readonly drop: number
  readonly duplicate: number
  readonly reorder: number
  readonly crash: number
  readonly partition: number
  readonly propose: number
  readonly confChange: number
  readonly transfer: number
  readonly compact: number
  readonly read: number
  readonly churn: number
  /** Chance that a node restarts right after it granted a vote, and another one campaigns. */
  readonly voteCrash: number
  readonly tick: number
}

/** Runs one seed of the Raft core alone: RawNodes, disks and a network in one loop. @throws SafetyViolation with the step in its message */
export function runCoreSimulation(options: CoreRunOptions): CoreRunResult {
  const simulation = new CoreSimulation(options)
  try {
    simulation.run(options.steps)
    simulation.settle()
  } catch (error) {
    if (error instanceof SafetyViolation) throw error
    throw new SafetyViolation('NoCrash', error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  return simulation.result()
}

class CoreSimulation {
  readonly #random: Random
  readonly #profile: Profile
  readonly #invariants = new CoreInvariants()
  readonly #nodes: readonly CoreNode[]
  readonly #cut = new Set<string>()
  #messages: Message[] = []
  #steps = 0
  #proposals = 0
  #hasFaults = true
  #doomed: number | undefined

  constructor({ seed, seams = RIGHT_SEAMS }: CoreRunOptions) {
    this.#random = new SeededRandom(seed)
    this.#profile = createProfile(this.#random)
    const config = { preVote: this.#chance(0.5), checkQuorum: this.#chance(0.5), stepDownOnRemoval: true, disableProposalForwarding: this.#chance(0.3) }
    const leaderSendsEarly = this.#chance(0.5)
    this.#nodes = Array.from({ length: NODES }, (_, i) => new CoreNode({
      id: i + 1, config, random: () => this.#random.next(), invariants: this.#invariants, seams, leaderSendsEarly,
      send: message => this.#send(message),
      holds: (id, index, term) => this.#node(id).disk.holds(index, term),
    }))
    const voters = this.#chance(0.8) ? [1, 2, 3] : [1, 2, 3, 4, 5]
    for (const id of voters) this.#node(id).disk.replaceBySnapshot(bootstrap(voters))
    for (const node of this.#nodes) node.start()
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i++) {
      this.#steps++
      this.#step()
    }
  }

  /** Without faults from now on: a leader must emerge, and all its members must get its log. @throws SafetyViolation `Settles` */
  settle(): void {
    this.#hasFaults = false
    this.#cut.clear()
    for (const node of this.#nodes) if (node.node === undefined) node.start()
    for (let i = 0; i < SETTLE_STEPS_MAX; i++) {
      this.#steps++
      if (i % SETTLE_STEPS_PER_TICK === 0) for (const node of this.#nodes) node.input(each => each.tick())
      else this.#progress()
      if (i % 1000 === 999) {
        if (this.#isSettled()) return
        this.#propose()
      }
    }
    throw new SafetyViolation('Settles', `no leader with an equal log on all its members after ${SETTLE_STEPS_MAX} steps without faults: ${this.#describe()}`)
  }

  result(): CoreRunResult {
    return { steps: this.#steps, committed: this.#invariants.committedIndex, terms: Math.max(...this.#nodes.map(({ disk }) => disk.hardState.term)) }
  }

  #step(): void {
    if (this.#doomed !== undefined) {
      const node = this.#node(this.#doomed)
      this.#doomed = undefined
      node.crash()
      node.start()
      this.#pick(this.#nodes).input(each => each.campaign())
    }
    const { crash, partition, propose, confChange, transfer, compact, read, churn, tick } = this.#profile
    const dice = this.#random.next()
    const events: [number, () => void][] = [
      [tick, () => this.#pick(this.#nodes).input(node => node.tick())],
      [crash, () => this.#crashOrStart()], [churn, () => this.#churn()], [partition, () => this.#repartition()], [propose, () => this.#propose()], [confChange, () => this.#proposeConfChange()],
      [transfer, () => this.#onLeader(node => node.transferLeader(this.#pick(this.#nodes).id))],
      [compact, () => this.#pick(this.#nodes).compact()], [read, () => this.#pick(this.#nodes).read(this.#invariants.committedIndex)],
    ]
    let sum = 0
    for (const [share, event] of events) {
      sum += share
      if (dice < sum) return event()
    }
    this.#progress()
  }

  /** Moves a driver or a message on. */
  #progress(): void {
    const busy = this.#nodes.filter(node => node.hasWork)
    if (this.#messages.length === 0 || (busy.length > 0 && this.#chance(0.7))) {
      if (busy.length > 0) this.#pick(busy).work()
      return
    }
    this.#deliver()
  }

  #deliver(): void {
    const at = this.#hasFaults && this.#chance(this.#profile.reorder) ? Math.floor(this.#random.next() * this.#messages.length) : 0
    const [message] = this.#messages.splice(at, 1)
    if (message === undefined) return
    const isLost = this.#cut.has(`${message.from}-${message.to}`) || (this.#hasFaults && this.#chance(this.#profile.drop))
    if (!isLost && this.#hasFaults && this.#chance(this.#profile.duplicate)) this.#messages.push(message)
    const target = this.#node(message.to)
    const hasArrived = !isLost && target.node !== undefined
    if (hasArrived) target.input(node => attempt(() => node.step(message)))
    const sender = this.#node(message.from)
    if (message.type === 'MsgSnap') sender.input(node => node.reportSnapshot(message.to, hasArrived ? 'finished' : 'failed'))
    else if (!hasArrived && this.#chance(0.3)) sender.input(node => node.reportUnreachable(message.to))
  }

  #send(message: Message): void {
    if (message.type === 'MsgVoteResp' && !message.reject && this.#hasFaults && this.#chance(this.#profile.voteCrash)) this.#doomed = message.from
    if (this.#messages.length < MESSAGES_MAX) this.#messages.push(message)
    // A snapshot that is not sent must be reported as failed, but not from within the sender's own step: the oldest other message makes room.
    else if (message.type === 'MsgSnap') this.#messages[0] = message
  }

  #crashOrStart(): void {
    const node = this.#pick(this.#nodes)
    if (node.node === undefined) node.start()
    else node.crash()
  }

  #repartition(): void {
    this.#cut.clear()
    if (this.#chance(0.4)) return
    const side = new Set(this.#nodes.filter(() => this.#chance(0.5)).map(({ id }) => id))
    const isOneWay = this.#chance(0.3)
    for (const { id: from } of this.#nodes) {
      for (const { id: to } of this.#nodes) {
        if (side.has(from) && !side.has(to)) {
          this.#cut.add(`${from}-${to}`)
          if (!isOneWay) this.#cut.add(`${to}-${from}`)
        }
      }
    }
  }

  /** Cuts leader and at most one other off, or brings all together again, and makes some node campaign: leaders come and go with little committed. */
  #churn(): void {
    this.#cut.clear()
    const leaders = this.#nodes.filter(({ node }) => node?.status().role === 'leader').map(({ id }) => id)
    const side = new Set([...leaders, ...(this.#chance(0.5) ? [this.#pick(this.#nodes).id] : [])])
    for (const { id: a } of this.#nodes) {
      for (const { id: b } of this.#nodes) if (side.has(a) !== side.has(b) && this.#chance(0.8)) this.#cut.add(`${a}-${b}`)
    }
    for (const node of this.#nodes) if (node.node === undefined) node.start()
    const next = this.#pick(this.#nodes)
    next.input(node => node.campaign())
    this.#propose()
    if (this.#chance(0.3)) this.#pick(this.#nodes).crash()
  }

  #propose(): void {
    const data = Uint8Array.from([++this.#proposals >> 8, this.#proposals, ...new Uint8Array(Math.floor(this.#random.next() * 24))])
    this.#pick(this.#nodes).input(node => attempt(() => node.propose(data)))
  }

  #proposeConfChange(): void {
    this.#onLeader(node => {
      const { config } = node.status()
      if (isJoint(config)) return attempt(() => node.proposeConfChange({ transition: 'auto', changes: [] }))
      const changes = Array.from({ length: this.#chance(0.6) ? 1 : 2 }, (): ConfChangeSingle => ({
        type: this.#pick(['add-node', 'add-node', 'add-learner-node', 'remove-node']), nodeId: this.#pick(this.#nodes).id,
      }))
      const leaving = changes.filter(({ type, nodeId }) => type !== 'add-node' && config.voters.incoming.has(nodeId)).length
      if (config.voters.incoming.size - leaving < 2) return
      const transition: ConfChange['transition'] = this.#pick(['auto', 'auto', 'joint-implicit', 'joint-explicit'])
      attempt(() => node.proposeConfChange({ transition, changes }))
    })
  }

  #onLeader(input: (node: RawNode) => void): void {
    const leaders = this.#nodes.filter(({ node }) => node?.status().role === 'leader')
    if (leaders.length > 0) this.#pick(leaders).input(input)
  }

  /** The leader of the highest term has a quorum, and all its members have applied what it has committed. */
  #isSettled(): boolean {
    const leaders = this.#nodes.flatMap(({ node }) => node?.status().role === 'leader' ? [node.status()] : [])
    const leader = leaders.sort((a, b) => b.term - a.term)[0]
    if (leader === undefined || leader.commit < this.#invariants.committedIndex) return false
    if (isJoint(leader.config)) this.#proposeConfChange()
    const members = [...leader.config.voters.incoming, ...leader.config.learners].map(id => this.#node(id))
    return !isJoint(leader.config) && members.every(node => node.applied === leader.commit)
  }

  #describe(): string {
    return this.#nodes.map(({ id, node, applied }) => {
      const status = node?.status()
      return `${id}: ${status?.role} term ${status?.term} commit ${status?.commit} applied ${applied}`
    }).join('; ')
  }

  #node(id: number): CoreNode { return this.#nodes[id - 1] as CoreNode }
  #chance(probability: number): boolean { return this.#random.next() < probability }
  #pick<T>(values: readonly T[]): T { return values[Math.floor(this.#random.next() * values.length)] as T }
}

function createProfile(random: Random): Profile {
  const kind = random.next()
  const quiet: Profile = { drop: 0, duplicate: 0, reorder: 0, crash: 0, partition: 0, propose: 0.03, confChange: 0, transfer: 0, compact: 0, read: 0, churn: 0, voteCrash: 0, tick: 0.15 }
  // Two directed profiles for what chance rarely brings together: leaders that hardly commit, and votes followed by crashes.
  if (kind < 0.1) return { ...quiet, churn: 0.03 + random.next() * 0.04, reorder: random.next() * 0.3, drop: random.next() * 0.1, propose: 0.01 }
  if (kind < 0.2) return { ...quiet, voteCrash: 0.5, churn: 0.02, reorder: random.next(), duplicate: 0.05 }
  // Log-uniform between 1/1000 and the maximum, or not at all.
  const share = (max: number): number => random.next() < 0.25 ? 0 : max * 1000 ** -random.next()
  return {
    drop: share(0.3), duplicate: share(0.2), reorder: share(1), crash: share(0.02), partition: share(0.02), propose: 0.02 + share(0.05),
    confChange: share(0.01), transfer: share(0.01), compact: share(0.03), read: share(0.03), churn: share(0.03), voteCrash: share(0.3), tick: 0.05 + random.next() * 0.25,
  }
}

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
