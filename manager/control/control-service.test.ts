import assert from 'node:assert/strict'
import test from 'node:test'
import { make, type Draft } from '../../src/api/codec/codec.ts'
import type { UpdateObjectRequest, WatchMessage, WatchRequest } from '../../src/api/swarm/control.ts'
import type { Service, StoreObject } from '../../src/api/swarm/objects.ts'
import type { ServiceSpec } from '../../src/api/swarm/specs.ts'
import { ShoalError, type ErrorKind } from '../../src/base/errors.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import type { ReplicatedStore } from '../store/replicated-store.ts'
import { createTestStore } from '../store/test-store.ts'
import { ControlService } from './control-service.ts'

const SIGNAL = new AbortController().signal

test('a created service is found by id, by name in any case and by id prefix', async () => {
  const { control } = await setUp()
  const { object } = await control.create({ spec: { service: serviceSpec() } }, SIGNAL)
  const id = object?.service?.id ?? ''
  assert.equal(id.length, 25)
  for (const ref of [id, 'web', 'WEB', id.slice(0, 6)]) assert.equal(control.get({ kind: 'service', ref }).object?.service?.id, id)
  refuses(() => control.get({ kind: 'service', ref: 'nope' }), 'not-found', 'service nope not found')
})

test('an ambiguous id prefix is refused', async () => {
  const { control } = await setUp([{ service: { id: 'aa1', spec: { annotations: { name: 'x' } } } }, { service: { id: 'aa2', spec: { annotations: { name: 'y' } } } }])
  refuses(() => control.get({ kind: 'service', ref: 'aa' }), 'invalid-argument', 'service aa is ambiguous (2 matches found)')
})

test('bad service specs are refused with the texts of Docker', async () => {
  const { control } = await setUp([{ service: { id: 's0', spec: { annotations: { name: 'taken' }, endpoint: { ports: [{ targetPort: 80, publishedPort: 80 }] } } } },
    { network: { id: 'net0', spec: { annotations: { name: 'ingress' }, ingress: true } } }])
  const cases: [Draft<ServiceSpec>, ErrorKind, string][] = [
    [{ annotations: { name: 'a b' } }, 'invalid-argument', 'name must be valid as a DNS name component'],
    [{ annotations: { name: 'Taken' } }, 'already-exists', 'name conflicts with an existing object: service Taken already exists'],
    [{ task: { container: { image: '' } } }, 'invalid-argument', 'ContainerSpec: image reference must be provided'],
    [{ task: { container: { image: 'i', mounts: [{ target: '/a' }, { target: '/a' }] } } }, 'invalid-argument', 'ContainerSpec: duplicate mount point: /a'],
    [{ task: { container: { image: 'i', env: ['A={{.Node'] } } }, 'invalid-argument', 'expanding env "A={{.Node" failed: template: expansion:1: unclosed action'],
    [{ task: { container: { image: 'i', hostname: 'h-{{ .Task.Nope }}' } } }, 'invalid-argument', 'expanding hostname "h-{{ .Task.Nope }}" failed: template: expansion:1:5: executing "expansion" at <.Task.Nope>: can\'t evaluate field Nope in type struct { ID string; Name string; Slot string }'],
    [{ task: { container: { image: 'i' }, placement: { constraints: ['node.role'] } } }, 'unknown', 'constraint expected one operator from ==, !='],
    [{ task: { container: { image: 'i' }, resources: { limits: { memoryBytes: 1 } } } }, 'invalid-argument', 'invalid memory value 1: Must be at least 4MiB'],
    [{ task: { container: { image: 'i', secrets: [{ secretId: 'x', secretName: 'S', file: { name: 'S' } }] } } }, 'invalid-argument', 'secret not found: S'],
    [{ task: { container: { image: 'i' }, networks: [{ target: 'ingress' }] } }, 'invalid-argument', 'Service cannot be explicitly attached to the ingress network "ingress"'],
    [{ endpoint: { mode: 'dnsrr', ports: [{ targetPort: 1 }] } }, 'invalid-argument', "EndpointSpec: port published with ingress mode can't be used with dnsrr mode"],
    [{ endpoint: { ports: [{ targetPort: 9, protocol: 'sctp' }] } }, 'invalid-argument', 'EndpointSpec: port 9/sctp can not be published: only tcp and udp ports can'],
    [{ endpoint: { ports: [{ targetPort: 1, publishedPort: 9 }, { targetPort: 2, publishedPort: 9 }] } }, 'invalid-argument', 'EndpointSpec: duplicate published ports provided'],
    [{ endpoint: { ports: [{ targetPort: 1, publishedPort: 80 }] } }, 'invalid-argument', "port '80' is already in use by service 'taken' (s0) as an ingress port"],
    [{ replicated: undefined, replicatedJob: {}, update: {} }, 'invalid-argument', 'Jobs may not have an update config'],
    [{ update: { maxFailureRatio: 2 } }, 'invalid-argument', 'TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1'],
  ]
  for (const [draft, kind, message] of cases) {
    await refusesAsync(() => control.create({ spec: { service: serviceSpec(draft) } }, SIGNAL), kind, message)
  }
})

test('common image references are accepted', async () => {
  const { control } = await setUp()
  const digest = `sha256:${'a'.repeat(64)}`
  for (const [at, image] of ['nginx', 'nginx:1.27-alpine', 'library/nginx', 'localhost:5000/a/b:v1', `nginx@${digest}`, `ghcr.io/a/b_c:1@${digest}`].entries()) {
    await control.create({ spec: { service: serviceSpec({ annotations: { name: `s${at}` }, task: { container: { image } } }) } }, SIGNAL)
  }
  await refusesAsync(() => control.create({ spec: { service: serviceSpec({ task: { container: { image: 'UPPER case' } } }) } }, SIGNAL), 'invalid-argument',
    'ContainerSpec: "UPPER case" is not a valid repository/tag')
})

test('an update keeps one previous spec, takes the version it was given and forgets the status of the last update', async () => {
  const { control, store } = await setUp([{ service: { id: 's1', spec: serviceSpec(), updateStatus: { state: 'paused' } } }])
  const before = stored(store)
  await control.update(updateOf(before, serviceSpec({ replicated: { replicas: 3 } })), SIGNAL)
  const after = stored(store)
  assert.equal(after.spec?.replicated?.replicas, 3)
  assert.deepEqual(after.previousSpec, before.spec)
  assert.equal(after.specVersion, before.meta?.version)
  assert.equal(after.updateStatus, undefined)
})

test('an update with a stale version is out of sequence, of kind unknown', async () => {
  const { control, store } = await setUp([{ service: { id: 's1', spec: serviceSpec() } }])
  await refusesAsync(() => control.update({ ...updateOf(stored(store), serviceSpec()), version: 999 }, SIGNAL), 'unknown', 'update out of sequence')
})

test('rollback swaps spec and previous spec, and needs one', async () => {
  const { control, store } = await setUp([{ service: { id: 's1', spec: serviceSpec() } }])
  await refusesAsync(() => control.update({ ...updateOf(stored(store)), rollback: true }, SIGNAL), 'failed-precondition', 'service s1 does not have a previous spec')
  await control.update(updateOf(stored(store), serviceSpec({ replicated: { replicas: 3 } })), SIGNAL)
  await control.update({ ...updateOf(stored(store)), rollback: true }, SIGNAL)
  assert.equal(stored(store).spec?.replicated?.replicas, 1)
  assert.equal(stored(store).previousSpec?.replicated?.replicas, 3)
  assert.equal(stored(store).updateStatus?.message, 'manually requested rollback')
})

test('an update may name the object as people do', async () => {
  const { control, store } = await setUp([{ service: { id: 's1', spec: serviceSpec() } }])
  await control.update({ ...updateOf(stored(store), serviceSpec({ replicated: { replicas: 2 } })), id: 'web' }, SIGNAL)
  assert.equal(stored(store).spec?.replicated?.replicas, 2)
})

test('name and mode of a service can not change', async () => {
  const { control, store } = await setUp([{ service: { id: 's1', spec: serviceSpec() } }])
  await refusesAsync(() => control.update(updateOf(stored(store), serviceSpec({ annotations: { name: 'new' } })), SIGNAL), 'not-implemented', 'renaming services is not supported')
  await refusesAsync(() => control.update(updateOf(stored(store), serviceSpec({ replicated: undefined, global: {} })), SIGNAL), 'not-implemented', 'service mode change is not allowed')
})

test('registry credentials survive an update without them and are never shown', async () => {
  const { control, store } = await setUp([{ service: { id: 's1', spec: serviceSpec({ task: { container: { image: 'i', registryAuth: 'secret' } } }) } }])
  await control.update(updateOf(stored(store), serviceSpec()), SIGNAL)
  assert.equal(stored(store).spec?.task?.container?.registryAuth, 'secret')
  assert.equal(control.get({ kind: 'service', ref: 's1' }).object?.service?.spec?.task?.container?.registryAuth, '')
})

test('each update of a job starts its next iteration', async () => {
  const job = serviceSpec({ replicated: undefined, replicatedJob: { maxConcurrent: 1 } })
  const { control, store } = await setUp()
  const { object } = await control.create({ spec: { service: job } }, SIGNAL)
  const service = object?.service as Service
  assert.equal(service.jobStatus?.iteration, 0)
  await control.update(updateOf(service, job), SIGNAL)
  assert.equal(store.view().get('service', service.id)?.jobStatus?.iteration, 1)
})

test('secret data never leaves, labels alone can change, and a secret in use stays', async () => {
  const { control, store } = await setUp()
  const spec = make('SecretSpec', { annotations: { name: 'S' }, data: new Uint8Array([1]) })
  const { object } = await control.create({ spec: { secret: spec } }, SIGNAL)
  const id = object?.secret?.id ?? ''
  assert.equal(object?.secret?.spec?.data.length, 0)
  const version = object?.secret?.meta?.version ?? 0
  await refusesAsync(() => control.update(request({ kind: 'secret', id, version, spec: { secret: { ...spec, data: new Uint8Array([2]) } } }), SIGNAL), 'invalid-argument', 'only updates to Labels are allowed')
  await control.update(request({ kind: 'secret', id, version, spec: { secret: make('SecretSpec', { annotations: { name: 'S', labels: { a: 'b' } } }) } }), SIGNAL)
  assert.deepEqual(store.view().get('secret', id)?.spec?.annotations?.labels, { a: 'b' })
  assert.equal(store.view().get('secret', id)?.spec?.data.length, 1)
  const user = serviceSpec({ task: { container: { image: 'i', secrets: [{ secretId: id, secretName: 'S', file: { name: 'S' } }] } } })
  await control.create({ spec: { service: user } }, SIGNAL)
  await refusesAsync(() => control.remove({ kind: 'secret', ref: 'S', force: false }, SIGNAL), 'invalid-argument', "secret 'S' is in use by the following service: web")
})

test('a network in use can not be removed; overlapping subnets and foreign drivers are refused', async () => {
  const { control } = await setUp()
  const created = await control.create({ spec: { network: networkSpec('front', '10.5.0.0/24') } }, SIGNAL)
  assert.equal(created.object?.network?.spec?.annotations?.name, 'front')
  await refusesAsync(() => control.create({ spec: { network: networkSpec('Front') } }, SIGNAL), 'already-exists', 'network Front already exists')
  await refusesAsync(() => control.create({ spec: { network: networkSpec('b', '10.5.0.0/16') } }, SIGNAL), 'invalid-argument', 'invalid pool request: Pool overlaps with other one on this address space')
  const { object } = await control.create({ spec: { service: serviceSpec({ task: { container: { image: 'i' }, networks: [{ target: 'front' }] } }) } }, SIGNAL)
  assert.equal(object?.service?.spec?.task?.networks[0]?.target, created.object?.network?.id)
  await refusesAsync(() => control.remove({ kind: 'network', ref: 'front', force: false }, SIGNAL), 'failed-precondition', `network ${created.object?.network?.id} is in use by service ${object?.service?.id}`)
  await control.remove({ kind: 'service', ref: 'web', force: false }, SIGNAL)
  await control.remove({ kind: 'network', ref: 'front', force: false }, SIGNAL)
})

test('nodes: ready ones need force, members of raft must be demoted first, removal orphans tasks and bars the certificate', async () => {
  const node = (id: string, state: 'ready' | 'down') => ({ node: { id, spec: { role: 'worker' }, status: { state } } }) as const
  const { control, store } = await setUp([{ cluster: { id: 'c', spec: { annotations: { name: 'default' } } } }, node('member', 'down'), node('up', 'ready'),
    { task: { id: 't', nodeId: 'up', status: { state: 'running' } } }])
  await refusesAsync(() => control.remove({ kind: 'node', ref: 'member', force: true }, SIGNAL), 'failed-precondition',
    'node member is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal')
  await refusesAsync(() => control.remove({ kind: 'node', ref: 'up', force: false }, SIGNAL), 'failed-precondition', "node up is not down and can't be removed")
  await control.remove({ kind: 'node', ref: 'up', force: true }, SIGNAL)
  assert.deepEqual(store.view().cluster()?.removedNodes.map(removed => removed.nodeId), ['up'])
  assert.equal(store.view().get('task', 't')?.status?.state, 'orphaned')
})

test('the last manager can not be demoted', async () => {
  const { control, store } = await setUp([{ node: { id: 'member', spec: { role: 'manager' }, role: 'manager' } }])
  const version = store.view().get('node', 'member')?.meta?.version ?? 0
  await refusesAsync(() => control.update(request({ kind: 'node', id: 'member', version, spec: { node: make('NodeSpec', { role: 'worker' }) } }), SIGNAL), 'failed-precondition',
    'attempting to demote the last manager of the swarm')
})

test('the unlock key is there with autolock, another one when rotated, and gone without autolock', async () => {
  const { control, store } = await setUp([{ cluster: { id: 'c', spec: { annotations: { name: 'default' } } } }])
  const update = async (autoLockManagers: boolean, rotateUnlockKey = false): Promise<string> => {
    const cluster = store.view().cluster()
    assert(cluster?.spec !== undefined)
    await control.update(request({ kind: 'cluster', id: 'c', version: cluster.meta?.version ?? 0, spec: { cluster: { ...cluster.spec, autoLockManagers } }, rotateUnlockKey }), SIGNAL)
    return store.view().cluster()?.unlockKey ?? ''
  }
  const first = await update(true)
  assert.match(first, /^SWMKEY-1-/)
  assert.equal(await update(true), first)
  const second = await update(true, true)
  assert.notEqual(second, first)
  assert.equal(await update(false, true), '')
  assert.notEqual(await update(true), second)
})

test('join tokens are rotated one by one, and the CA key is never shown', async () => {
  const { control, store } = await setUp([{ cluster: { id: 'c', spec: { annotations: { name: 'default' } }, rootCa: { keyPem: new Uint8Array([1]), joinTokens: { worker: 'w', manager: 'm' } } } }])
  const { object } = control.get({ kind: 'cluster', ref: 'default' })
  assert.equal(object?.cluster?.rootCa?.keyPem.length, 0)
  await control.update(request({ kind: 'cluster', id: 'c', version: object?.cluster?.meta?.version ?? 0, rotateWorkerToken: true }), SIGNAL)
  assert.deepEqual(store.view().cluster()?.rootCa?.joinTokens, { worker: 'fresh', manager: 'm' })
  assert.equal(store.view().cluster()?.rootCa?.keyPem.length, 1)
})

test('tasks are filtered by service, state and being up to date; unknown filters are refused', async () => {
  const { control } = await setUp([{ service: { id: 's1', spec: serviceSpec(), specVersion: 7 } },
    { task: { id: 'old', serviceId: 's1', specVersion: 5, spec: { container: { image: 'older' } }, desiredState: 'shutdown' } },
    { task: { id: 'same', serviceId: 's1', specVersion: 5, spec: serviceSpec().task, desiredState: 'running' } },
    { task: { id: 'new', serviceId: 's1', specVersion: 7, desiredState: 'running' } }, { task: { id: 'other', serviceId: 's2' } }])
  const ids = (filters: Record<string, string[]>): string[] => control.list({ kind: 'task', filters: Object.fromEntries(Object.entries(filters).map(([name, values]) => [name, { values }])) })
    .objects.map(object => object.task?.id ?? '').sort()
  assert.deepEqual(ids({ service: ['web'] }), ['new', 'old', 'same'])
  assert.deepEqual(ids({ service: ['web'], '_up-to-date': ['true'] }), ['new', 'same'])
  assert.deepEqual(ids({ 'desired-state': ['shutdown'] }), ['old'])
  refuses(() => ids({ colour: ['red'] }), 'invalid-argument', "invalid filter 'colour'")
})

test('service statuses count running, wanted and completed tasks', async () => {
  const running = (id: string) => ({ task: { id, serviceId: 's1', desiredState: 'running', status: { state: 'running' } } }) as const
  const { control } = await setUp([{ service: { id: 's1', spec: serviceSpec({ replicated: { replicas: 3 } }) } }, running('a'), running('b'),
    { service: { id: 'j', spec: serviceSpec({ annotations: { name: 'j' }, replicated: undefined, replicatedJob: { maxConcurrent: 1, totalCompletions: 3 } }), jobStatus: { iteration: 1 } } },
    { task: { id: 'd', serviceId: 'j', desiredState: 'complete', status: { state: 'complete' }, jobIteration: 1 } }, { task: { id: 'e', serviceId: 'j', status: { state: 'complete' }, jobIteration: 0 } }])
  assert.deepEqual(control.listServiceStatuses({ serviceIds: ['s1', 'j'] }).statuses, [
    { serviceId: 's1', runningTasks: 2, desiredTasks: 3, completedTasks: 0 }, { serviceId: 'j', runningTasks: 0, desiredTasks: 1, completedTasks: 1 },
  ])
})

test('a watch tells where it begins, then of changes with the old object, of the kinds that were asked for', async () => {
  const { control, store } = await setUp([{ service: { id: 's1', spec: serviceSpec() } }])
  const watch = watching(control, { kinds: ['service'], includeOldObject: true })
  assert.deepEqual(await watch.next(), { events: [], version: store.view().version, clusterId: '' })
  await store.update(tx => tx.create('task', make('Task', { id: 't' })))
  await control.update(updateOf(stored(store), serviceSpec({ replicated: { replicas: 3 } })), SIGNAL)
  const updatedAt = store.view().version
  await control.remove({ kind: 'service', ref: 's1', force: false }, SIGNAL)
  const updated = await watch.next()
  assert.deepEqual([updated.version, updated.events.map(({ action }) => action), updated.events[0]?.oldObject?.service?.spec?.replicated?.replicas], [updatedAt, ['update'], 1])
  const removed = await watch.next()
  assert.deepEqual(removed.events.map(({ action, object }) => [action, object?.service?.id]), [['remove', 's1']])
  watch.stop()
})

test('a watch goes on after a version that was seen, and one may ask for some actions only', async () => {
  const { control, store } = await setUp()
  const { version } = store.view()
  for (const id of ['a', 'b']) await store.update(tx => tx.create('config', make('Config', { id, spec: { annotations: { name: id } } })))
  await store.update(tx => tx.remove('config', 'a'))
  const all = watching(control, { resumeFrom: version })
  const changes = [await all.next(), await all.next(), await all.next(), await all.next()]
  assert.deepEqual(changes.map(({ events, version }) => [version, ...events.map(({ action, object, oldObject }) => `${action} ${object?.config?.id} ${oldObject?.config?.id}`)]), [
    [version], [version + 1, 'create a undefined'], [version + 2, 'create b undefined'], [version + 3, 'remove a undefined'],
  ])
  const removals = watching(control, { resumeFrom: version, actions: ['remove'] })
  assert.deepEqual([(await removals.next()).events.length, (await removals.next()).events[0]?.action], [0, 'remove'])
  all.stop()
  removals.stop()
})

test('who asks for what is not known here has lagged: a version still to come, or another cluster\'s', async () => {
  const { control, store } = await setUp()
  const { version } = store.view()
  for (const request of [{ resumeFrom: version + 1 }, { resumeFrom: version, clusterId: 'another' }]) await assert.rejects(watching(control, request).next(), { code: 'lagged' })
})

test('a large change comes in parts, of which the last one tells the version', async () => {
  const { control, store } = await setUp()
  const watch = watching(control, {})
  await watch.next()
  await store.update(tx => { for (let i = 0; i < 450; i++) tx.create('config', make('Config', { id: `c${i}`, spec: { annotations: { name: `c${i}` } } })) })
  const { version } = store.view()
  const parts = [await watch.next(), await watch.next(), await watch.next()]
  assert.deepEqual(parts.map(({ events, version }) => [events.length, version]), [[200, 0], [200, 0], [50, version]])
  await store.update(tx => { for (let i = 0; i < 3; i++) tx.create('config', make('Config', { id: `large${i}`, spec: { annotations: { name: `large${i}` }, data: new Uint8Array(600_000) } })) })
  assert.deepEqual([(await watch.next()).events.length, (await watch.next()).events.length, (await watch.next()).version], [1, 1, version + 1])
  watch.stop()
})

test('who sees nothing of what goes on hears of newer versions to go on from', async () => {
  const { control, store } = await setUp()
  const watch = watching(control, { kinds: ['secret'] })
  await watch.next()
  const next = watch.next()
  for (let i = 0; i < 520; i++) await store.update(tx => tx.create('task', make('Task', { id: `t${i}` })))
  const { events, version } = await next
  assert.deepEqual([events.length, version > 500], [0, true])
  watch.stop()
})

function watching(control: ControlService, draft: Draft<WatchRequest>) {
  const stop = new AbortController()
  const messages = control.watch(make('WatchRequest', draft), stop.signal)[Symbol.asyncIterator]()
  return {
    next: async (): Promise<WatchMessage> => {
      const { value, done } = await messages.next()
      assert(done !== true)
      return value
    },
    stop: () => stop.abort(),
  }
}

function serviceSpec(draft: Draft<ServiceSpec> = {}): ServiceSpec {
  return make('ServiceSpec', { annotations: { name: 'web' }, replicated: { replicas: 1 }, task: { container: { image: 'i' } }, ...draft })
}

function networkSpec(name: string, subnet = '') {
  return make('NetworkSpec', { annotations: { name }, ipam: { configs: subnet === '' ? [] : [{ subnet }] } })
}

function request(draft: Draft<UpdateObjectRequest>): UpdateObjectRequest { return make('UpdateObjectRequest', draft) }

function updateOf(service: Service, spec?: ServiceSpec): UpdateObjectRequest {
  return request({ kind: 'service', id: service.id, version: service.meta?.version ?? 0, spec: { service: spec } })
}

function stored(store: ReplicatedStore): Service {
  const service = store.view().get('service', 's1')
  assert(service !== undefined)
  return service
}

async function setUp(objects: readonly Draft<StoreObject>[] = []): Promise<{ control: ControlService; store: ReplicatedStore }> {
  const { store } = await createTestStore({ objects })
  const control = new ControlService({
    store, clock: new FakeClock(), random: new SeededRandom(1),
    membership: { isMember: id => id === 'member', canRemove: () => true, managerStatus: () => undefined },
    secrets: { joinToken: () => 'fresh', unlockKey: () => `SWMKEY-1-${store.view().version}` },
  })
  return { control, store }
}

function refuses(call: () => unknown, kind: ErrorKind, message: string): void {
  assert.throws(call, (error: unknown) => isError(error, kind, message))
}

async function refusesAsync(call: () => Promise<unknown>, kind: ErrorKind, message: string): Promise<void> {
  await assert.rejects(call, (error: unknown) => isError(error, kind, message))
}

function isError(error: unknown, kind: ErrorKind, message: string): true {
  assert(error instanceof ShoalError)
  assert.equal(error.message, message)
  assert.equal(error.kind, kind)
  return true
}
