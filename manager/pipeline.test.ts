import assert from 'node:assert/strict'
import test from 'node:test'
import { make, type Draft } from '../src/api/codec/codec.ts'
import type { StoreObject, Task, TaskState } from '../src/api/swarm/objects.ts'
import type { ServiceSpec } from '../src/api/swarm/specs.ts'
import { compareTaskStates, isTaskDesired, isTaskLive, occupiesSlot, stateOf } from '../src/api/swarm/task-state.ts'
import { createId } from '../src/base/ids.ts'
import { FakeClock } from '../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../src/platform/log/memory-logger.ts'
import { Allocator } from './allocator/allocator.ts'
import { ReconcileLoop } from './loop.ts'
import { ConstraintEnforcer } from './orchestrator/constraint-enforcer.ts'
import { ServiceReconciler } from './orchestrator/service-reconciler.ts'
import { TaskReaper } from './orchestrator/task-reaper.ts'
import { Scheduler } from './scheduler/scheduler.ts'
import type { ReplicatedStore } from './store/replicated-store.ts'
import { createTestStore } from './store/test-store.ts'

const NEXT: Partial<Record<TaskState, TaskState>> = { assigned: 'ready', ready: 'running' }

/** What one leader runs, as far as tasks are concerned. */
class Leader implements AsyncDisposable {
  readonly #parts: readonly (ReconcileLoop | Scheduler)[]

  constructor(store: ReplicatedStore, clock: FakeClock, seed: number) {
    const random = new SeededRandom(seed)
    const logger = new MemoryLogger()
    const reconcilers = [new ServiceReconciler({ createId: () => createId(random) }), new Allocator(), new TaskReaper(), new ConstraintEnforcer()]
    this.#parts = [...reconcilers.map(reconciler => new ReconcileLoop({ store, reconciler, clock, logger })), new Scheduler({ store, clock, logger })]
    for (const part of this.#parts) part.start()
  }

  async [Symbol.asyncDispose](): Promise<void> { for (const part of this.#parts) await part[Symbol.asyncDispose]() }
}

const node = (id: string): Draft<StoreObject> => ({ node: { id, status: { state: 'ready' }, spec: { availability: 'active' }, description: { hostname: id } } })

/** Agents that take each task as far as it may go. */
async function actAsAgents(store: ReplicatedStore): Promise<void> {
  await store.update(tx => {
    for (const task of tx.list('task')) {
      const next = nextState(task)
      if (task.status !== undefined && next !== undefined) tx.update('task', { ...task, status: { ...task.status, state: next } })
    }
  })
}

function nextState(task: Task): TaskState | undefined {
  const state = stateOf(task)
  if (compareTaskStates(state, 'assigned') < 0 || !isTaskLive(task)) return undefined
  if (!isTaskDesired(task)) return 'shutdown'
  return compareTaskStates(task.desiredState, state) > 0 ? NEXT[state] : undefined
}

/** Time in tenths of seconds, agents acting after each. */
async function live(store: ReplicatedStore, clock: FakeClock, seconds: number): Promise<void> {
  for (let i = 0; i < seconds * 10; i++) {
    await clock.advance(100)
    await actAsAgents(store)
  }
}

const running = (store: ReplicatedStore): Task[] => store.view().list('task').filter(task => occupiesSlot(task) && stateOf(task) === 'running')
const imagesOf = (store: ReplicatedStore): string => running(store).map(task => task.spec?.container?.image).sort().join('')

async function setImage(store: ReplicatedStore, image: string): Promise<void> {
  await store.update(tx => {
    const service = tx.get('service', 's')
    if (service?.spec === undefined) return
    const spec = make('ServiceSpec', { ...service.spec, task: { ...service.spec.task, container: { image } } } as Draft<ServiceSpec>)
    tx.update('service', { ...service, spec, specVersion: service.meta?.version ?? 0, previousSpec: service.spec, previousSpecVersion: service.specVersion })
  })
}

async function cluster(replicas: number): Promise<{ store: ReplicatedStore; clock: FakeClock }> {
  const clock = new FakeClock()
  const service = { service: { id: 's', spec: { annotations: { name: 'web' }, replicated: { replicas }, task: { container: { image: 'a' } } } } }
  const { store } = await createTestStore({ objects: [node('n1'), node('n2'), node('n3'), service], nowMs: () => clock.nowMs() })
  return { store, clock }
}

test('a service comes up spread over the nodes, heals, and goes', async () => {
  const { store, clock } = await cluster(6)
  await using _ = new Leader(store, clock, 1)
  await live(store, clock, 2)
  assert.deepEqual(['n1', 'n2', 'n3'].map(id => store.view().tasksOfNode(id).length), [2, 2, 2])
  assert.equal(running(store).length, 6)
  const [victim] = running(store)
  await store.update(tx => { if (victim?.status !== undefined) tx.update('task', { ...victim, status: { ...victim.status, state: 'failed' } }) })
  await live(store, clock, 7)
  assert.equal(running(store).length, 6)
  assert.equal(store.view().list('task').length, 7)
  await store.update(tx => tx.remove('service', 's'))
  await live(store, clock, 2)
  assert.equal(store.view().list('task').length, 0)
})

test('a new leader continues a rolling update where the last one stopped', async () => {
  const { store, clock } = await cluster(4)
  const first = new Leader(store, clock, 1)
  await live(store, clock, 2)
  await setImage(store, 'b')
  while (!imagesOf(store).includes('b')) await live(store, clock, 0.1)
  await first[Symbol.asyncDispose]()
  const startedAtMs = store.view().get('service', 's')?.updateStatus?.startedAtMs
  assert.notEqual(imagesOf(store), 'bbbb')
  await live(store, clock, 5)
  assert.notEqual(imagesOf(store), 'bbbb')
  await using _ = new Leader(store, clock, 2)
  await live(store, clock, 20)
  assert.equal(imagesOf(store), 'bbbb')
  const status = store.view().get('service', 's')?.updateStatus
  assert.deepEqual([status?.state, status?.startedAtMs], ['completed', startedAtMs])
})
