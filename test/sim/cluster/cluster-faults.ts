import { randomInt, type Random } from '../../../src/base/random.ts'
import type { ClusterProfile } from './cluster-profile.ts'
import type { SimAgent } from './sim-agent.ts'
import type { SimManager } from './sim-manager.ts'
import type { SimOperator } from './sim-operator.ts'
import type { SimWorld } from './sim-process.ts'

export interface ClusterFaultsOptions {
  readonly world: SimWorld
  readonly profile: ClusterProfile
  readonly managers: readonly SimManager[]
  readonly agents: readonly SimAgent[]
  readonly operator: SimOperator
  readonly leader: () => SimManager | undefined
}

const LEADER_SHARE = 0.4
const JUMP_MS_MAX = 60_000
const ROOM_BYTES_MAX = 48 * 1024
const DOUBT_REVIEW_MS = 500
/** Looks at the others, one after the other, that must find them whole before the doubtful one is started. */
const CALM_REVIEWS = 4
/** Fewer voters, and one that forgot something could not be made up for by the others. */
const VOTERS_MIN = 3

/**
 * All that goes wrong in a cluster, as its profile says. What a disk forgets although it took it (a bit turned over, a flush that was a lie) breaks Raft's
 * premise: the machine then stays down until the others have found themselves without it, and nothing else goes wrong until it has caught up or was replaced.
 */
export class ClusterFaults {
  readonly #options: ClusterFaultsOptions
  readonly #random: Random
  #isOn = false
  #lying: SimManager | undefined
  #doubtful: SimManager | undefined

  constructor(options: ClusterFaultsOptions) {
    this.#options = options
    this.#random = options.world.random
    const { managers, agents, profile: { skew } } = options
    for (const { time } of [...managers, ...agents]) time.rate = skew === 1 ? 1 : skew ** (2 * this.#random.next() - 1)
  }

  get isOn(): boolean { return this.#isOn }

  begin(): void {
    const { profile, managers, agents, operator } = this.#options
    this.#isOn = true
    this.#spoilNetwork()
    for (const { disk } of managers) disk.faults.flushMsMax = profile.flushMsMax
    for (const agent of agents) agent.failureRate = profile.failureRate
    const onManagers = (event: () => void) => (): void => { if (this.#doubtful === undefined) event() }
    this.#repeat(profile.managerCrashGapMs, onManagers(() => this.#stopManager(this.#victim())))
    this.#repeat(profile.agentCrashGapMs, () => this.#crashAgent(this.#pick(agents)))
    this.#repeat(profile.partitionGapMs, onManagers(() => this.#partition()))
    this.#repeat(profile.pauseGapMs, onManagers(() => this.#pause(this.#pick<SimManager | SimAgent>(this.#random.next() < 0.7 ? managers : agents))))
    this.#repeat(profile.churnGapMs, onManagers(() => operator.change(this.#lying)))
    this.#repeat(profile.clockJumpGapMs, () => this.#jump())
    this.#repeat(profile.diskFailureGapMs, onManagers(() => this.#failDisk(this.#pick(managers))))
    this.#repeat(profile.diskFullGapMs, onManagers(() => this.#fillDisk(this.#pick(managers))))
    this.#repeat(profile.diskDamageGapMs, onManagers(() => this.#damageDisk(this.#pick(managers))))
  }

  /** Everything is repaired and started; who forgot something comes back when it is safe. */
  async end(): Promise<void> {
    const { managers, agents } = this.#options
    this.#isOn = false
    for (const { time } of [...managers, ...agents]) time.wallOffsetMs = 0
    for (const agent of agents) agent.failureRate = 0
    if (this.#lying !== undefined) await this.#doubt(this.#lying)
    await this.#repair()
    for (const agent of agents) agent.start()
  }

  // --- machines and processes

  /** Leaders more often than others. */
  #victim(): SimManager {
    const leader = this.#random.next() < LEADER_SHARE ? this.#options.leader() : undefined
    return leader ?? this.#pick(this.#options.managers)
  }

  /** A process is killed, or a host loses its power. */
  #stopManager(manager: SimManager): void {
    if (!manager.isUp) return
    const { events } = this.#options.world
    if (this.#random.next() < 0.5) {
      events.note('manager killed')
      void manager.kill()
      if (this.#random.next() < 0.3) return this.#cutPowerAfterRestart(manager)
    } else if (manager === this.#lying) {
      void this.#doubt(manager)
      return
    } else {
      events.note('power cut')
      void manager.crash()
    }
    this.#later(500 + this.#random.next() * 12_000, () => {
      manager.disk.faults.failure = undefined
      manager.start()
    })
  }

  /** What the killed process left in the machine's memory is read by the next one, and then lost, if that did not see to it. */
  #cutPowerAfterRestart(manager: SimManager): void {
    this.#later(50 + this.#random.next() * 200, () => manager.start())
    this.#later(300 + this.#random.next() * 700, () => {
      if (this.#doubtful !== undefined || manager === this.#lying) return
      this.#options.world.events.note('power cut right after a restart')
      void manager.crash()
      this.#later(500 + this.#random.next() * 5000, () => manager.start())
    })
  }

  #crashAgent(agent: SimAgent): void {
    if (!agent.isUp) return
    this.#options.world.events.note('agent killed')
    // A power cut takes the containers too.
    if (this.#random.next() < 0.4) agent.cutPower()
    this.#goOn(agent)
    void agent.crash()
    this.#later(500 + this.#random.next() * 12_000, () => agent.start())
  }

  /** As by SIGSTOP. */
  #pause(host: SimManager | SimAgent): void {
    const { events, faults } = this.#options.world
    if (!host.isUp || host.time.isStopped) return
    events.note('process stopped for a while')
    host.time.stop()
    faults.stop(host.nodeId)
    this.#later(1000 * 15 ** this.#random.next(), () => this.#goOn(host))
  }

  #goOn({ nodeId, time }: SimManager | SimAgent): void {
    const { clock, faults } = this.#options.world
    time.goOn(clock)
    faults.goOn(nodeId)
  }

  #jump(): void {
    this.#options.world.events.note('wall clock jumps')
    this.#pick([...this.#options.managers, ...this.#options.agents]).time.wallOffsetMs = (2 * this.#random.next() - 1) * JUMP_MS_MAX
  }

  // --- the network

  #spoilNetwork(): void {
    const { world, profile } = this.#options
    world.faults.faults = { lossRate: profile.lossRate, delayMinMs: 1, delayMaxMs: profile.delayMaxMs }
  }

  /** Two halves, cut both ways or one way, or two that only one host sees both of. */
  #partition(): void {
    const { world: { faults, events }, managers, agents } = this.#options
    faults.healAll()
    const hosts = [...managers, ...agents].map(({ nodeId }) => nodeId)
    const left = hosts.filter(() => this.#random.next() < 0.5)
    const right = hosts.filter(host => !left.includes(host))
    const dice = this.#random.next()
    if (dice < 0.5) {
      events.note('halves')
      faults.partition([left, right])
    } else if (dice < 0.75) {
      events.note('one-way cut')
      for (const from of left) for (const to of right) faults.cutOneWay(from, to)
    } else {
      events.note('bridge')
      const bridge = this.#pick(managers).nodeId
      faults.partition([left.filter(host => host !== bridge), right.filter(host => host !== bridge)])
    }
    this.#later(1000 + this.#random.next() * 15_000, () => faults.healAll())
  }

  // --- disks

  /** Writes fail: the manager must stop by itself. It comes back with another disk controller. */
  #failDisk(manager: SimManager): void {
    if (manager === this.#lying) return
    this.#options.world.events.note('disk fails')
    manager.disk.faults.failure = new Error('EIO: i/o error')
    this.#later(3000 + this.#random.next() * 5000, () => {
      manager.disk.faults.failure = undefined
      manager.start()
    })
  }

  #fillDisk(manager: SimManager): void {
    this.#options.world.events.note('disk fills up')
    manager.disk.faults.room = { bytes: this.#random.next() * ROOM_BYTES_MAX }
    this.#later(5000 + this.#random.next() * 15_000, () => { manager.disk.faults.room = undefined })
  }

  #damageDisk(manager: SimManager): void {
    const { world: { events }, leader } = this.#options
    const voters = leader()?.inside?.raft.table.members.filter(({ learner }) => !learner) ?? []
    if (!manager.isUp || this.#lying !== undefined || voters.length < VOTERS_MIN || !voters.some(({ nodeId }) => nodeId === manager.nodeId)) return
    manager.isDamaged = true
    if (this.#random.next() < 0.5) {
      events.note('bit turned over')
      void this.#doubt(manager, () => manager.disk.flipBit())
      return
    }
    events.note('disk loses flushes')
    this.#lying = manager
    manager.disk.faults.losesSyncs = true
    this.#later(1000 + this.#random.next() * 6000, () => { if (this.#lying === manager) void this.#doubt(manager) })
  }

  /** The machine stops, and may have forgotten something when it comes back: until it has caught up or was replaced, all else goes well. */
  async #doubt(manager: SimManager, damage: () => void = () => {}): Promise<void> {
    this.#lying = undefined
    this.#doubtful = manager
    manager.isHeldDown = true
    manager.isDamaged = true
    await manager.crash()
    manager.disk.faults.losesSyncs = false
    damage()
    await this.#repair()
    this.#reviewDoubt(manager, 0, undefined)
  }

  #reviewDoubt(manager: SimManager, calmReviews: number, caughtUpAt: number | undefined): void {
    this.#options.world.clock.after(DOUBT_REVIEW_MS, () => {
      if (!manager.isMember) return this.#endDoubt(manager)
      const leader = this.#options.leader()
      const commit = leader?.inside?.raft.logEnd().commit
      const isWhole = this.#options.managers.every(other => other === manager || !other.isMember || (other.isUp && (other.inside?.raft.logEnd().commit ?? 0) > 0 && other.inside?.raft.leadership.leaderId === leader?.inside?.raft.raftId))
      if (caughtUpAt !== undefined) {
        const raft = manager.inside?.raft
        const isVoter = leader?.inside?.raft.table.members.some(({ raftId, learner }) => raftId === raft?.raftId && !learner)
        if (isVoter === true && (raft?.logEnd().commit ?? 0) >= caughtUpAt) this.#endDoubt(manager)
        else this.#reviewDoubt(manager, 0, caughtUpAt)
      } else if (calmReviews >= CALM_REVIEWS && commit !== undefined) {
        manager.isHeldDown = false
        manager.start()
        this.#reviewDoubt(manager, 0, commit)
      } else {
        this.#reviewDoubt(manager, isWhole && leader !== undefined && leader !== manager ? calmReviews + 1 : 0, undefined)
      }
    })
  }

  #endDoubt(manager: SimManager): void {
    this.#options.world.events.note('doubtful manager has caught up')
    this.#doubtful = undefined
    manager.isHeldDown = false
    manager.isDamaged = false
    if (this.#isOn) this.#spoilNetwork()
  }

  async #repair(): Promise<void> {
    const { world: { faults }, managers, agents } = this.#options
    faults.healAll()
    faults.faults = { lossRate: 0, delayMinMs: 1, delayMaxMs: 5 }
    for (const host of [...managers, ...agents]) this.#goOn(host)
    for (const manager of managers) {
      if (manager.disk.faults.failure !== undefined) await manager.kill()
      manager.disk.faults.failure = undefined
      manager.disk.faults.room = undefined
      manager.start()
    }
  }

  // --- time

  /** Happens again and again while there are faults, at exponentially distributed intervals. */
  #repeat(gapMs: number, event: () => void): void {
    if (gapMs === Infinity) return
    this.#later(-Math.log(1 - this.#random.next()) * gapMs, () => {
      event()
      this.#repeat(gapMs, event)
    })
  }

  #later(delayMs: number, event: () => void): void {
    this.#options.world.clock.after(delayMs, () => { if (this.#isOn) event() })
  }

  #pick<T>(values: readonly T[]): T { return values[randomInt(this.#random, values.length)] as T }
}
