import assert from 'node:assert/strict'
import test from 'node:test'
import { make } from '../src/api/codec/codec.ts'
import { CA_RPC, CONTROL_RPC, DISPATCHER_RPC, MANAGER_ADMIN_RPC, RAFT_MEMBERSHIP_RPC, RECOVERY_RPC } from '../src/api/codec/methods.ts'
import type { AssignmentsMessage } from '../src/api/swarm/dispatcher.ts'
import type { Service, Task } from '../src/api/swarm/objects.ts'
import { hasCode, ShoalError } from '../src/base/errors.ts'
import type { AppendLog } from '../src/base/storage.ts'
import { streamOf, type RpcClient, type RpcIdentity } from '../src/base/rpc.ts'
import { createCertificateRequest } from '../src/ca/certificate-request.ts'
import { createJoinToken } from '../src/ca/join-token.ts'
import { readNodeCertificate } from '../src/ca/node-certificate.ts'
import { createRootCa } from '../src/ca/root-ca.ts'
import { FakeClock } from '../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../src/platform/log/memory-logger.ts'
import { MemoryNetwork } from '../src/platform/rpc/memory-rpc.ts'
import { createMemoryLog } from '../src/platform/storage/memory-log.ts'
import { MemoryStore } from '../src/platform/storage/memory-store.ts'
import { Manager } from './manager.ts'

const CLUSTER_ID = 'cluster1'
const PORT = 2377
const WORKER_GRACE_MS = 600_000

test('a new cluster has its cluster object, its first node and the ingress network', async () => {
  await using world = await World.found()
  const { objects } = await world.local('m1').unary(CONTROL_RPC.list, { kind: 'network', filters: {} })
  assert.equal(objects[0]?.network?.spec?.annotations?.name, 'ingress')
  assert.equal(objects[0]?.network?.state?.ipam?.configs[0]?.subnet, '10.0.0.0/24')
  const cluster = await world.local('m1').unary(CONTROL_RPC.get, { kind: 'cluster', ref: 'default' })
  assert.equal(cluster.object?.cluster?.rootCa?.keyPem.length, 0)
  const node = await world.local('m1').unary(CONTROL_RPC.get, { kind: 'node', ref: 'm1' })
  assert.equal(node.object?.node?.managerStatus?.leader, true)
  assert.equal((await world.local('m1').unary(MANAGER_ADMIN_RPC.status, {})).leader, true)
})

test('a service runs: tasks reach the agent, its reports reach the service status', async () => {
  await using world = await World.found()
  const agent = new ScriptedAgent(world, world.local('m1'))
  await agent.start()
  const id = await world.createService('web', 2)
  await world.until(async () => await world.running(id) === 2)
  assert.equal(agent.tasks.size, 2)
  await world.local('m1').unary(CONTROL_RPC.remove, { kind: 'service', ref: 'web', force: false })
  await world.until(async () => agent.tasks.size === 0)
})

test('a node joins by token, gets the role of the token, and renews in its role of now', async () => {
  await using world = await World.found()
  const stranger = world.network.createDialer({ remoteAddress: '10.77.0.5' }).dial(`m1:${PORT}`)
  const csrPem = (): Uint8Array => new TextEncoder().encode(createCertificateRequest().csrPem)
  const issue = (client: RpcClient, token: string) => client.unary(CA_RPC.issueCertificate, { csrPem: csrPem(), token, availability: 'active' })
  await rejects(issue(stranger, 'SWMTKN-1-wrong'), 'join-token-needed')
  await rejects(stranger.unary(CONTROL_RPC.list, { kind: 'node', filters: {} }), 'no-certificate')
  const issued = await issue(stranger, world.tokens.worker)
  assert.equal(issued.role, 'worker')
  const identity = readNodeCertificate(new TextDecoder().decode(issued.certPem))
  assert.deepEqual([identity.nodeId, identity.role, identity.clusterId], [issued.nodeId, 'worker', CLUSTER_ID])
  const worker = world.dial('m1', { nodeId: issued.nodeId, role: 'worker', clusterId: CLUSTER_ID })
  await rejects(worker.unary(CONTROL_RPC.list, { kind: 'node', filters: {} }), 'not-allowed')
  await world.promote(issued.nodeId)
  await world.until(async () => (await issue(worker, '')).role === 'manager')
  await rejects(world.dial('m1', { nodeId: issued.nodeId, role: 'worker', clusterId: 'other' }).unary(DISPATCHER_RPC.heartbeat, { sessionId: '', appliedNetworks: [] }), 'wrong-cluster')
})

test('a removed node is refused from then on', async () => {
  await using world = await World.found()
  const stranger = world.network.createDialer().dial(`m1:${PORT}`)
  const { nodeId } = await stranger.unary(CA_RPC.issueCertificate, { csrPem: new TextEncoder().encode(createCertificateRequest().csrPem), token: world.tokens.worker, availability: 'active' })
  await world.local('m1').unary(CONTROL_RPC.remove, { kind: 'node', ref: nodeId, force: true })
  await rejects(world.dial('m1', { nodeId, role: 'worker', clusterId: CLUSTER_ID }).unary(DISPATCHER_RPC.heartbeat, { sessionId: '', appliedNetworks: [] }), 'node-removed')
})

test('the log is compacted as often as the cluster says', async () => {
  await using world = await World.found()
  const sizeAfterWrites = async (): Promise<number> => {
    for (let i = 0; i < 60; i++) await world.createNetwork(`network${world.clock.nowMs()}x${i}`)
    return world.logBytes('m1')
  }
  const before = await sizeAfterWrites()
  const { object } = await world.local('m1').unary(CONTROL_RPC.get, { kind: 'cluster', ref: 'default' })
  const cluster = object?.cluster
  assert.ok(cluster?.spec?.raft)
  const spec = { ...cluster.spec, raft: { ...cluster.spec.raft, snapshotInterval: 10, logEntriesForSlowFollowers: 2 } }
  await world.local('m1').unary(CONTROL_RPC.update, make('UpdateObjectRequest', { kind: 'cluster', id: cluster.id, version: cluster.meta?.version ?? 0, spec: { cluster: spec } }))
  await world.clock.advance(1000)
  assert.ok(await sizeAfterWrites() < before, 'twice the writes, in less than they took before')
})

test('three managers: any of them answers, and the cluster goes on when the leader dies', async () => {
  await using world = await World.found()
  await world.join('m2')
  await world.join('m3')
  await world.untilVoters(3)
  const agent = new ScriptedAgent(world, world.local('m2'))
  await agent.start()
  const id = await world.createService('web', 1, 'm3')
  await world.until(async () => await world.running(id, 'm2') === 1)
  await world.kill('m1')
  await world.until(async () => ['m2', 'm3'].some(name => world.manager(name).status().leader))
  await world.until(async () => await agent.isRegistered())
  const service = (await world.local('m2').unary(CONTROL_RPC.get, { kind: 'service', ref: id })).object?.service
  assert(service?.spec !== undefined)
  await world.local('m3').unary(CONTROL_RPC.update, make('UpdateObjectRequest', {
    kind: 'service', id, version: service.meta?.version ?? 0, spec: { service: { ...service.spec, replicated: { replicas: 3 } } },
  }))
  await world.until(async () => await world.running(id, 'm3') === 3)
})

test('without a quorum a survivor goes on answering reads from its own state, marked stale, and refuses writes at once, naming who is missing', async () => {
  await using world = await World.found()
  await world.join('m2')
  await world.join('m3')
  await world.untilVoters(3)
  const id = await world.createService('web', 1)
  // The third has it a moment after a majority (D-743).
  await world.until(async () => {
    const { managers } = await world.local('m1').unary(RECOVERY_RPC.survey, {})
    return managers.every(({ logEnd }) => logEnd !== undefined && logEnd.applied === managers[0]?.logEnd?.applied)
  })
  await world.kill('m1')
  await world.kill('m2')
  const survivor = world.local('m3')
  await world.until(async () => world.manager('m3').status().leaderlessMs > 6_000)
  const { object, staleMs } = await survivor.unary(CONTROL_RPC.get, { kind: 'service', ref: id })
  assert.equal(object?.service?.id, id)
  assert(staleMs >= 6_000, `${staleMs} ms`)
  assert((await survivor.unary(CONTROL_RPC.list, { kind: 'node', filters: {} })).staleMs >= 6_000)
  const refused = await world.createService('more', 1, 'm3').then(() => undefined, (error: Error) => error)
  assert(hasCode(refused, 'no-leader'))
  assert.match(refused?.message ?? '', /^The swarm does not have a leader\..* 1 of 3 managers are up as seen from here, and 2 are needed\. Missing: .*m1:2377.*m2:2377/)
  assert.match(world.manager('m3').status().leaderlessReason, /Missing: /)
  const { managers, selfId } = await survivor.unary(RECOVERY_RPC.survey, {})
  assert.deepEqual(managers.map(({ member, logEnd }) => [member?.addr, logEnd?.raftId === selfId, (logEnd?.lastIndex ?? 0) > 0]).sort(), [[`m1:${PORT}`, false, false], [`m2:${PORT}`, false, false], [`m3:${PORT}`, true, true]])
  await world.start('m1', undefined)
  await world.until(async () => world.manager('m3').status().hasLeader)
  await world.createService('more', 1, 'm3')
  assert.equal((await survivor.unary(CONTROL_RPC.get, { kind: 'service', ref: 'more' })).staleMs, 0)
})

test('a write that meets a dead leader waits for the next one instead of failing', async () => {
  await using world = await World.found()
  await world.join('m2')
  await world.join('m3')
  await world.untilVoters(3)
  await world.kill('m1')
  let created: string | undefined
  const writing = world.createService('web', 1, 'm3').then(id => { created = id })
  await world.until(async () => created !== undefined)
  await writing
  assert(['m2', 'm3'].some(name => world.manager(name).status().leader))
})

test('a leader whose disk takes longer than an election timeout acknowledges nothing, serves no more as leader, and passes on what it is asked while it still hangs', async () => {
  await using world = await World.found()
  await world.join('m2')
  await world.join('m3')
  await world.untilVoters(3)
  const release = world.hangDisk('m1')
  let outcome = 'none'
  const writing = world.createService('unknown', 0, 'm1').then(() => { outcome = 'acknowledged' }, (error: unknown) => { outcome = error instanceof ShoalError ? error.code : String(error) })
  await world.until(async () => ['m2', 'm3'].some(name => world.manager(name).status().leader))
  await world.until(async () => !world.manager('m1').status().leader)
  await writing
  assert.equal(outcome, 'proposal-lost')
  const next = world.manager('m2').status().leader ? 'm2' : 'm3'
  let id: string | undefined
  const creating = world.createService('after', 0, 'm1').then(created => { id = created })
  await world.until(async () => id !== undefined)
  await creating
  assert.equal((await world.local('m1').unary(CONTROL_RPC.get, { kind: 'service', ref: 'after' })).staleMs, 0)
  assert.equal(world.manager('m1').status().leader, false)
  assert.ok(world.manager('m1').status().appliedIndex < world.manager(next).status().appliedIndex, 'its disk still hangs')
  release()
  await world.until(async () => world.manager('m1').status().appliedIndex === world.manager(next).status().appliedIndex)
  assert.equal(world.manager(next).status().leader, true)
})

test('a manager that is started again goes on with the same tasks', async () => {
  await using world = await World.found()
  const agent = new ScriptedAgent(world, world.local('m1'))
  await agent.start()
  const id = await world.createService('web', 2)
  await world.until(async () => await world.running(id) === 2)
  const before = [...agent.tasks.keys()].sort()
  await world.kill('m1')
  await world.start('m1', undefined)
  await world.until(async () => await agent.isRegistered())
  await world.clock.advance(60_000)
  assert.deepEqual([...agent.tasks.keys()].sort(), before)
  assert.equal(await world.running(id), 2)
})

test('a forced new cluster keeps the state and makes the other managers workers', async () => {
  await using world = await World.found()
  await world.join('m2')
  await world.untilVoters(2)
  await world.createService('web', 1)
  await world.kill('m2')
  await world.kill('m1')
  await world.start('m1', undefined, true)
  await world.until(async () => world.manager('m1').status().hasLeader)
  const { objects } = await world.local('m1').unary(CONTROL_RPC.list, { kind: 'node', filters: {} })
  assert.deepEqual(objects.map(object => [object.node?.role, object.node?.spec?.role, object.node?.managerStatus?.leader]).sort(), [['manager', 'manager', true], ['worker', 'worker', undefined]])
  assert.equal((await world.local('m1').unary(CONTROL_RPC.list, { kind: 'service', filters: {} })).objects.length, 1)
})

test('a saved state begins the cluster anew elsewhere: tokens, services and the workers\' tasks are as they were, and versions go on rising', async () => {
  await using world = await World.found()
  await world.join('m2')
  await world.untilVoters(2)
  const worker: RpcIdentity = { nodeId: await world.joinWorker(), role: 'worker', clusterId: CLUSTER_ID }
  const agent = new ScriptedAgent(world, world.dial('m1', worker))
  await agent.start()
  const id = await world.createService('web', 2)
  await world.until(async () => await world.running(id) === 2)
  const before = [...agent.tasks.keys()].sort()
  const version = (await world.local('m1').unary(CONTROL_RPC.get, { kind: 'service', ref: id })).object?.service?.meta?.version ?? 0
  const saved = await world.save('m2')
  await world.kill('m1')
  await world.kill('m2')

  await world.restore('m9', saved)
  await world.until(async () => world.manager('m9').status().hasLeader)
  const { objects } = await world.local('m9').unary(CONTROL_RPC.list, { kind: 'node', filters: {} })
  assert.deepEqual(objects.map(object => [object.node?.id === 'm9', object.node?.role, object.node?.spec?.role]).sort(), [[false, 'worker', 'worker'], [false, 'worker', 'worker'], [false, 'worker', 'worker'], [true, 'manager', 'manager']])
  // Longer than a leader waits otherwise, shorter than the grace.
  await world.clock.advance(120_000)
  const again = new ScriptedAgent(world, world.dial('m9', worker))
  await again.start()
  await world.until(async () => again.tasks.size === 2)
  assert.deepEqual([...again.tasks.keys()].sort(), before)
  const stranger = world.network.createDialer().dial(`m9:${PORT}`)
  assert.equal((await stranger.unary(CA_RPC.issueCertificate, { csrPem: new TextEncoder().encode(createCertificateRequest().csrPem), token: world.tokens.worker, availability: 'active' })).role, 'worker')
  const more = await world.createService('more', 1, 'm9')
  assert(((await world.local('m9').unary(CONTROL_RPC.get, { kind: 'service', ref: more })).object?.service?.meta?.version ?? 0) > version + 1e8)

  await world.kill('m9')
  await world.start('m9', undefined)
  await world.until(async () => world.manager('m9').status().hasLeader)
  assert.equal((await world.local('m9').unary(CONTROL_RPC.list, { kind: 'service', filters: {} })).objects.length, 2)
})

test('a restore that was interrupted before its log was there is done again, and only a restore gets along without a log', async () => {
  await using world = await World.found()
  await world.createService('web', 1)
  const saved = await world.save('m1')
  await world.kill('m1')
  await world.restore('m9', saved)
  await world.until(async () => world.manager('m9').status().hasLeader)
  await world.kill('m9')
  world.loseLog('m9')
  await rejects(world.start('m9', undefined), 'log-missing')
  await world.restore('m9', saved)
  await world.until(async () => world.manager('m9').status().hasLeader)
  assert.equal((await world.local('m9').unary(CONTROL_RPC.list, { kind: 'service', filters: {} })).objects.length, 1)
})

test('a restored cluster gives up a worker that does not come within its grace', async () => {
  await using world = await World.found()
  const nodeId = await world.joinWorker()
  const agent = new ScriptedAgent(world, world.dial('m1', { nodeId, role: 'worker', clusterId: CLUSTER_ID }))
  await agent.start()
  const saved = await world.save('m1')
  await world.kill('m1')
  await world.restore('m9', saved)
  await world.until(async () => world.manager('m9').status().hasLeader)
  const stateOf = async (): Promise<string | undefined> => (await world.local('m9').unary(CONTROL_RPC.get, { kind: 'node', ref: nodeId })).object?.node?.status?.state
  await world.clock.advance(WORKER_GRACE_MS - 60_000)
  assert.equal(await stateOf(), 'unknown')
  await world.clock.advance(120_000)
  assert.equal(await stateOf(), 'down')
})

test('a node joins whichever manager it asks', async () => {
  await using world = await World.found()
  await world.join('m2')
  const csrPem = new TextEncoder().encode(createCertificateRequest().csrPem)
  const { nodeId } = await world.network.createDialer().dial(`m2:${PORT}`).unary(CA_RPC.issueCertificate, { csrPem, token: world.tokens.worker, availability: 'drain' })
  const { object } = await world.local('m1').unary(CONTROL_RPC.get, { kind: 'node', ref: nodeId })
  assert.equal(object?.node?.spec?.availability, 'drain')
})

test('an identity is believed only from a manager', async () => {
  await using world = await World.found()
  const worker = world.dial('m1', { nodeId: 'w1', role: 'worker', clusterId: CLUSTER_ID })
  const metadata = { 'x-shoal-forwarded': '1', 'x-shoal-forwarded-node-id': 'm1', 'x-shoal-forwarded-role': 'manager', 'x-shoal-forwarded-cluster-id': CLUSTER_ID }
  await rejects(worker.unary(CONTROL_RPC.list, { kind: 'secret', filters: {} }, { metadata }), 'forwarding-refused')
})

test('a demoted manager leaves raft before it becomes a worker, also when it leads', async () => {
  await using world = await World.found()
  await world.join('m2')
  await world.join('m3')
  await world.untilVoters(3)
  await world.setRole('m1', 'worker')
  await world.until(async () => {
    const node = (await world.local('m2').unary(CONTROL_RPC.get, { kind: 'node', ref: 'm1' })).object?.node
    return node?.role === 'worker' && node.managerStatus === undefined
  })
})

/** An agent that runs every task it is given, and stops those it is told to. */
class ScriptedAgent {
  readonly tasks = new Map<string, Task>()
  readonly #world: World
  readonly #client: RpcClient
  #sessionId = ''

  constructor(world: World, client: RpcClient) {
    this.#world = world
    this.#client = client
  }

  async start(): Promise<void> {
    void this.#run()
    await this.#world.until(async () => await this.isRegistered())
  }

  async isRegistered(): Promise<boolean> {
    if (this.#sessionId === '') return false
    try {
      await this.#client.unary(DISPATCHER_RPC.heartbeat, { sessionId: this.#sessionId, appliedNetworks: [] })
      return true
    } catch {
      return false
    }
  }

  async #run(): Promise<void> {
    const { signal, clock } = this.#world
    while (!signal.aborted) {
      try {
        await this.#session()
      } catch (error) {
        if (signal.aborted) return
        assert(error instanceof Error)
      }
      this.#sessionId = ''
      try { await clock.sleep(200, signal) } catch { return }
    }
  }

  async #session(): Promise<void> {
    const { signal } = this.#world
    const description = make('NodeDescription', { hostname: 'host', platform: { os: 'linux', architecture: 'x86_64' }, resources: { nanoCpus: 4e9, memoryBytes: 8e9 }, dataAddress: '10.77.0.1' })
    for await (const message of this.#client.stream(DISPATCHER_RPC.session, streamOf({ description, sessionId: '' }), { signal })) {
      if (message.disconnect) return
      if (this.#sessionId !== '') continue
      this.#sessionId = message.sessionId
      this.#assign().catch(error => { assert(error instanceof Error) })
      this.#beat(message.sessionId).catch(error => { assert(error instanceof Error) })
    }
  }

  async #beat(sessionId: string): Promise<void> {
    while (this.#sessionId === sessionId) {
      const { periodMs } = await this.#client.unary(DISPATCHER_RPC.heartbeat, { sessionId, appliedNetworks: [] })
      await this.#world.clock.sleep(periodMs, this.#world.signal)
    }
  }

  async #assign(): Promise<void> {
    const sessionId = this.#sessionId
    for await (const message of this.#client.stream(DISPATCHER_RPC.assignments, streamOf({ sessionId }), { signal: this.#world.signal })) await this.#take(message, sessionId)
  }

  async #take(message: AssignmentsMessage, sessionId: string): Promise<void> {
    for (const { action, assignment } of message.changes) {
      const task = assignment?.task
      if (task === undefined) continue
      if (action === 'remove') this.tasks.delete(task.id)
      else this.tasks.set(task.id, task)
      if (action === 'remove') continue
      const state = task.desiredState === 'running' ? 'running' : 'shutdown'
      await this.#client.unary(DISPATCHER_RPC.updateTaskStatus, { sessionId, updates: [{ taskId: task.id, status: make('TaskStatus', { state, message: state }) }] })
    }
  }
}

class World implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly network = new MemoryNetwork({ clock: this.clock })
  readonly tokens: { readonly worker: string; readonly manager: string }
  readonly lines = new MemoryLogger()
  readonly #root = createRootCa({ nowMs: this.clock.nowMs(), random: new SeededRandom(7) })
  readonly #managers = new Map<string, Manager>()
  readonly #disks = new Map<string, { readonly kv: MemoryStore; readonly log: AppendLog }>()
  readonly #stop = new AbortController()

  private constructor() {
    const random = new SeededRandom(8)
    this.tokens = { worker: createJoinToken(this.#root.certPem, random), manager: createJoinToken(this.#root.certPem, random) }
  }

  static async found(): Promise<World> {
    const world = new World()
    await world.start('m1', undefined)
    await world.until(async () => world.manager('m1').status().hasLeader)
    await world.clock.advance(200)
    return world
  }

  get signal(): AbortSignal { return this.#stop.signal }

  manager(name: string): Manager {
    const manager = this.#managers.get(name)
    assert(manager !== undefined)
    return manager
  }

  local(name: string): RpcClient { return this.network.createDialer().dial(`unix:/run/${name}`) }
  dial(name: string, identity: RpcIdentity): RpcClient { return this.network.createDialer({ identity, remoteAddress: '10.77.0.9' }).dial(`${name}:${PORT}`) }

  /** Joins with a node object of its own, as one that got its certificate by token would have. */
  async join(name: string): Promise<void> {
    await this.start(name, `m1:${PORT}`)
    await this.until(async () => this.manager(name).status().hasLeader)
  }

  async untilVoters(count: number): Promise<void> {
    await this.until(async () => (await this.local('m1').unary(RAFT_MEMBERSHIP_RPC.members, {})).members.filter(member => !member.learner).length === count)
    const { objects } = await this.local('m1').unary(CONTROL_RPC.list, { kind: 'node', filters: {} })
    assert(objects.every(object => object.node?.managerStatus?.reachability === 'reachable'))
  }

  async kill(name: string): Promise<void> {
    await this.manager(name)[Symbol.asyncDispose]()
    this.#managers.delete(name)
  }

  async createService(name: string, replicas: number, via = 'm1'): Promise<string> {
    const service = make('ServiceSpec', { annotations: { name }, replicated: { replicas }, task: { container: { image: 'img' } }, endpoint: { ports: [{ targetPort: 80, publishedPort: 0 }] } })
    const { object } = await this.local(via).unary(CONTROL_RPC.create, { spec: { service } })
    return (object?.service as Service).id
  }

  async running(id: string, via = 'm1'): Promise<number> {
    const { statuses } = await this.local(via).unary(CONTROL_RPC.listServiceStatuses, { serviceIds: [id] })
    return statuses[0]?.runningTasks ?? 0
  }

  async promote(nodeId: string): Promise<void> { await this.setRole(nodeId, 'manager') }

  async setRole(nodeId: string, role: 'worker' | 'manager'): Promise<void> {
    const node = (await this.local('m1').unary(CONTROL_RPC.get, { kind: 'node', ref: nodeId })).object?.node
    assert(node?.spec !== undefined)
    await this.local('m1').unary(CONTROL_RPC.update, make('UpdateObjectRequest', { kind: 'node', id: nodeId, version: node.meta?.version ?? 0, spec: { node: { ...node.spec, role } } }))
  }

  /** A worker's node object, as it has after joining by token. */
  async joinWorker(): Promise<string> {
    const csrPem = new TextEncoder().encode(createCertificateRequest().csrPem)
    return (await this.network.createDialer().dial(`m1:${PORT}`).unary(CA_RPC.issueCertificate, { csrPem, token: this.tokens.worker, availability: 'active' })).nodeId
  }

  async save(via: string): Promise<readonly Uint8Array[]> {
    const saved: Uint8Array[] = []
    for await (const { records } of this.local(via).stream(RECOVERY_RPC.saveState, streamOf({}))) saved.push(...records)
    return saved
  }

  async restore(name: string, saved: readonly Uint8Array[]): Promise<void> { await this.start(name, undefined, false, saved) }

  /** What this manager's log is told to write is not written before the returned function is called. */
  hangDisk(name: string): () => void {
    const { log } = this.#disk(name)
    let release = (): void => {}
    const released = new Promise<void>(resolve => { release = resolve })
    const append = log.append.bind(log)
    log.append = async records => {
      await released
      return append(records)
    }
    return release
  }

  logBytes(name: string): number { return this.#disk(name).log.sizeBytes() }

  async createNetwork(name: string): Promise<void> {
    await this.local('m1').unary(CONTROL_RPC.create, { spec: { network: make('NetworkSpec', { annotations: { name, labels: { filler: 'x'.repeat(500) } } }) } })
  }

  loseLog(name: string): void { this.#disks.set(name, { kv: this.#disk(name).kv, log: createMemoryLog() }) }

  /** Lets time pass until it is so. */
  async until(isSo: () => Promise<boolean>): Promise<void> {
    for (let round = 0; round < 300; round++) {
      let answer: boolean | undefined
      const asked = isSo().then(value => { answer = value }, (error: unknown) => {
        if (!hasCode(error, 'no-leader') && !hasCode(error, 'not-leader') && !hasCode(error, 'rpc-unavailable') && !hasCode(error, 'rpc-not-connected') && !hasCode(error, 'rpc-refused') && !hasCode(error, 'cluster-not-ready')) throw error
        answer = false
      })
      while (answer === undefined) await Promise.race([asked, this.clock.advance(50)])
      await asked
      if (answer) return
      await this.clock.advance(100)
    }
    throw new Error(`it never became so: ${JSON.stringify(this.lines.lines.filter(line => line.level !== 'debug').slice(-20).map(line => [line.message, String(line.fields['err'] ?? ''), line.fields['node']]))}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('test is over'))
    for (const manager of this.#managers.values()) {
      const done = manager[Symbol.asyncDispose]()
      await Promise.race([done, this.clock.advance(10_000)])
      await done
    }
  }

  #disk(name: string): { readonly kv: MemoryStore; readonly log: AppendLog } {
    const disk = this.#disks.get(name) ?? { kv: new MemoryStore(), log: createMemoryLog() }
    this.#disks.set(name, disk)
    return disk
  }

  async start(name: string, joinAddress: string | undefined, forceNewCluster = false, saved?: readonly Uint8Array[]): Promise<void> {
    const identity: RpcIdentity = { nodeId: name, role: 'manager', clusterId: CLUSTER_ID }
    const dialer = this.network.createDialer({ identity, remoteAddress: `host-${name}` })
    if (joinAddress !== undefined) {
      // What IssueCertificate does for a token of managers, with an id the test can name.
      const csrPem = new TextEncoder().encode(createCertificateRequest().csrPem)
      const stranger = this.network.createDialer().dial(joinAddress)
      const { nodeId } = await stranger.unary(CA_RPC.issueCertificate, { csrPem, token: this.tokens.manager, availability: 'active' })
      Object.assign(identity, { nodeId })
    }
    const manager = await Manager.start({
      clock: this.clock, random: new SeededRandom(name.charCodeAt(1)), logger: this.lines.with({ node: name }), ...this.#disk(name), dialer,
      server: this.network.createServer(), localServer: this.network.createServer(), listenAddress: `${name}:${PORT}`, localAddress: `unix:/run/${name}`, advertiseAddress: `${name}:${PORT}`,
      nodeId: identity.nodeId, clusterId: CLUSTER_ID, pid: 1, onStop: () => {}, forceNewCluster,
      ...saved !== undefined ? { restore: { records: () => streamOf(...saved), availability: 'active' as const, workerGraceMs: WORKER_GRACE_MS } } : joinAddress !== undefined ? { joinAddress } : { bootstrap: {
        rootCertPem: this.#root.certPem, rootKeyPem: this.#root.keyPem, workerToken: this.tokens.worker, managerToken: this.tokens.manager, addressPool: [], subnetSize: 0, dataPathPort: 0,
      } },
    })
    this.#managers.set(name, manager)
  }
}

async function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, error => hasCode(error, code))
}
