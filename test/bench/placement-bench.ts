/**
 * How fast the manager's deciders are, on an in-memory store: `node dist/test/bench/placement-bench.js [nodes] [tasks]`.
 * Prints one line per phase; no disk and no network take part.
 */
import { make } from '../../src/api/codec/codec.ts'
import { createId } from '../../src/base/ids.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { ServiceReconciler } from '../../manager/orchestrator/service-reconciler.ts'
import { placedTask, planPlacements } from '../../manager/scheduler/plan-placements.ts'
import type { ObjectStore } from '../../manager/store/object-store.ts'
import { createTestStore } from '../../manager/store/test-store.ts'

const [nodeCount = 1_000, taskCount = 10_000] = process.argv.slice(2).map(Number)
const WRITES_PER_UPDATE = 500
const random = new SeededRandom(1)

/** A cluster with a third of the nodes in each of three zones, and a service that wants `taskCount` replicas spread over them. */
async function setUp(): Promise<ObjectStore> {
  const { store } = await createTestStore()
  await store.update(tx => {
    for (let i = 0; i < nodeCount; i++) {
      tx.create('node', make('Node', {
        id: createId(random), status: { state: 'ready' }, spec: { availability: 'active', annotations: { labels: { zone: `z${i % 3}` } } },
        description: { hostname: `h${i}`, resources: { nanoCpus: 64e9, memoryBytes: 256 * 2 ** 30 } },
      }))
    }
    tx.create('service', make('Service', { id: 'web', spec: {
      annotations: { name: 'web' }, replicated: { replicas: taskCount },
      task: {
        container: { image: 'nginx' }, resources: { reservations: { nanoCpus: 1e7, memoryBytes: 1e6 } },
        placement: { constraints: ['node.labels.zone != z9'], preferences: [{ spreadDescriptor: 'node.labels.zone' }] },
      },
    } }))
  })
  return store
}

async function orchestrate(store: ObjectStore): Promise<void> {
  const reconciler = new ServiceReconciler({ createId: () => createId(random) })
  for (let wrote = true; wrote;) {
    wrote = await store.update(tx => {
      const { writes } = reconciler.decide(tx, 'web', Date.now())
      for (const write of writes) if (write.action === 'create') tx.create(write.kind, write.object)
      return writes.length > 0
    })
  }
}

async function allocate(store: ObjectStore): Promise<void> {
  const tasks = store.view().list('task')
  for (let at = 0; at < tasks.length; at += WRITES_PER_UPDATE) {
    await store.update(tx => {
      for (const task of tasks.slice(at, at + WRITES_PER_UPDATE)) if (task.status !== undefined) tx.update('task', { ...task, status: { ...task.status, state: 'pending' } })
    })
  }
}

async function place(store: ObjectStore): Promise<void> {
  const { placements } = timed('plan', taskCount, () => planPlacements(store.view(), Date.now()))
  await timedAsync('commit of the plan', async () => {
    for (let at = 0; at < placements.length; at += WRITES_PER_UPDATE) {
      await store.update(tx => {
        for (const placement of placements.slice(at, at + WRITES_PER_UPDATE)) {
          const task = placedTask(tx.get('task', placement.taskId), placement, Date.now())
          if (task !== undefined) tx.update('task', task)
        }
      })
    }
  })
}

function report(phase: string, count: number, startMs: number): void {
  const ms = performance.now() - startMs
  console.log(`${phase}: ${ms.toFixed(0)} ms, ${Math.round(count / ms * 1_000)} tasks/s`)
}

function timed<T>(phase: string, count: number, run: () => T): T {
  const startMs = performance.now()
  const result = run()
  report(phase, count, startMs)
  return result
}

async function timedAsync(phase: string, run: () => Promise<void>): Promise<void> {
  const startMs = performance.now()
  await run()
  report(phase, taskCount, startMs)
}

const store = await setUp()
await timedAsync('orchestrator', () => orchestrate(store))
await timedAsync('to pending', () => allocate(store))
await timedAsync('scheduler', () => place(store))
const decideAgain = new ServiceReconciler({ createId: () => createId(random) })
timed('orchestrator, nothing to do', taskCount, () => decideAgain.decide(store.view(), 'web', Date.now()))
timed('plan, nothing to do', taskCount, () => planPlacements(store.view(), Date.now()))
