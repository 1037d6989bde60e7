import { Manager } from '../../manager/manager.ts'
import { make } from '../../src/api/codec/codec.ts'
import { CA_RPC, CONTROL_RPC, RAFT_MEMBERSHIP_RPC } from '../../src/api/codec/methods.ts'
import type { Node } from '../../src/api/swarm/objects.ts'
import type { NodeRole } from '../../src/api/swarm/specs.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { randomInt } from '../../src/base/random.ts'
import type { RpcClient } from '../../src/base/rpc.ts'
import { createCertificateRequest } from '../../src/ca/certificate-request.ts'
import { createJoinToken } from '../../src/ca/join-token.ts'
import { createRootCa } from '../../src/ca/root-ca.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { MemoryNetwork } from '../../src/platform/rpc/memory-rpc.ts'
import { createMemoryLog } from '../../src/platform/storage/memory-log.ts'
import { MemoryStore } from '../../src/platform/storage/memory-store.ts'
import { timePasses } from './time-passes.ts'

const CLUSTER_ID = 'cluster1'
const PORT = 2377
const LIMIT_MS = 60_000
const STEP_MS = 100

interface Host { readonly name: string; nodeId: string; manager: Manager | undefined; disk: { readonly kv: MemoryStore; readonly log: ReturnType<typeof createMemoryLog> } | undefined; state: 'up' | 'killed' | 'left' }
export interface Outcome { readonly command: string; readonly code: string; readonly message: string }

/** Hosts of one cluster in memory, each of which runs a manager while its node's role says so, as the daemon does; and commands about their roles. */
export class RoleWorld implements AsyncDisposable {
  readonly clock = new FakeClock()
  /** What became of each command; no code: it was accepted. */
  readonly outcomes: Outcome[] = []
  readonly #network = new MemoryNetwork({ clock: this.clock })
  readonly #logger = new MemoryLogger()
  readonly #random: SeededRandom
  readonly #root: ReturnType<typeof createRootCa>
  readonly #tokens: { readonly worker: string; readonly manager: string }
  readonly #hosts = new Map<string, Host>()
  /** As the hosts' agents last heard. */
  readonly #roles = new Map<string, NodeRole>()
  readonly #seed: number
  #starts = 0
  #writes = 0

  private constructor(seed: number) {
    this.#seed = seed
    this.#random = new SeededRandom(seed)
    this.#root = createRootCa({ nowMs: this.clock.nowMs(), random: this.#random })
    this.#tokens = { worker: createJoinToken(this.#root.certPem, this.#random), manager: createJoinToken(this.#root.certPem, this.#random) }
  }

  static async start(seed: number, managers: number): Promise<RoleWorld> {
    const world = new RoleWorld(seed)
    for (let i = 1; i <= managers; i++) await world.#join(`h${i}`)
    await world.untilConverged()
    return world
  }

  /** Hosts whose manager runs. */
  managers(): readonly string[] { return [...this.#hosts.values()].filter(host => host.manager !== undefined).map(({ name }) => name).sort() }

  /** The manager of a host, as that host's own daemon asks it. */
  local(name: string): RpcClient { return this.#network.createDialer().dial(`unix:/run/${name}`) }
  /** The host whose manager leads, as far as one does. */
  leader(): string | undefined { return [...this.#hosts.values()].find(host => host.manager?.status().leader === true)?.name }

  /** Hosts that vote, as the leader says. */
  async voters(): Promise<readonly string[]> { return (await this.#voterIds()).map(id => [...this.#hosts.values()].find(host => host.nodeId === id)?.name ?? id).sort() }

  async setRole(name: string, role: NodeRole, via: string): Promise<void> {
    await this.#command(`${name} becomes ${role}, via ${via}`, async () => {
      const client = this.local(via)
      const node = (await client.unary(CONTROL_RPC.get, { kind: 'node', ref: this.#host(name).nodeId })).object?.node
      if (node?.spec === undefined || node.spec.role === role) return
      await client.unary(CONTROL_RPC.update, make('UpdateObjectRequest', { kind: 'node', id: node.id, version: node.meta?.version ?? 0, spec: { node: { ...node.spec, role } } }))
    })
  }

  /** As `docker swarm leave --force` on a manager; if the others can do without. */
  async leave(name: string): Promise<void> {
    const host = this.#host(name)
    await this.#command(`${name} leaves`, async () => {
      await this.local(name).unary(RAFT_MEMBERSHIP_RPC.leave, { nodeId: host.nodeId })
      await this.#stop(host)
      host.disk = undefined
      host.state = 'left'
    })
  }

  async remove(name: string, via: string): Promise<void> {
    await this.#command(`${name} is removed, via ${via}`, async () => { await this.local(via).unary(CONTROL_RPC.remove, { kind: 'node', ref: this.#host(name).nodeId, force: true }) })
  }

  /** Its manager's process ends and does not come back until reviveAll(). */
  async kill(name: string): Promise<void> {
    const host = this.#host(name)
    host.state = 'killed'
    await this.during(() => this.#stop(host))
    await this.clock.advance(3_000)
  }

  reviveAll(): void { for (const host of this.#hosts.values()) if (host.state === 'killed') host.state = 'up' }

  /** One to three commands at once, or a kill that leaves a quorum. */
  async batch(): Promise<void> {
    const chance = this.#random.next()
    if (chance < 0.15) return this.#killOne()
    if (chance < 0.25) {
      this.reviveAll()
      return
    }
    const commands = Array.from({ length: 1 + randomInt(this.#random, 3) }, () => this.#randomCommand())
    await this.during(async () => { await Promise.all(commands.map(command => command())) })
    await this.#pass(randomInt(this.#random, 12_000))
  }

  /** A leader takes a write. */
  async checkWritable(): Promise<void> {
    await this.until('a write is taken', async () => {
      const via = this.#viaLeader()
      if (via === undefined) return false
      await this.local(via).unary(CONTROL_RPC.create, { spec: { config: make('ConfigSpec', { annotations: { name: `write-${this.#writes++}` }, data: Uint8Array.of(1) }) } })
      return true
    })
  }

  /** All nodes have the role that was asked for, exactly the managers vote, and their managers are the ones that run. */
  async untilConverged(): Promise<void> {
    await this.until('roles are as asked for', async () => {
      const nodes = await this.#nodes()
      const present = nodes.filter(({ id }) => [...this.#hosts.values()].some(host => host.nodeId === id && host.state !== 'left'))
      const wanted = present.filter(({ spec }) => spec?.role === 'manager').map(({ id }) => id).sort()
      const running = [...this.#hosts.values()].filter(host => host.manager !== undefined).map(({ nodeId }) => nodeId).sort()
      const voters = await this.#voterIds()
      return wanted.length > 0 && present.every(({ role, spec }) => role === spec?.role) && voters.join() === wanted.join() && running.join() === wanted.join()
    })
  }

  /** Starts a manager on a host that is none, as a daemon would that has not heard. */
  async startUnwanted(name: string): Promise<Manager> {
    const host = this.#host(name)
    await this.during(() => this.#start(host))
    if (host.manager === undefined) throw new Error('it did not start')
    host.state = 'killed' // so that nobody stops it
    return host.manager
  }

  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    for (let passedMs = 0; passedMs < LIMIT_MS; passedMs += STEP_MS) {
      await this.#tend()
      try {
        if (await this.during(async () => isSo())) return
      } catch (error) {
        if (!(error instanceof ShoalError) || (error.kind !== 'unavailable' && error.kind !== 'deadline-exceeded')) throw error
      }
      await this.clock.advance(STEP_MS)
    }
    const nodes = await this.during(() => this.#nodes()).catch((error: unknown) => String(error))
    throw new Error(`seed ${this.#seed}: never came true: ${what}\ncommands: ${JSON.stringify(this.outcomes, null, 1)}\nhosts: ${JSON.stringify([...this.#hosts.values()].map(host => [host.name, host.nodeId, host.state, host.manager?.status()]))}\n`
      + `nodes: ${JSON.stringify(typeof nodes === 'string' ? nodes : nodes.map(node => [node.id, node.role, node.spec?.role, node.managerStatus]))}\n${this.#logger.lines.filter(line => line.level !== 'debug').slice(-25).map(line => `${line.message} ${JSON.stringify(line.fields)} ${String(line.fields['err'] ?? '')}`).join('\n')}`)
  }

  /** Time passes while this goes on. */
  async during<T>(work: () => Promise<T>): Promise<T> { return timePasses(this.clock, work) }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.during(async () => { for (const host of this.#hosts.values()) await this.#stop(host) })
  }

  #randomCommand(): () => Promise<void> {
    const via = this.#pick(this.managers().filter(name => this.#host(name).manager?.status().hasLeader === true))
    const up = [...this.#hosts.values()].filter(({ state }) => state !== 'left').map(({ name }) => name)
    const left = [...this.#hosts.values()].filter(({ state }) => state === 'left').map(({ name }) => name)
    const chance = this.#random.next()
    if (chance < 0.12 && this.managers().length > 2) return () => this.leave(via)
    if (chance < 0.22 && left.length > 0) return () => this.remove(this.#pick(left), via)
    const name = this.#pick(up)
    const role = chance < 0.6 ? 'worker' : 'manager'
    return () => this.setRole(name, role, via)
  }

  /** Only one that the others can do without, and when nothing else is under way. */
  async #killOne(): Promise<void> {
    await this.#pass(8_000)
    const voters = await this.during(() => this.voters())
    const running = voters.filter(name => this.#host(name).manager !== undefined)
    if (running.length - 1 > voters.length / 2) await this.kill(this.#pick(running))
  }

  #pick(names: readonly string[]): string {
    const name = names[randomInt(this.#random, Math.max(1, names.length))]
    if (name === undefined) throw new Error('nobody to choose from')
    return name
  }

  async #command(command: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.outcomes.push({ command, code: '', message: '' })
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
      this.outcomes.push({ command, code: error.code, message: error.message })
    }
  }

  async #pass(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += STEP_MS) {
      await this.#tend()
      await this.clock.advance(STEP_MS)
    }
  }

  /** What each host's daemon does: a manager where the role says so, none where not, a new one where it was removed. */
  async #tend(): Promise<void> {
    try {
      for (const node of await this.during(() => this.#nodes())) this.#roles.set(node.id, node.role)
    } catch (error) {
      // Without a leader nobody can say: the roles that were last seen count.
      if (!(error instanceof ShoalError)) throw error
    }
    for (const host of this.#hosts.values()) {
      if (host.state !== 'up') continue
      const role = this.#roles.get(host.nodeId)
      if (host.manager !== undefined && await this.#hasEnded(host.manager)) {
        await this.during(() => this.#stop(host))
        host.disk = undefined
      }
      if (role === 'worker' && host.manager !== undefined) {
        await this.during(() => this.#stop(host))
        host.disk = undefined
      }
      if (role === 'manager' && host.manager === undefined) await this.during(() => this.#start(host))
    }
  }

  async #hasEnded(manager: Manager): Promise<boolean> {
    const stop = await Promise.race([manager.stopped, Promise.resolve(undefined)])
    if (stop?.kind === 'failed') throw new Error(`a manager failed: ${String(stop.error)}`)
    return stop !== undefined
  }

  /** Of those that vote, as a running manager knows. */
  async #voterIds(): Promise<readonly string[]> {
    const leader = this.leader()
    if (leader === undefined) return []
    const { members } = await this.local(leader).unary(RAFT_MEMBERSHIP_RPC.members, {})
    return members.filter(({ learner }) => !learner).map(({ nodeId }) => nodeId).sort()
  }

  /** A manager that answers: one that was just removed and asks to join again does not. */
  #viaLeader(): string | undefined { return [...this.#hosts.values()].find(host => host.manager?.status().hasLeader === true)?.name }

  async #nodes(): Promise<readonly Node[]> {
    const via = this.#viaLeader()
    if (via === undefined) return []
    return (await this.local(via).unary(CONTROL_RPC.list, { kind: 'node', filters: {} })).objects.flatMap(({ node }) => node ?? [])
  }

  #host(name: string): Host {
    const host = this.#hosts.get(name)
    if (host === undefined) throw new Error(`no host ${name}`)
    return host
  }

  async #join(name: string): Promise<void> {
    const host: Host = { name, nodeId: name, manager: undefined, disk: undefined, state: 'up' }
    if (this.#hosts.size > 0) {
      await this.until(`${name} has a certificate`, async () => {
        const csrPem = new TextEncoder().encode(createCertificateRequest().csrPem)
        host.nodeId = (await this.#network.createDialer().dial(`h1:${PORT}`).unary(CA_RPC.issueCertificate, { csrPem, token: this.#tokens.manager, availability: 'active' })).nodeId
        return true
      })
    }
    this.#hosts.set(name, host)
    await this.during(() => this.#start(host))
  }

  async #start(host: Host): Promise<void> {
    const others = this.managers()
    const isFirst = this.#hosts.size === 1 && host.disk === undefined
    host.disk ??= { kv: new MemoryStore(), log: createMemoryLog() }
    const random = new SeededRandom(this.#seed * 1_000 + this.#starts++)
    host.manager = await Manager.start({
      clock: this.clock, random, logger: this.#logger.with({ node: host.name }), ...host.disk, nodeId: host.nodeId, clusterId: CLUSTER_ID, pid: 1, onStop: () => {},
      dialer: this.#network.createDialer({ identity: { nodeId: host.nodeId, role: 'manager', clusterId: CLUSTER_ID }, remoteAddress: host.name }), server: this.#network.createServer(), localServer: this.#network.createServer(),
      listenAddress: `${host.name}:${PORT}`, localAddress: `unix:/run/${host.name}`, advertiseAddress: `${host.name}:${PORT}`, contacts: others.map(name => `${name}:${PORT}`),
      ...isFirst ? { bootstrap: {
        rootCertPem: this.#root.certPem, rootKeyPem: this.#root.keyPem, workerToken: this.#tokens.worker, managerToken: this.#tokens.manager, addressPool: [], subnetSize: 0, dataPathPort: 0,
      } } : { joinAddress: `${this.#pick(others.length > 0 ? others : [host.name])}:${PORT}` },
    })
  }

  async #stop(host: Host): Promise<void> {
    const { manager } = host
    host.manager = undefined
    await manager?.[Symbol.asyncDispose]()
  }
}
