import assert from 'node:assert/strict'
import test from 'node:test'
import type { Draft } from '../../src/api/codec/codec.ts'
import type { StoreObject, Task } from '../../src/api/swarm/objects.ts'
import { stateOf } from '../../src/api/swarm/task-state.ts'
import { randomInt, type Random } from '../../src/base/random.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import type { ReplicatedStore } from '../store/replicated-store.ts'
import { createTestStore } from '../store/test-store.ts'
import { placedTask, planPlacements } from './plan-placements.ts'

const SEEDS = 60
const NOW_MS = 1_700_000_000_000

interface Shape { readonly cpus: number; readonly port: number; readonly replicasMax: number; readonly zone: string }

function shapeOf(random: Random): Shape {
  return {
    cpus: randomInt(random, 3), port: randomInt(random, 4) === 0 ? 8080 : 0, replicasMax: randomInt(random, 3) === 0 ? 2 : 0,
    zone: randomInt(random, 3) === 0 ? 'z1' : '',
  }
}

function cluster(random: Random): Draft<StoreObject>[] {
  const nodes = Array.from({ length: 1 + randomInt(random, 6) }, (_, i): Draft<StoreObject> => ({ node: {
    id: `n${i}`, status: { state: randomInt(random, 6) === 0 ? 'down' : 'ready' },
    spec: { availability: randomInt(random, 6) === 0 ? 'drain' : 'active', annotations: { labels: { zone: `z${i % 2}` } } },
    description: { resources: { nanoCpus: (1 + randomInt(random, 8)) * 1e9 } },
  } }))
  const services = Array.from({ length: 1 + randomInt(random, 3) }, (_, s) => ({ id: `s${s}`, shape: shapeOf(random), tasks: randomInt(random, 10) }))
  return [...nodes, ...services.flatMap(({ id, shape, tasks }) => [
    { service: { id, spec: { annotations: { name: id }, replicated: { replicas: tasks } } } },
    ...Array.from({ length: tasks }, (_, slot) => pendingTask(id, slot, shape)),
  ])]
}

function pendingTask(serviceId: string, slot: number, { cpus, port, replicasMax, zone }: Shape): Draft<StoreObject> {
  return { task: {
    id: `${serviceId}-${slot}`, serviceId, slot, desiredState: 'running', status: { state: 'pending' },
    spec: {
      resources: { reservations: { nanoCpus: cpus * 1e9 } },
      placement: { replicasMax, constraints: zone === '' ? [] : [`node.labels.zone==${zone}`], preferences: [{ spreadDescriptor: 'node.labels.zone' }] },
    },
    ...(port !== 0 && { endpoint: { ports: [{ publishMode: 'host', publishedPort: port }] } }),
  } }
}

async function carryOut(store: ReplicatedStore): Promise<void> {
  const { placements } = planPlacements(store.view(), NOW_MS)
  await store.update(tx => {
    for (const placement of placements) {
      const task = placedTask(tx.get('task', placement.taskId), placement, NOW_MS)
      if (task !== undefined) tx.update('task', task)
    }
  })
}

/** No node is given more than it has, or what it must not have. */
function checkSafety(store: ReplicatedStore): void {
  for (const node of store.view().list('node')) {
    const tasks = store.view().tasksOfNode(node.id)
    if (tasks.length > 0) assert.deepEqual([node.status?.state, node.spec?.availability], ['ready', 'active'])
    const used = tasks.reduce((sum, task) => sum + (task.spec?.resources?.reservations?.nanoCpus ?? 0), 0)
    assert(used <= (node.description?.resources?.nanoCpus ?? 0), `${node.id} is overcommitted`)
    assert(tasks.filter(task => task.endpoint !== undefined).length <= 1, `${node.id} has a port twice`)
    for (const task of tasks) checkTask(task, tasks, node.spec?.annotations?.labels['zone'] ?? '')
  }
}

function checkTask(task: Task, tasks: readonly Task[], zone: string): void {
  const placement = task.spec?.placement
  const siblings = tasks.filter(other => other.serviceId === task.serviceId).length
  assert(placement === undefined || placement.replicasMax === 0 || siblings <= placement.replicasMax, 'too many on one node')
  assert(placement?.constraints.every(constraint => constraint.endsWith(zone)), 'constraint ignored')
}

test('plans never overcommit, leave none pending that fits, and leave nothing to do', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { store } = await createTestStore({ objects: cluster(new SeededRandom(seed)) })
    try {
      await carryOut(store)
      checkSafety(store)
      // Later groups may have changed the reasons given to earlier ones, but nothing else can be placed.
      assert(planPlacements(store.view(), NOW_MS).placements.every(({ kind }) => kind === 'explain'))
      await carryOut(store)
      assert.deepEqual(planPlacements(store.view(), NOW_MS).placements, [])
      for (const task of store.view().list('task')) if (stateOf(task) === 'pending') assert.match(task.status?.err ?? '', /^no suitable node/)
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
    }
  }
})
