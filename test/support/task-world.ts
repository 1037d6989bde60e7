import assert from 'node:assert/strict'
import type { Draft } from '../../src/api/codec/codec.ts'
import { make } from '../../src/api/codec/codec.ts'
import type { Node, Service, StoreObject, Task, TaskState } from '../../src/api/swarm/objects.ts'
import type { NodeAvailability, ServiceSpec } from '../../src/api/swarm/specs.ts'
import { compareTaskStates, isTaskDesired, isTerminal, occupiesSlot, stateOf } from '../../src/api/swarm/task-state.ts'
import type { StoreCommit, StoreWrite } from '../../manager/store/object-store.ts'
import type { Decision, Reconciler } from '../../manager/store/reconciler.ts'
import type { ReplicatedStore } from '../../manager/store/replicated-store.ts'
import { createTestStore } from '../../manager/store/test-store.ts'
import { ServiceReconciler } from '../../manager/orchestrator/service-reconciler.ts'
import { TaskReaper } from '../../manager/orchestrator/task-reaper.ts'

/** Rounds of all deciders after which a world that still changes counts as unstable. */
const ROUNDS_MAX = 50
/** What an agent does next with a task that may go on. */
const NEXT: Partial<Record<TaskState, TaskState>> = {
  assigned: 'accepted', accepted: 'preparing', preparing: 'ready', ready: 'starting', starting: 'running',
}
/** States an agent does not leave unless the desired state lies beyond. */
const PAUSE_POINTS: readonly TaskState[] = ['assigned', 'accepted', 'ready']

/** For tests: the deciders on a store, with an allocator, a scheduler and agents that do as they are told. Time moves only by advance(). */
export class TaskWorld {
  readonly store: ReplicatedStore
  readonly reconcilers: readonly Reconciler[]
  nowMs = 1_700_000_000_000
  #ids = 0
  /** As the loop keeps them: keys that changes asked for, and alarms. */
  readonly #asked = new Set<string>()
  readonly #alarms = new Map<string, number>()
  readonly #commits: AsyncIterator<StoreCommit>

  private constructor(store: ReplicatedStore) {
    this.store = store
    this.reconcilers = [new ServiceReconciler({ createId: () => this.createId() }), new TaskReaper()]
    this.#commits = store.watch(new AbortController().signal)[Symbol.asyncIterator]()
    void this.#listen(this.#commits)
    for (const [at, reconciler] of this.reconcilers.entries()) for (const key of reconciler.keys(store.view())) this.#asked.add(`${at} ${key}`)
  }

  static async create(objects: readonly Draft<StoreObject>[]): Promise<TaskWorld> {
    let world: TaskWorld | undefined
    const { store } = await createTestStore({ objects, nowMs: () => world?.nowMs ?? 1_700_000_000_000 })
    world = new TaskWorld(store)
    return world
  }

  createId(): string { return `t${String(++this.#ids).padStart(6, '0')}` }
  tasks(): readonly Task[] { return this.store.view().list('task') }
  live(): readonly Task[] { return this.tasks().filter(occupiesSlot) }
  service(id = 's'): Service {
    const service = this.store.view().get('service', id)
    assert(service !== undefined)
    return service
  }

  /** Lets the deciders work on the keys that changes and alarms ask for until none is left; then no key at all may want anything. */
  async settle(): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      await new Promise<void>(resolve => { setImmediate(resolve) })
      const keys = [...this.#asked, ...[...this.#alarms].filter(([, atMs]) => atMs <= this.nowMs).map(([key]) => key)]
      if (keys.length === 0) return this.#checkSettled()
      this.#asked.clear()
      for (const key of new Set(keys)) await this.#decide(key)
    }
    assert.fail(`still changing after ${ROUNDS_MAX} rounds`)
  }

  /** One step of everything beside the deciders: tasks are placed on a ready node and go one state further there. */
  async step(): Promise<void> {
    const nodes = this.store.view().list('node').filter(node => node.status?.state === 'ready' && node.spec?.availability === 'active')
    for (const [index, task] of this.tasks().entries()) {
      const state = stateOf(task)
      if (compareTaskStates(state, 'assigned') < 0) {
        const node = task.nodeId === '' ? nodes[index % Math.max(1, nodes.length)] : nodes.find(({ id }) => id === task.nodeId)
        if (isTaskDesired(task) && node !== undefined) await this.put({ ...task, nodeId: node.id }, 'assigned')
        continue
      }
      const next = this.#nextState(task)
      if (next !== undefined) await this.put(task, next)
    }
  }

  /** Steps until nothing moves any more at this instant. */
  async run(): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      await this.settle()
      const { version } = this.store.view()
      await this.step()
      if (this.store.view().version === version) return
    }
    assert.fail(`still moving after ${ROUNDS_MAX} rounds`)
  }

  /** Moves time on, from wish to wish of the deciders. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.nowMs + byMs
    for (let hops = 0; hops < 1_000; hops++) {
      await this.run()
      const nextMs = Math.min(Infinity, ...this.#alarms.values())
      if (nextMs > endMs) break
      this.nowMs = Math.max(this.nowMs + 1, nextMs)
    }
    this.nowMs = endMs
    await this.run()
  }

  async put(task: Task, state: TaskState): Promise<void> {
    const current = this.store.view().get('task', task.id)
    if (current?.status === undefined) return
    const status = { ...current.status, state, timestampMs: this.nowMs, appliedAtMs: this.nowMs }
    await this.store.update(tx => { tx.update('task', { ...current, nodeId: task.nodeId, status }) })
  }

  async fail(task: Task | undefined, state: TaskState = 'failed'): Promise<void> {
    assert(task !== undefined)
    await this.put(task, state)
  }

  /** Replaces the service's spec as the control API does, a moment after what was before. */
  async updateService(change: (spec: ServiceSpec) => ServiceSpec, id = 's'): Promise<void> {
    this.nowMs++
    await this.store.update(tx => {
      const service = tx.get('service', id)
      if (service?.spec === undefined) return
      const { updateStatus: _, ...rest } = service
      tx.update('service', {
        ...rest, spec: change(service.spec), specVersion: service.meta?.version ?? 0, previousSpec: service.spec, previousSpecVersion: service.specVersion,
        ...(service.jobStatus !== undefined && { jobStatus: { iteration: service.jobStatus.iteration + 1, lastExecutionMs: this.nowMs } }),
      })
    })
  }

  async setNode(id: string, change: { readonly state?: 'ready' | 'down'; readonly availability?: NodeAvailability }): Promise<void> {
    await this.store.update(tx => {
      const node = tx.get('node', id)
      if (node === undefined) return
      tx.update('node', make('Node', { ...node, status: { ...node.status, state: change.state ?? node.status?.state },
        spec: { ...node.spec, availability: change.availability ?? node.spec?.availability } } as Draft<Node>))
    })
  }

  async remove(kind: 'node' | 'service', id: string): Promise<void> { await this.store.update(tx => tx.remove(kind, id)) }

  #nextState(task: Task): TaskState | undefined {
    const node = this.store.view().get('node', task.nodeId)
    const state = stateOf(task)
    if (node?.status?.state !== 'ready' || isTerminal(state)) return undefined
    if (!isTaskDesired(task)) return 'shutdown'
    if (PAUSE_POINTS.includes(state) && compareTaskStates(task.desiredState, state) <= 0) return undefined
    return NEXT[state]
  }

  async #listen(commits: AsyncIterator<StoreCommit>): Promise<void> {
    for (let next = await commits.next(); next.done !== true; next = await commits.next()) {
      const { changes, view } = next.value
      assert(changes !== 'all')
      for (const [at, reconciler] of this.reconcilers.entries()) {
        for (const change of changes) for (const key of reconciler.keysOf(change, view)) this.#asked.add(`${at} ${key}`)
      }
    }
  }

  async #decide(tagged: string): Promise<void> {
    const decision = this.#decisionOf(tagged)
    this.#alarms.delete(tagged)
    if (decision.wakeAtMs !== undefined) this.#alarms.set(tagged, decision.wakeAtMs)
    await this.#apply(decision.writes)
  }

  #decisionOf(tagged: string): Decision {
    const [at = '', key = ''] = tagged.split(' ')
    const reconciler = this.reconcilers[Number(at)]
    assert(reconciler !== undefined)
    return reconciler.decide(this.store.view(), key, this.nowMs)
  }

  /** Deciding again yields nothing, and no change went by without a key that it concerned. */
  #checkSettled(): void {
    for (const [at, reconciler] of this.reconcilers.entries()) {
      for (const key of reconciler.keys(this.store.view())) {
        assert.deepEqual(this.#decisionOf(`${at} ${key}`).writes, [], `${reconciler.name} was not asked about ${key}`)
      }
    }
  }

  async #apply(writes: readonly StoreWrite[]): Promise<void> {
    await this.store.update(tx => {
      for (const write of writes) {
        if (write.action === 'remove') tx.remove(write.kind, write.id)
        else if (write.action === 'create') tx.create(write.kind, write.object)
        else tx.update(write.kind, write.object)
      }
    })
  }
}

export function nodeDraft(id: string): Draft<StoreObject> {
  return { node: { id, status: { state: 'ready' }, spec: { availability: 'active' }, description: { hostname: id } } }
}

export function serviceDraft(spec: Draft<ServiceSpec>, rest: Draft<Service> = {}): Draft<StoreObject> {
  return { service: { id: 's', ...rest, spec: { annotations: { name: 'web' }, ...spec, task: { container: { image: 'a' }, ...spec.task } } } }
}

/** As a user changing the image does. */
export function withImage(image: string): (spec: ServiceSpec) => ServiceSpec {
  return spec => make('ServiceSpec', { ...spec, task: { ...spec.task, container: { ...spec.task?.container, image } } } as Draft<ServiceSpec>)
}
