import { MemberFinder } from '../../manager/raft/member-finder.ts'
import { MembershipClient } from '../../manager/raft/membership-client.ts'
import { Membership } from '../../manager/raft/membership.ts'
import { RaftNode, type RaftNodeOptions } from '../../manager/raft/raft-node.ts'
import { RAFT_MESSAGES } from '../../manager/raft/peer-stream.ts'
import { messagesHandler, registerRaftService } from '../../manager/raft/raft-service.ts'
import { ReplicatedStore } from '../../manager/store/replicated-store.ts'
import { make } from '../../src/api/codec/codec.ts'
import type { RpcServer } from '../../src/base/rpc.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { FaultyNetwork } from '../../src/platform/rpc/faulty-network.ts'
import { MemoryNetwork } from '../../src/platform/rpc/memory-rpc.ts'
import { CrashDisk } from '../../src/platform/storage/crash-disk.ts'

export const CLUSTER_ID = 'cluster'
const STEP_MS = 50

/** One manager that runs: raft, store and server. */
export interface Host {
  readonly name: string
  readonly disk: CrashDisk
  readonly server: RpcServer
  readonly raft: RaftNode
  readonly store: ReplicatedStore
  readonly membership: Membership
  readonly finder: MemberFinder
  readonly client: MembershipClient
}

/** Managers in one process on fake time, network and disks. Each is called by its host name and listens at "name:1". */
export class RaftCluster {
  readonly clock = new FakeClock()
  readonly logger = new MemoryLogger()
  readonly network: MemoryNetwork
  readonly faults: FaultyNetwork
  readonly hosts = new Map<string, Host>()
  readonly disks = new Map<string, CrashDisk>()
  readonly #random: SeededRandom
  readonly #options: Partial<RaftNodeOptions>

  constructor(options: Partial<RaftNodeOptions> & { readonly seed?: number } = {}) {
    this.#options = options
    this.#random = new SeededRandom(options.seed ?? 1)
    this.network = new MemoryNetwork({ clock: this.clock })
    this.faults = new FaultyNetwork({ clock: this.clock, random: this.#random })
  }

  /** Starts a manager on its disk, as its process would. */
  async boot(name: string, options: Partial<RaftNodeOptions> = {}): Promise<Host> {
    const disk = this.disks.get(name) ?? new CrashDisk(this.clock, this.#random)
    this.disks.set(name, disk)
    const { clock, logger } = this
    const random = this.#random
    const identity = { nodeId: name, role: 'manager', clusterId: CLUSTER_ID } as const
    const dialer = this.faults.wrap(this.network.createDialer({ identity, remoteAddress: name }), name)
    const store = await ReplicatedStore.open(disk.openKv())
    const raft = await RaftNode.open({ clusterId: CLUSTER_ID, nodeId: name, addr: `${name}:1`, log: disk.openLog(), machine: store, dialer, clock, random, logger: logger.with({ node: name }), ...this.#options, ...options })
    store.attach(raft)
    const membership = new Membership({ raft, dialer, clock, random, logger: logger.with({ node: name }) })
    const server = this.network.createServer()
    registerRaftService(server, raft, membership)
    server.handleMessages(RAFT_MESSAGES, messagesHandler(raft))
    await server.listen(raft.addr.startsWith('0.0.0.0') ? `${name}:1` : raft.addr)
    const finder = new MemberFinder({ raft, dialer, clock, random, logger: logger.with({ node: name }), contacts: [] })
    const host = { name, disk, server, raft, store, membership, finder, client: new MembershipClient({ dialer, clock, random }) }
    this.hosts.set(name, host)
    return host
  }

  /** Boots the first manager and waits until it leads. */
  async bootstrap(name: string): Promise<Host> {
    const host = await this.boot(name)
    await host.raft.bootstrap()
    await this.until(() => host.raft.isLeader)
    return host
  }

  /** Boots a manager that joins through `via`, and waits until it is a voter. */
  async join(name: string, via: string): Promise<Host> {
    const host = await this.boot(name)
    await host.raft.start(await this.running(host.client.join(`${via}:1`, { addr: host.raft.addr, raftId: 0 })))
    await this.until(() => host.raft.table.confState.voters.includes(host.raft.raftId))
    return host
  }

  /** Three managers: a, which leads, b and c. */
  async three(): Promise<readonly [Host, Host, Host]> {
    return [await this.bootstrap('a'), await this.join('b', 'a'), await this.join('c', 'a')]
  }

  /** Ends the process in an orderly way. */
  async stop(name: string): Promise<void> {
    const host = this.hosts.get(name)
    if (host === undefined) return
    this.hosts.delete(name)
    await this.running(dispose(host))
  }

  /** Pulls the plug. */
  crash(name: string): void {
    const host = this.hosts.get(name)
    if (host === undefined) return
    this.hosts.delete(name)
    host.disk.crash()
    // Its calls to the dead disk never come back, so neither does this.
    void dispose(host)
  }

  async stopAll(): Promise<void> {
    for (const name of [...this.hosts.keys()]) await this.stop(name)
  }

  /** Lets time pass until `condition` holds. */
  async until(condition: () => boolean, limitMs = 30_000): Promise<void> {
    for (let passedMs = 0; !condition(); passedMs += STEP_MS) {
      if (passedMs >= limitMs) throw new Error(`not so within ${limitMs} ms: ${condition.toString()}\n${this.describe()}`)
      await this.clock.advance(STEP_MS)
    }
  }

  /** Lets time pass until the promise settles. */
  async running<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const done = (): void => { isSettled = true }
    promise.then(done, done)
    await this.until(() => isSettled, 60_000)
    return promise
  }

  /** The manager that leads, once exactly one does. */
  async leader(): Promise<Host> {
    const leaders = (): Host[] => [...this.hosts.values()].filter(host => host.raft.isLeader)
    await this.until(() => leaders().length === 1)
    return leaders()[0] as Host
  }

  /** Creates a service of this name on the leader's store. */
  async write(host: Host, name: string): Promise<void> {
    await this.running(host.store.update(tx => tx.create('service', make('Service', { id: name, spec: { annotations: { name } } }))))
  }

  names(host: Host): readonly string[] { return host.store.view().list('service').map(service => service.id) }

  describe(): string {
    return [...this.hosts.values()].map(({ name, raft, store }) => {
      const status = raft.status()
      return `${name}: ${status?.role} term ${status?.term} commit ${status?.commit} applied ${store.appliedIndex} members ${raft.table.members.map(member => member.nodeId + (member.learner ? '?' : '')).join(',')}`
    }).join('\n')
  }
}

async function dispose({ server, membership, finder, raft, store }: Host): Promise<void> {
  await finder[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await membership[Symbol.asyncDispose]()
  await raft[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
}
