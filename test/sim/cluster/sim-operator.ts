import { ShoalError } from '../../../src/base/errors.ts'
import { randomInt } from '../../../src/base/random.ts'
import type { RpcDialer } from '../../../src/base/rpc.ts'
import { createControlBackend } from '../../../src/daemon/control-client.ts'
import { Staleness } from '../../../src/daemon/staleness.ts'
import type { ControlBackend } from '../../../src/http/routes/control-backend.ts'
import { MembershipClient } from '../../../manager/raft/membership-client.ts'
import { ProcessClock } from './sim-clock.ts'
import type { SimAgent } from './sim-agent.ts'
import type { SimManager } from './sim-manager.ts'
import type { SimWorld } from './sim-process.ts'

/** Managers are removed down to so many; to more while a disk may forget what it took, for two managers do not survive that. */
const MEMBERS_MIN = 2
const MEMBERS_MIN_IN_DOUBT = 3
const RETRY_MS = 1000

/** Somebody who makes managers of hosts and workers of managers: promotes, demotes, has them leave and join. */
export class SimOperator {
  readonly #world: SimWorld
  readonly #managers: readonly SimManager[]
  readonly #agents: readonly SimAgent[]
  readonly #dialer: RpcDialer
  readonly #clock: ProcessClock
  readonly #staleness = new Staleness()

  constructor(world: SimWorld, hosts: { readonly managers: readonly SimManager[]; readonly agents: readonly SimAgent[] }) {
    this.#world = world
    this.#managers = hosts.managers
    this.#agents = hosts.agents
    this.#dialer = world.network.createDialer({ identity: { nodeId: 'operator', role: 'manager', clusterId: world.clusterId } })
    this.#clock = new ProcessClock(world.clock)
  }

  /** Makes one change of the managers. @param kept is not removed: its disk may forget something */
  change(kept: SimManager | undefined): void {
    const { events, random } = this.#world
    const members = this.#managers.filter(({ isMember }) => isMember)
    const spare = this.#managers.filter(({ isMember }) => !isMember)
    const chosen = members[randomInt(random, members.length)]
    const added = spare[randomInt(random, spare.length)]
    if (added !== undefined && random.next() < (members.length <= MEMBERS_MIN ? 0.9 : 0.5)) {
      events.note('manager joins')
      void this.#setRole(added, 'manager')
      added.join()
    } else if (members.length > (kept === undefined ? MEMBERS_MIN : MEMBERS_MIN_IN_DOUBT) && chosen !== undefined && chosen !== kept) {
      void this.#remove(chosen)
    }
  }

  /** Sets right what came of changes that were asked for at once: who is to be a manager may be one. */
  review(leader: SimManager): void {
    const { store, raft } = leader.inside ?? {}
    const addresses = raft?.table.members.map(({ addr }) => addr) ?? []
    for (const agent of this.#agents) {
      if (!agent.isUp || agent.managers.some(addr => addresses.includes(addr))) continue
      // All that it was told of are managers no more; its configuration names others.
      this.#world.events.note('agent knows no manager any more')
      void agent.crash().then(() => agent.start())
    }
    for (const manager of this.#managers) {
      const isIn = raft?.table.members.some(({ nodeId }) => nodeId === manager.nodeId) === true
      if (!manager.isMember) continue
      // It asks the manager that it was told of when it was started. If that is none any more, or stays down, whoever runs it names another; otherwise it has to manage alone.
      const isThere = addresses.includes(manager.joinAddress) && this.#managers.some(({ address, isHeldDown }) => address === manager.joinAddress && !isHeldDown)
      if (manager.inside?.raft.isStarted === false && !isThere) void manager.kill().then(() => manager.start())
      if (isIn) continue
      const own = manager.inside?.raft.raftId ?? 0
      // All that it knew were removed as well: on a real host its agent hears of it, from any manager.
      if (raft?.table.removed.includes(own) === true) {
        this.#world.events.note('manager is told by its agent that it was removed')
        void manager.retire()
        continue
      }
      if (store?.view().get('node', manager.nodeId)?.spec?.role === 'worker') void this.#setRole(manager, 'manager')
    }
  }

  async #remove(manager: SimManager): Promise<void> {
    const { events, random } = this.#world
    try {
      if (random.next() < 0.5) {
        events.note('manager demoted')
        await this.#giveRole(manager, 'worker')
        return
      }
      events.note('manager leaves')
      const via = this.#anyOther(manager)
      await new MembershipClient({ dialer: this.#dialer, clock: this.#clock, random }).leave(via.address, manager.nodeId)
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
      events.note(`refused: ${error.code}`)
    }
  }

  /** Until it was done. */
  async #setRole(manager: SimManager, role: 'manager' | 'worker'): Promise<void> {
    for (;;) {
      try {
        return await this.#giveRole(manager, role)
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error
      }
      await this.#clock.sleep(RETRY_MS)
    }
  }

  async #giveRole(manager: SimManager, role: 'manager' | 'worker'): Promise<void> {
    const backend = this.#backend(this.#anyOther(manager))
    const node = await backend.get('node', manager.nodeId)
    if (node.spec === undefined || node.spec.role === role) return
    await backend.update({ kind: 'node', id: node.id, version: node.meta?.version ?? 0, spec: { ...node.spec, role } })
  }

  #backend(asked: SimManager): ControlBackend {
    const client = this.#dialer.dial(asked.localAddress)
    return createControlBackend({
      manager: () => client, failure: () => '', untilManagerAnswers: () => this.#clock.sleep(RETRY_MS), staleness: this.#staleness, clock: this.#clock, random: this.#world.random,
    })
  }

  #anyOther(manager: SimManager): SimManager {
    const others = this.#managers.filter(each => each !== manager && each.isMember && each.isUp)
    return others[randomInt(this.#world.random, others.length)] ?? this.#managers.find(each => each !== manager && each.isMember) ?? manager
  }
}
