import assert from 'node:assert/strict'
import test from 'node:test'
import { make, type Draft } from '../../src/api/codec/codec.ts'
import type { AssignmentsMessage, SessionMessage } from '../../src/api/swarm/dispatcher.ts'
import type { StoreObject, TaskState } from '../../src/api/swarm/objects.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { RpcContext } from '../../src/base/rpc.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import type { MemoryProposer } from '../store/memory-proposer.ts'
import type { ReplicatedStore } from '../store/replicated-store.ts'
import { createTestStore } from '../store/test-store.ts'
import { Dispatcher } from './dispatcher.ts'

const NET = { network: { id: 'net', spec: { annotations: { name: 'front' } }, state: { driver: 'overlay', vni: 4096, ipam: { configs: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1' }] } } } } as const
const attachment = (address: string) => ({ networkId: 'net', addresses: [`${address}/24`] })

test('registration makes the node ready, with its description and the address it calls from', async () => {
  await using world = await setUp([{ node: { id: 'n1', status: { state: 'down' }, downSinceMs: 5 } }])
  const { message } = await world.register('n1')
  assert.equal(message.sessionId.length, 25)
  assert.deepEqual(message.managers, [{ nodeId: 'm1', addr: 'm1:2377', weight: 10 }])
  const node = world.store.view().get('node', 'n1')
  assert.deepEqual(node?.status, { state: 'ready', message: '', addr: '10.77.0.9' })
  assert.equal(node?.description?.hostname, 'host-n1')
  assert.equal(node?.downSinceMs, 0)
})

test('a node that was removed can not register', async () => {
  await using world = await setUp()
  await rejectsWith(world.register('gone'), 'not-found', 'node-not-registered')
})

test('the fourth registration within 8 s is told to wait', async () => {
  await using world = await setUp([{ node: { id: 'n1' } }])
  for (let i = 0; i < 3; i++) await world.register('n1')
  await rejectsWith(world.register('n1'), 'unavailable', 'too-many-registrations')
  await world.clock.advance(8_001)
  await world.register('n1')
})

test('a node whose heartbeats stop is down after three periods and has to register again', async () => {
  await using world = await setUp([{ node: { id: 'n1' } }])
  const { message } = await world.register('n1')
  await world.clock.advance(10_000)
  const { periodMs } = await world.dispatcher.heartbeat({ sessionId: message.sessionId, appliedNetworks: [] }, world.context('n1'))
  assert(periodMs >= 4_500 && periodMs <= 5_500, String(periodMs))
  await world.clock.advance(14_000)
  assert.equal(world.store.view().get('node', 'n1')?.status?.state, 'ready')
  await world.clock.advance(1_001)
  assert.equal(world.store.view().get('node', 'n1')?.status?.state, 'down')
  assert.equal(world.store.view().get('node', 'n1')?.status?.message, 'heartbeat failure')
  assert.equal(world.store.view().get('node', 'n1')?.downSinceMs, world.clock.nowMs() - 1)
  await rejectsWith(world.dispatcher.heartbeat({ sessionId: message.sessionId, appliedNetworks: [] }, world.context('n1')), 'not-found', 'node-not-registered')
})

test('a registration that waits for a quorum past the grace period of the old session does not bring the node down', async () => {
  await using world = await setUp([{ node: { id: 'n1' } }])
  await world.register('n1')
  await world.clock.advance(10_000)
  const release = world.holdWrites()
  const again = world.register('n1')
  await world.clock.advance(10_000)
  release()
  await again
  await world.clock.advance(1)
  assert.equal(world.store.view().get('node', 'n1')?.status?.state, 'ready')
})

test('after the end of the leadership nobody registers', async () => {
  await using world = await setUp([{ node: { id: 'n1' } }])
  await world.dispatcher[Symbol.asyncDispose]()
  await rejectsWith(world.register('n1'), 'unavailable', 'not-leader')
})

test('the heartbeat period is a setting of the cluster that works at once', async () => {
  await using world = await setUp([{ node: { id: 'n1' } }, { cluster: { id: 'c', spec: { annotations: { name: 'default' }, heartbeatPeriodNs: 1e9 } } }])
  await world.register('n1')
  await world.clock.advance(3_001)
  assert.equal(world.store.view().get('node', 'n1')?.status?.state, 'down')
})

test('a new leader does not know of the nodes until they register; after six periods the silent ones are down', async () => {
  await using world = await setUp([{ node: { id: 'n1', status: { state: 'ready' } } }, { node: { id: 'n2', status: { state: 'ready' } } }, { node: { id: 'n3', status: { state: 'down' } } }])
  const state = (id: string) => world.store.view().get('node', id)?.status?.state
  assert.deepEqual(['n1', 'n2', 'n3'].map(state), ['unknown', 'unknown', 'down'])
  const { message } = await world.register('n1')
  for (let i = 0; i < 4; i++) {
    await world.clock.advance(7_500)
    await world.dispatcher.heartbeat({ sessionId: message.sessionId, appliedNetworks: [] }, world.context('n1'))
  }
  await world.clock.advance(1)
  assert.deepEqual(['n1', 'n2'].map(state), ['ready', 'down'])
  assert.equal(world.store.view().get('node', 'n2')?.status?.message, 'heartbeat failure for node in "unknown" state')
})

test('a wrong session id is refused', async () => {
  await using world = await setUp([{ node: { id: 'n1' } }])
  await world.register('n1')
  await rejectsWith(world.dispatcher.heartbeat({ sessionId: 'other', appliedNetworks: [] }, world.context('n1')), 'invalid-argument', 'session-invalid')
})

test('the first assignments are complete, with secrets, configs and networks before tasks; then come changes only', async () => {
  const task = { id: 't1', serviceId: 's1', nodeId: 'n1', desiredState: 'running', status: { state: 'assigned' }, networks: [attachment('10.0.1.5')],
    spec: { container: { image: 'i', secrets: [{ secretId: 'sec', secretName: 'S' }], configs: [{ configId: 'cfg', configName: 'C' }] } } } as const
  await using world = await setUp([{ node: { id: 'n1', attachments: [attachment('10.0.1.2')] } }, NET, { secret: { id: 'sec' } }, { config: { id: 'cfg' } }, { task }])
  const stream = await world.assignments('n1')
  const first = await stream.next()
  assert.equal(first.type, 'complete')
  assert.deepEqual(kinds(first), ['update secret sec', 'update config cfg', 'update network net', 'update task t1'])
  await world.setState('t1', 'running')
  const second = await stream.next()
  assert.equal(second.type, 'incremental')
  assert.equal(second.appliesTo, first.resultsIn)
  assert.deepEqual(kinds(second), ['update network net'], 'the status is not echoed, but the endpoint is ready now')
  await world.setDesired('t1', 'shutdown')
  const third = await stream.next()
  assert.deepEqual(kinds(third), ['update network net', 'update task t1'])
  assert.equal(third.changes[0]?.assignment?.network?.endpoints[0]?.ready, false, 'out of DNS before it is stopped')
  await world.setState('t1', 'shutdown')
  assert.deepEqual(kinds(await stream.next()), ['update network net', 'remove config cfg', 'remove secret sec'])
})

test('a task that is deleted leaves its node by that alone', async () => {
  await using world = await setUp([{ node: { id: 'n1' } }, { task: { id: 't1', nodeId: 'n1', desiredState: 'remove', status: { state: 'shutdown' } } }])
  const stream = await world.assignments('n1')
  assert.deepEqual(kinds(await stream.next()), ['update task t1'])
  await world.store.update(tx => tx.remove('task', 't1'))
  assert.deepEqual(kinds(await stream.next()), ['remove task t1'])
})

test('a task waits until its node has an address on its networks', async () => {
  await using world = await setUp([{ node: { id: 'n1' } }, NET, { task: { id: 't1', nodeId: 'n1', desiredState: 'running', status: { state: 'assigned' }, networks: [attachment('10.0.1.5')] } }])
  const stream = await world.assignments('n1')
  assert.deepEqual(kinds(await stream.next()), [])
  await world.store.update(tx => {
    const node = tx.get('node', 'n1')
    assert(node !== undefined)
    tx.update('node', { ...node, attachments: [make('NetworkAttachment', attachment('10.0.1.2'))] })
  })
  assert.deepEqual(kinds(await stream.next()), ['update network net', 'update task t1'])
})

test('the table names endpoints, peers, virtual IPs and their ready backends', async () => {
  const at = (id: string, nodeId: string, address: string, state: TaskState) => ({ task: { id, serviceId: 's1', nodeId, desiredState: 'running', status: { state, container: { containerId: 'c0ffee00c0ffee00' } },
    annotations: { name: `web.1.${id}` }, networks: [attachment(address)] } }) as const
  await using world = await setUp([NET, at('t1', 'n1', '10.0.1.5', 'running'), at('t2', 'n2', '10.0.1.6', 'starting'), at('t3', 'n2', '10.0.1.7', 'failed'),
    { node: { id: 'n1', attachments: [attachment('10.0.1.2')], description: { dataAddress: '192.168.0.1' } } },
    { node: { id: 'n2', attachments: [attachment('10.0.1.3')], status: { addr: '192.168.0.2' } } },
    { service: { id: 's1', spec: { annotations: { name: 'web' }, task: { networks: [{ target: 'net', aliases: ['w'] }] } }, endpoint: { virtualIps: [{ networkId: 'net', address: '10.0.1.4/24' }] } } }])
  const first = await (await world.assignments('n1')).next()
  const table = first.changes[0]?.assignment?.network
  assert.equal(table?.nodeAddress, '10.0.1.2/24')
  assert.deepEqual(table?.nodes, [{ nodeId: 'n2', address: '10.0.1.3', dataAddress: '192.168.0.2' }])
  assert.deepEqual(table?.endpoints.map(endpoint => [endpoint.taskId, endpoint.address, endpoint.ready]), [['t1', '10.0.1.5', true], ['t2', '10.0.1.6', false]])
  assert.deepEqual(table?.endpoints[0]?.names, ['web.1.t1', 'c0ffee00c0ff'])
  assert.deepEqual(table?.services, [{ serviceId: 's1', name: 'web', virtualIp: '10.0.1.4', names: ['web', 'w'], backends: ['10.0.1.5'], ports: [] }])
})

test('a report moves a task forward only, and only its own node may report', async () => {
  await using world = await setUp([{ node: { id: 'n1' } }, { node: { id: 'n2' } }, { task: { id: 't1', nodeId: 'n1', status: { state: 'assigned' } } }])
  const { message } = await world.register('n1')
  const report = (nodeId: string, sessionId: string, state: TaskState) => world.dispatcher.updateTaskStatus(
    { sessionId, updates: [{ taskId: 't1', status: make('TaskStatus', { state, timestampMs: 7 }) }, { taskId: 'unknown', status: make('TaskStatus', { state }) }] }, world.context(nodeId))
  await report('n1', message.sessionId, 'running')
  await report('n1', message.sessionId, 'preparing')
  const status = world.store.view().get('task', 't1')?.status
  assert.deepEqual([status?.state, status?.appliedBy, status?.appliedAtMs], ['running', 'm1', world.clock.nowMs()])
  const other = await world.register('n2')
  await rejectsWith(report('n2', other.message.sessionId, 'failed'), 'permission-denied', 'foreign-task')
})

test('changes go out at once when idle and are gathered under load', async () => {
  await using world = await setUp([{ node: { id: 'n1' } }])
  const stream = await world.assignments('n1')
  await stream.next()
  const create = (id: string) => world.store.update(tx => tx.create('task', make('Task', { id, nodeId: 'n1', status: { state: 'assigned' } })))
  for (let i = 0; i < 10; i++) {
    await create(`a${i}`)
    assert.deepEqual(kinds(await stream.next()), [`update task a${i}`])
  }
  const next = stream.next()
  await create('b1')
  await create('b2')
  await world.clock.advance(100)
  assert.deepEqual(kinds(await next), ['update task b1', 'update task b2'])
})

test('a large table is sent again only after a time that its size asks for', async () => {
  const endpoint = (at: number) => ({ id: `t${at}`, nodeId: 'n2', status: { state: 'running' }, desiredState: 'running', networks: [attachment(`10.0.${at >> 8}.${at & 255}`)] }) as const
  const tasks = Array.from({ length: 1000 }, (_, at) => ({ task: endpoint(at) }))
  await using world = await setUp([{ node: { id: 'n1', attachments: [attachment('10.0.9.2')] } }, { node: { id: 'n2' } }, NET, ...tasks])
  const stream = await world.assignments('n1')
  const endpoints = (message: AssignmentsMessage): number => message.changes[0]?.assignment?.network?.endpoints.length ?? 0
  assert.equal(endpoints(await stream.next()), 1000)
  const create = (at: number) => world.store.update(tx => tx.create('task', make('Task', endpoint(at))))
  await create(1000)
  assert.equal(endpoints(await stream.next()), 1001, 'the first at once')
  let isTold = false
  const next = stream.next().finally(() => { isTold = true })
  await create(1001)
  await create(1002)
  await world.clock.advance(15)
  assert.equal(isTold, false)
  await world.clock.advance(10)
  assert.equal(endpoints(await next), 1003)
})

test('at the end of the leadership sessions are told to find another manager', async () => {
  const world = await setUp([{ node: { id: 'n1' } }])
  const { session } = await world.register('n1')
  const last = session.next()
  await world.dispatcher[Symbol.asyncDispose]()
  assert.equal((await last).value?.disconnect, true)
  assert.equal((await session.next()).done, true)
})

test('a change of the node or of the managers is told in the session', async () => {
  await using world = await setUp([{ node: { id: 'n1', spec: {} } }])
  const { session } = await world.register('n1')
  const next = session.next()
  await world.store.update(tx => {
    const node = tx.get('node', 'n1')
    assert(node?.spec !== undefined)
    tx.update('node', { ...node, spec: { ...node.spec, role: 'manager' } })
  })
  assert.equal((await next).value?.node?.spec?.role, 'manager')
})

function kinds(message: AssignmentsMessage): string[] {
  return message.changes.map(({ action, assignment }) => {
    const { task, secret, config, network } = assignment ?? {}
    if (task !== undefined) return `${action} task ${task.id}`
    if (secret !== undefined) return `${action} secret ${secret.id}`
    return config === undefined ? `${action} network ${network?.networkId}` : `${action} config ${config.id}`
  })
}

async function rejectsWith(promise: Promise<unknown>, kind: string, code: string): Promise<void> {
  await assert.rejects(promise, (error: unknown) => error instanceof ShoalError && error.kind === kind && error.code === code)
}

async function setUp(objects: readonly Draft<StoreObject>[] = []) {
  const clock = new FakeClock()
  const { store, proposer } = await createTestStore({ objects })
  const dispatcher = new Dispatcher({
    store, clock, random: new SeededRandom(1), logger: new MemoryLogger(), managerId: 'm1', localAddress: '10.77.0.1', managers: () => [{ nodeId: 'm1', addr: 'm1:2377', weight: 10 }],
  })
  await dispatcher.start()
  return new World(clock, store, proposer, dispatcher)
}

class World implements AsyncDisposable {
  readonly clock: FakeClock
  readonly store: ReplicatedStore
  readonly dispatcher: Dispatcher
  readonly #proposer: MemoryProposer
  readonly #stop = new AbortController()

  constructor(clock: FakeClock, store: ReplicatedStore, proposer: MemoryProposer, dispatcher: Dispatcher) {
    this.clock = clock
    this.store = store
    this.#proposer = proposer
    this.dispatcher = dispatcher
  }

  /** From now on writes wait, as without a quorum, until the function returned is called. */
  holdWrites(): () => void {
    let release = (): void => {}
    this.#proposer.held = new Promise<void>(resolve => { release = resolve })
    return release
  }

  context(nodeId: string): RpcContext {
    return { identity: { nodeId, role: 'worker', clusterId: 'c' }, remoteAddress: '10.77.0.9', isLocal: false, signal: this.#stop.signal, metadata: {} }
  }

  async register(nodeId: string): Promise<{ message: SessionMessage; session: AsyncIterator<SessionMessage> }> {
    const description = make('NodeDescription', { hostname: `host-${nodeId}` })
    const session = this.dispatcher.session({ description, sessionId: '' }, this.context(nodeId))[Symbol.asyncIterator]()
    const { value } = await session.next()
    assert(value !== undefined)
    return { message: value, session }
  }

  /** Assignments of a node without registering it as another description would. */
  async assignments(nodeId: string): Promise<{ next(): Promise<AssignmentsMessage> }> {
    const session = this.dispatcher.session({ sessionId: '' }, this.context(nodeId))[Symbol.asyncIterator]()
    const { value: message } = await session.next()
    const stream = this.dispatcher.assignments({ sessionId: message?.sessionId ?? '' }, this.context(nodeId))[Symbol.asyncIterator]()
    return {
      next: async () => {
        const { value } = await stream.next()
        assert(value !== undefined)
        return value
      },
    }
  }

  async setState(id: string, state: TaskState): Promise<void> {
    await this.store.update(tx => {
      const task = tx.get('task', id)
      assert(task?.status !== undefined)
      tx.update('task', { ...task, status: { ...task.status, state } })
    })
  }

  async setDesired(id: string, desiredState: TaskState): Promise<void> {
    await this.store.update(tx => {
      const task = tx.get('task', id)
      assert(task !== undefined)
      tx.update('task', { ...task, desiredState })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('test is over'))
    await this.dispatcher[Symbol.asyncDispose]()
  }
}
