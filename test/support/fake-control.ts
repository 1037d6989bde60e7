import { make } from '../../src/api/codec/codec.ts'
import type { ServiceStatus, StoreEvent } from '../../src/api/swarm/control.ts'
import type { SubscribeLogsMessage } from '../../src/api/swarm/logs.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { Filters } from '../../src/http/convert/filters.ts'
import { swarmStateError } from '../../src/http/convert/swarm-state-error.ts'
import type { ControlBackend, ControlKind, ControlObjects, ControlSpecs, CreatableKind, UpdateCall, WatchedChanges, WatchPosition, Written } from '../../src/http/routes/control-backend.ts'

const NOW_MS = 1_767_225_600_000

/** A control service that keeps objects in memory and has every replica running at once. */
export class FakeControl implements ControlBackend {
  readonly #objects: { [K in ControlKind]: Map<string, ControlObjects[K]> } = {
    node: new Map(), service: new Map(), task: new Map(), network: new Map(), secret: new Map(), config: new Map(), cluster: new Map(),
  }
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  #version = 10
  isManager = false
  logs: SubscribeLogsMessage[] = []
  readonly updates: UpdateCall<keyof ControlSpecs>[] = []

  /** Makes this node the manager of a swarm of one. */
  init(spec: ControlSpecs['cluster']): string {
    this.isManager = true
    const id = this.#id()
    this.#objects.node.set(id, make('Node', {
      id, meta: this.#meta(), role: 'manager', spec: { role: 'manager', annotations: {} }, status: { state: 'ready', addr: '10.0.0.1' },
      description: { hostname: 'testhost', platform: { architecture: 'x86_64', os: 'linux' }, resources: { nanoCpus: 2e9, memoryBytes: 2 ** 30 }, engineVersion: '0.1.0', tlsInfo: { trustRootPem: 'PEM' } },
      managerStatus: { leader: true, reachability: 'reachable', addr: '10.0.0.1:2377' },
    }))
    this.#objects.cluster.set('c1', make('Cluster', { id: 'c1', meta: this.#meta(), spec, rootCa: { joinTokens: { worker: 'SWMTKN-1-w', manager: 'SWMTKN-1-m' } }, addressPool: ['10.0.0.0/8'], subnetSize: 24, unlockKey: 'SWMKEY-1-x' }))
    return id
  }

  async get<K extends ControlKind>(kind: K, ref: string): Promise<ControlObjects[K]> {
    this.#check()
    const all = [...this.#objects[kind].values()] as ControlObjects[K][]
    const found = all.find(({ id }) => id === ref) ?? all.find(object => nameOf(object) === ref) ?? all.find(({ id }) => id.startsWith(ref))
    if (found === undefined) throw new ShoalError('not-found', 'no-such-object', `${kind} ${ref} not found`)
    return found
  }

  async list<K extends ControlKind>(kind: K, filters: Filters): Promise<readonly ControlObjects[K][]> {
    this.#check()
    return [...this.#objects[kind].values() as Iterable<ControlObjects[K]>].filter(object => Object.entries(filters).every(([name, values]) => matches(object, name, values)))
  }

  async create<K extends CreatableKind>(kind: K, spec: ControlSpecs[K]): Promise<Written<ControlObjects[K]>> {
    this.#check()
    const name = spec.annotations?.name ?? ''
    if ([...this.#objects[kind].values()].some(object => nameOf(object as ControlObjects[ControlKind]) === name)) {
      throw new ShoalError('already-exists', 'name-conflict', `name conflicts with an existing object: ${kind} ${name} already exists`)
    }
    const object = { id: this.#id(), meta: this.#meta(), spec } as unknown as ControlObjects[K]
    this.#objects[kind].set(object.id, object)
    this.#emit('create', kind, object)
    if (kind === 'service') this.#spread(object as ControlObjects['service'])
    return { object, warnings: [] }
  }

  async update<K extends keyof ControlSpecs>(call: UpdateCall<K>): Promise<Written<ControlObjects[K]>> {
    this.#check()
    this.updates.push(call as unknown as UpdateCall<keyof ControlSpecs>)
    const old = await this.get(call.kind, call.id)
    if (call.version !== old.meta?.version) throw new ShoalError('unknown', 'out-of-sequence', 'update out of sequence')
    const object = { ...old, meta: this.#meta(), ...call.spec === undefined ? {} : { spec: call.spec } } as ControlObjects[K]
    this.#objects[call.kind].set(old.id, object)
    this.#emit('update', call.kind, object, old)
    if (call.kind === 'service') this.#spread(object as ControlObjects['service'])
    return { object, warnings: [] }
  }

  async remove(kind: ControlKind, id: string): Promise<void> {
    const old = await this.get(kind, id)
    this.#objects[kind].delete(id)
    if (kind === 'service') for (const task of this.#objects.task.values()) if (task.serviceId === id) this.#objects.task.delete(task.id)
    this.#emit('remove', kind, old)
  }

  async serviceStatuses(ids: readonly string[]): Promise<readonly ServiceStatus[]> {
    return ids.map(serviceId => {
      const running = [...this.#objects.task.values()].filter(task => task.serviceId === serviceId).length
      return { serviceId, runningTasks: running, desiredTasks: running, completedTasks: 0 }
    })
  }

  async *watch(_resume: WatchPosition | undefined, signal: AbortSignal): AsyncIterable<WatchedChanges> {
    this.#check()
    const queue: StoreEvent[] = []
    let wake = (): void => {}
    const listener = (event: StoreEvent): void => { queue.push(event); wake() }
    this.#listeners.add(listener)
    try {
      while (!signal.aborted) {
        for (const event of queue.splice(0)) yield { events: [event], version: this.#version, clusterId: 'cluster' }
        if (queue.length > 0) continue
        await new Promise<void>(resolve => {
          wake = resolve
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
      }
    } finally {
      this.#listeners.delete(listener)
    }
  }

  async *subscribeLogs(): AsyncIterable<SubscribeLogsMessage> { yield* this.logs }

  #check(): void {
    if (!this.isManager) throw swarmStateError('inactive')
  }

  #spread(service: ControlObjects['service']): void {
    for (const task of [...this.#objects.task.values()]) if (task.serviceId === service.id) this.#objects.task.delete(task.id)
    const node = [...this.#objects.node.keys()][0] ?? ''
    for (let slot = 1; slot <= (service.spec?.replicated?.replicas ?? 1); slot++) {
      const id = this.#id()
      this.#objects.task.set(id, make('Task', {
        id, meta: this.#meta(), spec: service.spec?.task, serviceId: service.id, serviceAnnotations: service.spec?.annotations, slot, nodeId: node, desiredState: 'running',
        annotations: { name: `${service.spec?.annotations?.name}.${slot}.${id}` },
        status: { state: 'running', timestampMs: NOW_MS, message: 'started', container: { containerId: 'c'.repeat(64), pid: 1 } },
        networks: (service.spec?.task?.networks ?? []).map(({ target }) => ({ networkId: target, addresses: ['10.0.1.2/24'] })),
      }))
    }
  }

  #emit(action: StoreEvent['action'], kind: ControlKind, object: unknown, old?: unknown): void {
    const event = { action, object: { [kind]: object }, ...old === undefined ? {} : { oldObject: { [kind]: old } }, atMs: NOW_MS } as StoreEvent
    for (const listener of this.#listeners) listener(event)
  }

  #meta(): { version: number; createdAtMs: number; updatedAtMs: number } { return { version: ++this.#version, createdAtMs: NOW_MS, updatedAtMs: NOW_MS } }
  #id(): string { return (++this.#version).toString(36).padStart(25, '0') }
}

function nameOf(object: ControlObjects[ControlKind]): string {
  if ('description' in object) return object.description?.hostname ?? ''
  return (object.spec as { readonly annotations?: { readonly name: string } } | undefined)?.annotations?.name ?? ''
}

function matches(object: ControlObjects[ControlKind], name: string, values: readonly string[]): boolean {
  const task = object as ControlObjects['task']
  if (name === 'service') return values.includes(task.serviceId)
  if (name === 'node') return values.includes(task.nodeId)
  if (name === 'id') return values.some(value => object.id.startsWith(value))
  if (name === 'name') return values.some(value => nameOf(object).startsWith(value))
  if (name === 'label') {
    const labels = task.serviceAnnotations?.labels ?? (object.spec as { readonly annotations?: { readonly labels: Readonly<Record<string, string>> } } | undefined)?.annotations?.labels ?? {}
    return values.every(value => value.includes('=') ? labels[value.split('=')[0] ?? ''] === value.split('=')[1] : Object.hasOwn(labels, value))
  }
  return true
}
