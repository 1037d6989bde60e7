import assert from 'node:assert/strict'
import test from 'node:test'
import type { Draft } from '../../src/api/codec/codec.ts'
import type { Node, StoreObject, Task, TaskState } from '../../src/api/swarm/objects.ts'
import type { TaskSpec } from '../../src/api/swarm/specs.ts'
import type { StoreView } from '../store/object-store.ts'
import { createTestStore } from '../store/test-store.ts'
import { planPlacements } from './plan-placements.ts'

const NOW_MS = 1_700_000_000_000

function node(id: string, rest: Draft<Node> = {}): Draft<StoreObject> {
  return { node: { id, status: { state: 'ready' }, spec: { availability: 'active' }, ...rest } }
}

function labelled(id: string, labels: Record<string, string>): Draft<StoreObject> {
  return node(id, { spec: { availability: 'active', annotations: { labels } } })
}

function task(id: string, spec: Draft<TaskSpec> = {}, rest: Draft<Task> = {}): Draft<StoreObject> {
  return { task: { id, serviceId: 's', desiredState: 'running', status: { state: 'pending', message: 'pending task scheduling' }, spec, ...rest } }
}

const at = (state: TaskState, nodeId: string, more: Draft<Task> = {}): Draft<Task> => ({ nodeId, status: { state, appliedAtMs: NOW_MS }, ...more })
const many = (count: number, spec: Draft<TaskSpec> = {}): Draft<StoreObject>[] => Array.from({ length: count }, (_, i) => task(`p${i}`, spec, { slot: i + 1 }))

async function viewOf(...objects: Draft<StoreObject>[]): Promise<StoreView> {
  return (await createTestStore({ objects: [{ service: { id: 's', spec: { annotations: { name: 'web' }, replicated: { replicas: 1 } } } }, ...objects] })).store.view()
}

/** Node to number of tasks placed there, and what the rest were told. */
async function outcome(...objects: Draft<StoreObject>[]): Promise<Record<string, number | string>> {
  const result: Record<string, number | string> = {}
  for (const placement of planPlacements(await viewOf(...objects), NOW_MS).placements) {
    if (placement.kind === 'assign') result[placement.nodeId] = Number(result[placement.nodeId] ?? 0) + 1
    if (placement.kind === 'explain') result['err'] = placement.err
  }
  return result
}

test('tasks of a service are spread evenly, counting those that are there', async () => {
  assert.deepEqual(await outcome(node('a'), node('b'), task('r1', {}, at('running', 'a')), task('r2', {}, at('running', 'a')), ...many(4)), { a: 1, b: 3 })
})

test('with equal tasks of the service the node with fewer tasks in all is taken', async () => {
  const other = { serviceId: 'other' }
  assert.deepEqual(await outcome(node('a'), node('b'), task('r1', {}, at('running', 'a', other)), ...many(1)), { b: 1 })
})

test('nodes that are not ready or not active get nothing, and the explanation counts them', async () => {
  const down = node('a', { status: { state: 'down' } })
  const drained = node('b', { spec: { availability: 'drain' } })
  assert.deepEqual(await outcome(down, ...many(1)), { err: 'no suitable node (1 node not available for new tasks)' })
  assert.deepEqual(await outcome(down, drained, ...many(1)), { err: 'no suitable node (2 nodes not available for new tasks)' })
  assert.deepEqual(await outcome(...many(1)), { err: 'no suitable node' })
})

test('reservations fill a node, tasks told to stop still hold theirs, and only the first failing filter of a node is counted', async () => {
  const spec = { resources: { reservations: { nanoCpus: 1e9, memoryBytes: 10 } }, placement: { constraints: ['node.labels.disk==ssd'] } }
  const sized = (id: string, labels: Record<string, string>): Draft<StoreObject> =>
    node(id, { spec: { availability: 'active', annotations: { labels } }, description: { resources: { nanoCpus: 2e9, memoryBytes: 100 } } })
  const stopping = task('r', { resources: { reservations: { nanoCpus: 1e9 } } }, at('running', 'a', { desiredState: 'shutdown' }))
  assert.deepEqual(await outcome(sized('a', { disk: 'ssd' }), sized('b', {}), node('c'), stopping, ...many(3, spec)), {
    a: 1, err: 'no suitable node (insufficient resources on 2 nodes; scheduling constraints not satisfied on 1 node)',
  })
})

test('generic resources are claimed by name or by count', async () => {
  const gpu = node('a', { description: { resources: { generic: [{ kind: 'gpu', named: 'g1' }, { kind: 'gpu', named: 'g2' }, { kind: 'ssd', discrete: 1 }] } } })
  const wants = { resources: { reservations: { generic: [{ kind: 'gpu', discrete: 1 }] } } }
  const used = task('r', wants, at('running', 'a', { genericResources: [{ kind: 'gpu', named: 'g1' }] }))
  const plan = planPlacements(await viewOf(gpu, used, ...many(2, wants)), NOW_MS)
  assert.deepEqual(plan.placements.map(p => (p.kind === 'assign' ? p.generic : p.kind)), [[{ kind: 'gpu', named: 'g2' }], 'explain'])
  assert.equal(plan.unplaced, 1)
})

test('host ports and the maximum per node limit a node to its share', async () => {
  const endpoint = { spec: { ports: [{ publishMode: 'host', publishedPort: 80, targetPort: 80 }] } } as const
  const ported = (id: string): Draft<StoreObject> => task(id, {}, { endpoint })
  assert.deepEqual(await outcome(node('a'), node('b'), ported('p1'), ported('p2'), ported('p3')), {
    a: 1, b: 1, err: 'no suitable node (host-mode port already in use on 2 nodes)',
  })
  assert.deepEqual(await outcome(node('a'), ...many(3, { placement: { replicasMax: 2 } })), { a: 2, err: 'no suitable node (max replicas per node limit exceed)' })
})

test('platforms match by os and by architecture in either spelling', async () => {
  const arm = node('a', { description: { platform: { os: 'linux', architecture: 'aarch64' } } })
  assert.deepEqual(await outcome(arm, ...many(1, { placement: { platforms: [{ os: 'linux', architecture: 'arm64' }] } })), { a: 1 })
  assert.deepEqual(await outcome(arm, ...many(1, { placement: { platforms: [{ os: 'linux', architecture: 'amd64' }] } })), {
    err: 'no suitable node (unsupported platform on 1 node)',
  })
})

test('a node with many recent failures of the service is avoided', async () => {
  const failures = Array.from({ length: 5 }, (_, i) => task(`f${i}`, {}, at('failed', 'a')))
  assert.deepEqual(await outcome(node('a'), node('b'), ...failures, ...many(3)), { b: 3 })
  assert.deepEqual(await outcome(node('a'), node('b'), ...failures.slice(1), ...many(2)), { a: 1, b: 1 })
})

test('preferences even out branches level by level, and a full branch gives its share to the others', async () => {
  const spread = { placement: { preferences: [{ spreadDescriptor: 'node.labels.zone' }, { spreadDescriptor: 'nonsense' }, { spreadDescriptor: 'node.labels.rack' }] } }
  const nodes = [labelled('a1', { zone: 'a', rack: '1' }), labelled('a2', { zone: 'a', rack: '2' }), labelled('a3', { zone: 'a', rack: '2' }), labelled('b1', { zone: 'b' })]
  assert.deepEqual(await outcome(...nodes, ...many(8, spread)), { a1: 2, a2: 1, a3: 1, b1: 4 })
  const limited = { placement: { ...spread.placement, replicasMax: 2 } }
  assert.deepEqual(await outcome(...nodes, ...many(6, limited)), { a1: 2, a2: 1, a3: 1, b1: 2 })
})

test('a preassigned task only passes the filters of its node', async () => {
  const plan = planPlacements(await viewOf(node('a'), node('b', { spec: { availability: 'pause' } }), task('p1', {}, { nodeId: 'a' }), task('p2', {}, { nodeId: 'b' })), NOW_MS)
  assert.deepEqual(plan.placements.map(({ kind }) => kind), ['assign', 'explain'])
})

test('a pending task that is told to stop is shut down', async () => {
  const plan = planPlacements(await viewOf(node('a'), task('p1', {}, { desiredState: 'shutdown' })), NOW_MS)
  assert.deepEqual(plan.placements, [{ kind: 'shut-down', taskId: 'p1' }])
})
