import assert from 'node:assert/strict'
import { Agent } from '../../agent/agent.ts'
import { ScriptedExecutor, ScriptedWorld, type TaskScript } from '../../agent/exec/scripted-executor.ts'
import { Manager } from '../../manager/manager.ts'
import { make, type Draft } from '../../src/api/codec/codec.ts'
import { CA_RPC, CONTROL_RPC, RAFT_MEMBERSHIP_RPC } from '../../src/api/codec/methods.ts'
import type { Node, Task } from '../../src/api/swarm/objects.ts'
import type { ServiceSpec } from '../../src/api/swarm/specs.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { MessageDialer } from '../../src/base/message-channel.ts'
import type { RpcClient, RpcIdentity } from '../../src/base/rpc.ts'
import { createCertificateRequest } from '../../src/ca/certificate-request.ts'
import { createJoinToken } from '../../src/ca/join-token.ts'
import { createRootCa } from '../../src/ca/root-ca.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { FaultyNetwork } from '../../src/platform/rpc/faulty-network.ts'
import { MemoryNetwork } from '../../src/platform/rpc/memory-rpc.ts'
import { createMemoryLog } from '../../src/platform/storage/memory-log.ts'
import { MemoryStore } from '../../src/platform/storage/memory-store.ts'
import { timePasses } from './time-passes.ts'

const CLUSTER_ID = 'cluster1'
const PORT = 2377
const ROUNDS_MAX = 600

/** One host with its agent; its processes and its disk outlive the agent. */
export interface MemoryNode {
  readonly name: string
  readonly nodeId: string
  readonly processes: ScriptedWorld
  readonly kv: MemoryStore
  agent: Agent
}

/** A whole cluster in memory on one clock: real managers, real agents, scripted tasks, a network with faults. Hosts are m1, m2, … and w1, w2, … */
export class MemorySwarm implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly faults: FaultyNetwork
  readonly logger = new MemoryLogger()
  script: (task: Task) => TaskScript = () => ({})
  readonly managers = new Map<string, Manager>()
  readonly nodes = new Map<string, MemoryNode>()
  readonly #network = new MemoryNetwork({ clock: this.clock })
  readonly #root: ReturnType<typeof createRootCa>
  readonly #tokens: { readonly worker: string; readonly manager: string }
  readonly #seed: number

  private constructor(seed: number) {
    const random = new SeededRandom(seed)
    this.#seed = seed
    this.faults = new FaultyNetwork({ clock: this.clock, random })
    this.#root = createRootCa({ nowMs: this.clock.nowMs(), random })
    this.#tokens = { worker: createJoinToken(this.#root.certPem, random), manager: createJoinToken(this.#root.certPem, random) }
  }

  /** Founds a cluster and lets everyone join. */
  static async start(options: { readonly managers: number; readonly workers: number; readonly seed?: number }): Promise<MemorySwarm> {
    const swarm = new MemorySwarm(options.seed ?? 1)
    for (let i = 1; i <= options.managers; i++) await swarm.#startManager(`m${i}`)
    await swarm.until('all managers vote', async () => (await swarm.local().unary(RAFT_MEMBERSHIP_RPC.members, {})).members.filter(member => !member.learner).length === options.managers)
    for (let i = 1; i <= options.workers; i++) await swarm.#startWorker(`w${i}`)
    await swarm.until('all workers are ready', async () => (await swarm.listNodes()).filter(node => node.status?.state === 'ready').length >= options.workers)
    return swarm
  }

  /** The own socket of some live manager. */
  local(): RpcClient {
    const [name] = this.managers.keys()
    return this.#network.createDialer().dial(`unix:/run/${name}`)
  }

  node(name: string): MemoryNode {
    const node = this.nodes.get(name)
    assert(node !== undefined)
    return node
  }

  async createService(draft: Draft<ServiceSpec>): Promise<string> {
    const { object } = await this.local().unary(CONTROL_RPC.create, { spec: { service: make('ServiceSpec', draft) } })
    return object?.service?.id ?? ''
  }

  async scale(id: string, replicas: number): Promise<void> {
    const service = (await this.local().unary(CONTROL_RPC.get, { kind: 'service', ref: id })).object?.service
    assert(service?.spec !== undefined)
    await this.local().unary(CONTROL_RPC.update, make('UpdateObjectRequest', { kind: 'service', id, version: service.meta?.version ?? 0, spec: { service: { ...service.spec, replicated: { replicas } } } }))
  }

  async removeService(id: string): Promise<void> { await this.local().unary(CONTROL_RPC.remove, { kind: 'service', ref: id, force: false }) }

  async listNodes(): Promise<readonly Node[]> {
    const { objects } = await this.local().unary(CONTROL_RPC.list, { kind: 'node', filters: {} })
    return objects.flatMap(object => object.node ?? [])
  }

  async tasks(): Promise<readonly Task[]> {
    const { objects } = await this.local().unary(CONTROL_RPC.list, { kind: 'task', filters: {} })
    return objects.flatMap(object => object.task ?? [])
  }

  /** Names of the hosts, once for each process that runs on it. */
  placement(): readonly string[] { return [...this.nodes.values()].flatMap(node => node.processes.running().map(() => node.name)).sort() }

  async killManager(name: string): Promise<void> {
    await this.managers.get(name)?.[Symbol.asyncDispose]()
    this.managers.delete(name)
  }

  leader(): string | undefined { return [...this.managers].find(([, manager]) => manager.status().leader)?.[0] }

  async restartAgent(name: string): Promise<void> {
    const node = this.node(name)
    await node.agent[Symbol.asyncDispose]()
    node.agent = this.#createAgent(node)
    await node.agent.start()
  }

  /** Lets time pass until it is so; a cluster without leader is asked again. */
  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      if (await this.during(async () => this.#isSoNow(isSo))) return
      await this.clock.advance(100)
    }
    const lines = this.logger.lines.filter(line => line.level !== 'debug').slice(-20).map(line => `${line.level} ${line.message} ${String(line.fields['err'] ?? '')} ${String(line.fields['node'] ?? '')}`)
    throw new Error(`seed ${this.#seed}: never came true: ${what}\n${lines.join('\n')}`)
  }

  /** Time passes while this goes on. */
  async during<T>(work: () => Promise<T>): Promise<T> { return timePasses(this.clock, work) }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.during(async () => {
      for (const node of this.nodes.values()) await node.agent[Symbol.asyncDispose]()
      for (const manager of this.managers.values()) await manager[Symbol.asyncDispose]()
    })
  }

  async #isSoNow(isSo: () => boolean | Promise<boolean>): Promise<boolean> {
    try {
      return await isSo()
    } catch (error) {
      if (error instanceof ShoalError && (error.kind === 'unavailable' || error.kind === 'deadline-exceeded')) return false
      throw error
    }
  }

  async #startManager(name: string): Promise<void> {
    const isFirst = this.managers.size === 0
    const nodeId = isFirst ? name : await this.#issue(this.#tokens.manager)
    const identity: RpcIdentity = { nodeId, role: 'manager', clusterId: CLUSTER_ID }
    const manager = await this.during(() => Manager.start({
      clock: this.clock, random: new SeededRandom(this.#seed * 1_000 + name.charCodeAt(1)), logger: this.logger.with({ node: name }), kv: new MemoryStore(), log: createMemoryLog(),
      dialer: this.#dialer(identity, name), server: this.#network.createServer(), localServer: this.#network.createServer(),
      listenAddress: `${name}:${PORT}`, localAddress: `unix:/run/${name}`, advertiseAddress: `${name}:${PORT}`, nodeId, clusterId: CLUSTER_ID, pid: 1, onStop: () => {},
      ...isFirst ? { bootstrap: {
        rootCertPem: this.#root.certPem, rootKeyPem: this.#root.keyPem, workerToken: this.#tokens.worker, managerToken: this.#tokens.manager, addressPool: [], subnetSize: 0, dataPathPort: 0,
      } } : { joinAddress: `m1:${PORT}` },
    }))
    this.managers.set(name, manager)
    await this.until(`${name} knows a leader`, () => manager.status().hasLeader)
  }

  async #startWorker(name: string): Promise<void> {
    const node = { name, nodeId: await this.#issue(this.#tokens.worker), processes: new ScriptedWorld(), kv: new MemoryStore() }
    const agent = this.#createAgent(node)
    this.nodes.set(name, { ...node, agent })
    await agent.start()
  }

  async #issue(token: string): Promise<string> {
    const csrPem = new TextEncoder().encode(createCertificateRequest().csrPem)
    let nodeId = ''
    await this.until('a certificate is issued', async () => {
      ({ nodeId } = await this.#network.createDialer().dial(`m1:${PORT}`).unary(CA_RPC.issueCertificate, { csrPem, token, availability: 'active' }))
      return true
    })
    return nodeId
  }

  #createAgent(node: Pick<MemoryNode, 'name' | 'nodeId' | 'processes' | 'kv'>): Agent {
    const description = make('NodeDescription', { hostname: node.name, platform: { os: 'linux', architecture: 'x86_64' }, resources: { nanoCpus: 4e9, memoryBytes: 8e9 }, dataAddress: '10.77.0.9' })
    return new Agent({
      clock: this.clock, random: new SeededRandom(this.#seed * 2_000 + node.name.charCodeAt(1)), logger: this.logger.with({ node: node.name }), nodeId: node.nodeId, kv: node.kv,
      dialer: this.#dialer({ nodeId: node.nodeId, role: 'worker', clusterId: CLUSTER_ID }, node.name), managers: [`m1:${PORT}`],
      executor: new ScriptedExecutor({ clock: this.clock, world: node.processes, description, script: task => this.script(task) }),
    })
  }

  #dialer(identity: RpcIdentity, host: string): MessageDialer {
    return this.faults.wrap(this.#network.createDialer({ identity, remoteAddress: '10.77.0.9' }), host)
  }
}
