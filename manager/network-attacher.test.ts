import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AttachNetworkRequest } from '../src/api/swarm/dispatcher.ts'
import type { RpcContext } from '../src/base/rpc.ts'
import { FakeClock } from '../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../src/platform/log/memory-logger.ts'
import { Allocator } from './allocator/allocator.ts'
import { ReconcileLoop } from './loop.ts'
import { NetworkAttacher } from './network-attacher.ts'
import { TaskReaper } from './orchestrator/task-reaper.ts'
import { planPlacements } from './scheduler/plan-placements.ts'
import type { ObjectStore } from './store/object-store.ts'
import { createTestStore } from './store/test-store.ts'

const OPEN = { network: { id: 'open', spec: { annotations: { name: 'ov' }, attachable: true, ipam: { configs: [{ subnet: '10.9.0.0/29' }] } } } }
const CLOSED = { network: { id: 'closed', spec: { annotations: { name: 'closed' } } } }
const NODE = { node: { id: 'w1', spec: { availability: 'drain' as const }, status: { state: 'ready' as const } } }
const REQUEST: AttachNetworkRequest = { networkRef: 'ov', containerId: 'c1', address: '', names: ['one'] }

test('a container gets an address, and a task that goes to its own node even while that is drained', async () => {
  await using world = await setUp()
  const answer = await world.attach({})
  assert.equal(answer.networkId, 'open')
  assert.match(answer.address, /^10\.9\.0\.\d\/29$/)
  const task = world.store.view().get('task', answer.attachmentId)
  assert.deepEqual([task?.nodeId, task?.status?.state, task?.spec?.attachment], ['w1', 'pending', { containerId: 'c1', names: ['one'] }])
  assert.deepEqual(planPlacements(world.store.view(), 0).placements.map(({ kind }) => kind), ['assign'])
})

test('a wanted address is given, and only once', async () => {
  await using world = await setUp()
  assert.equal((await world.attach({ address: '10.9.0.6' })).address, '10.9.0.6/29')
  await assert.rejects(world.attach({ containerId: 'c2', address: '10.9.0.6' }), { code: 'attachment-address-taken', message: 'Address already in use: 10.9.0.6 on network ov' })
  assert.equal(world.store.view().list('task').length, 1)
  assert.equal((await world.attach({ address: '10.9.0.6' })).address, '10.9.0.6/29', 'the same container may come back for it')
  assert.equal(world.store.view().list('task').length, 1)
})

test('a full network is an error after a while, and leaves no task behind', async () => {
  await using world = await setUp()
  for (const containerId of ['a', 'b', 'c', 'd', 'e']) await world.attach({ containerId })
  const refused = assert.rejects(world.attach({ containerId: 'f' }), { code: 'attachment-not-allocated' })
  for (let turn = 0; turn < 50; turn++) await new Promise(resolve => { setImmediate(resolve) })
  world.clock.advance(15_000)
  await refused
  assert.equal(world.store.view().list('task').length, 5)
})

test('networks that are not there, or not for containers, are refused', async () => {
  await using world = await setUp()
  assert.throws(() => world.attacher.find({ networkRef: 'closed' }), { kind: 'permission-denied', code: 'network-not-attachable', message: 'network closed not manually attachable' })
  assert.throws(() => world.attacher.find({ networkRef: 'nowhere' }), { code: 'object-not-found' })
  await assert.rejects(world.attach({ networkRef: 'closed' }), { code: 'network-not-attachable' })
})

test('the task is reaped when its node says that it ended', async () => {
  await using world = await setUp()
  const { attachmentId } = await world.attach({})
  await world.store.update(tx => {
    const task = tx.get('task', attachmentId)
    assert(task?.status !== undefined)
    tx.update('task', { ...task, status: { ...task.status, state: 'complete' } })
  })
  assert.deepEqual(new TaskReaper().decide(world.store.view(), '', 0).writes, [{ action: 'remove', kind: 'task', id: attachmentId }])
})

interface World extends AsyncDisposable {
  readonly store: ObjectStore
  readonly clock: FakeClock
  readonly attacher: NetworkAttacher
  attach(request: Partial<AttachNetworkRequest>): ReturnType<NetworkAttacher['attach']>
}

async function setUp(): Promise<World> {
  const { store } = await createTestStore({ objects: [OPEN, CLOSED, NODE] })
  const clock = new FakeClock()
  const logger = new MemoryLogger()
  const loop = new ReconcileLoop({ store, reconciler: new Allocator(), clock, logger })
  loop.start()
  const attacher = new NetworkAttacher({ store, clock, random: new SeededRandom(1), logger })
  const context: RpcContext = { identity: { nodeId: 'w1', role: 'worker', clusterId: 'c' }, remoteAddress: '', isLocal: false, signal: new AbortController().signal, metadata: {} }
  return { store, clock, attacher, attach: request => attacher.attach({ ...REQUEST, ...request }, context), [Symbol.asyncDispose]: () => loop[Symbol.asyncDispose]() }
}
