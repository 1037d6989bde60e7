import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode, make } from '../../src/api/codec/codec.ts'
import type { Service } from '../../src/api/swarm/objects.ts'
import type { Proposal, StoreAction } from '../../src/api/swarm/raft.ts'
import { hasCode, ShoalError } from '../../src/base/errors.ts'
import { MemoryStore } from '../../src/platform/storage/memory-store.ts'
import { MemoryProposer } from './memory-proposer.ts'
import type { StoreCommit } from './object-store.ts'
import { ReplicatedStore } from './replicated-store.ts'
import { createTestStore } from './test-store.ts'

const SIGNAL = new AbortController().signal
function proposal(requestId: string, actions: readonly StoreAction[]): Proposal { return make('Proposal', { requestId, proposedAtMs: 1, actions }) }
function service(id: string, name = id): Service { return make('Service', { id, spec: { annotations: { name } } }) }

test('an update is seen by later views, and earlier views stay as they were', async () => {
  const { store } = await createTestStore()
  const before = store.view()
  await store.update(tx => tx.create('service', service('s1', 'web')))
  assert.equal(before.list('service').length, 0)
  assert.equal(store.view().findByName('service', 'WEB')?.id, 's1')
  assert.equal(store.view().get('service', 's1')?.meta?.version, store.view().version)
})

test('all objects of one entry get its index as version, and the times of its proposal', async () => {
  let nowMs = 1000
  const { store } = await createTestStore({ nowMs: () => nowMs })
  await store.update(tx => { tx.create('service', service('s1')); tx.create('service', service('s2')) })
  nowMs = 2000
  await store.update(tx => tx.update('service', tx.get('service', 's1') as Service))
  const { version } = store.view()
  assert.deepEqual(store.view().get('service', 's1')?.meta, { version, createdAtMs: 1000, updatedAtMs: 2000 })
  assert.deepEqual(store.view().get('service', 's2')?.meta, { version: version - 1, createdAtMs: 1000, updatedAtMs: 1000 })
})

test('an update from an old version is out of sequence (F06)', async () => {
  const { store } = await createTestStore({ objects: [{ service: service('s1') }] })
  const read = store.view().get('service', 's1') as Service
  await store.update(tx => tx.update('service', read))
  await assert.rejects(store.update(tx => tx.update('service', read)), (error: ShoalError) => error.kind === 'unknown' && error.message === 'update out of sequence')
})

test('a caller that read before an update still under way is out of sequence too', async () => {
  const { store } = await createTestStore({ objects: [{ service: service('s1') }] })
  const read = store.view().get('service', 's1') as Service
  const results = await Promise.allSettled([1, 2, 3].map(() => store.update(tx => tx.update('service', read))))
  assert.deepEqual(results.map(result => result.status), ['fulfilled', 'rejected', 'rejected'])
})

test('names clash in lower case, per kind (F07)', async () => {
  const { store } = await createTestStore({ objects: [{ service: service('s1', 'Web') }] })
  await assert.rejects(store.update(tx => tx.create('service', service('s2', 'web'))),
    { kind: 'already-exists', code: 'name-conflict', message: 'name conflicts with an existing object: service web already exists' })
  await store.update(tx => tx.create('network', make('Network', { id: 'n1', spec: { annotations: { name: 'web' } } })))
})

test('names may change hands within one update', async () => {
  const { store } = await createTestStore({ objects: [{ service: service('s1', 'a') }, { service: service('s2', 'b') }] })
  const renamed = (s: Service, name: string): Service => ({ ...s, spec: { ...s.spec, annotations: { name, labels: {} } } as Service['spec'] })
  await store.update(tx => {
    tx.update('service', renamed(tx.get('service', 's1') as Service, 'c'))
    tx.update('service', renamed(tx.get('service', 's2') as Service, 'a'))
    tx.update('service', renamed(tx.get('service', 's1') as Service, 'b'))
  })
  assert.equal(store.view().findByName('service', 'a')?.id, 's2')
  assert.equal(store.view().findByName('service', 'b')?.id, 's1')
  assert.equal(store.view().findByName('service', 'c'), undefined)
})

test('a change that throws drops its own writes only', async () => {
  const { store } = await createTestStore()
  const results = await Promise.allSettled([
    store.update(tx => tx.create('service', service('s0'))),
    store.update(tx => { tx.create('service', service('s1')); throw new Error('changed my mind') }),
    store.update(tx => { tx.create('service', service('s2')); return tx.get('service', 's1') }),
  ])
  assert.deepEqual(results.map(result => result.status), ['fulfilled', 'rejected', 'fulfilled'])
  assert.deepEqual(store.view().list('service').map(s => s.id), ['s0', 's2'])
  assert.equal((results[2] as PromiseFulfilledResult<unknown>).value, undefined)
})

test('updates that are asked for in one turn go out as one entry', async () => {
  const { store } = await createTestStore()
  const before = store.view().version
  await Promise.all(Array.from({ length: 51 }, (_, i) => store.update(tx => tx.create('service', service(`s${i}`)))))
  assert.equal(store.view().list('service').length, 51)
  assert.equal(store.view().version, before + 1)
})

test('without writes there is no entry', async () => {
  const { store } = await createTestStore()
  const before = store.view().version
  assert.equal(await store.update(tx => tx.list('node').length), 0)
  assert.equal(store.view().version, before)
})

test('tasks are found by service and by node, and follow when they are bound', async () => {
  const { store } = await createTestStore({ objects: [{ task: { id: 't1', serviceId: 's1' } }, { task: { id: 't2', serviceId: 's1', nodeId: 'n1' } }] })
  assert.deepEqual(store.view().tasksOfService('s1').map(task => task.id), ['t1', 't2'])
  await store.update(tx => { const task = tx.get('task', 't1'); if (task !== undefined) tx.update('task', { ...task, nodeId: 'n1' }) })
  assert.deepEqual(store.view().tasksOfNode('n1').map(task => task.id), ['t1', 't2'])
  await store.update(tx => tx.remove('task', 't2'))
  assert.deepEqual(store.view().tasksOfNode('n1').map(task => task.id), ['t1'])
  assert.deepEqual(store.view().tasksOfService('none'), [])
})

test('a watcher gets each commit with old and new objects, from the call on', async () => {
  const { store } = await createTestStore({ objects: [{ service: service('s1') }] })
  const abort = new AbortController()
  const commits = store.watch(abort.signal)
  await store.update(tx => tx.update('service', tx.get('service', 's1') as Service))
  await store.update(tx => tx.remove('service', 's1'))
  const seen: StoreCommit[] = []
  for await (const commit of commits) {
    seen.push(commit)
    if (seen.length === 2) break
  }
  assert.deepEqual(seen.map(({ changes }) => changes !== 'all' && changes.map(change => change.action)), [['update'], ['remove']])
  assert.equal(seen[1]?.view.version, store.view().version)
})

test('a watcher that falls behind gets lagged', async () => {
  const { store } = await createTestStore()
  const commits = store.watch(new AbortController().signal)
  for (let i = 0; i < 1100; i++) await store.update(tx => tx.create('service', service(`s${i}`)))
  let count = 0
  await assert.rejects(async () => { for await (const commit of commits) count += commit.changes.length }, { code: 'lagged' })
  assert.equal(count, 1024)
})

test('a watcher ends with the reason of its signal', async () => {
  const { store } = await createTestStore()
  const abort = new AbortController()
  const commits = store.watch(abort.signal)
  abort.abort(new Error('enough'))
  await assert.rejects(async () => { for await (const commit of commits) assert.fail(`unexpected ${commit.view.version}`) }, /enough/)
})

test('a failed proposal changes nothing and its callers learn why', async () => {
  const { store, proposer } = await createTestStore()
  proposer.failure = new ShoalError('unavailable', 'proposal-lost', 'lost')
  await assert.rejects(store.update(tx => tx.create('service', service('s1'))), { code: 'proposal-lost' })
  proposer.failure = undefined
  await store.update(tx => tx.create('service', service('s1')))
  assert.equal(store.view().list('service').length, 1)
})

test('an update computed before another leader\'s entry is run again on the newer state', async () => {
  const store = ReplicatedStore.inMemory()
  let interferences = 1
  store.attach({
    newRequestId: () => `own-${store.appliedIndex}`,
    propose: async draft => {
      if (interferences-- > 0) store.applyCommitted(1, proposal('other', [{ kind: 'create', object: { service: service('s1', 'web') } }]))
      const index = store.appliedIndex + 1
      store.applyCommitted(index, make('Proposal', { ...draft, proposedAtMs: 1 }))
      return index
    },
  })
  let runs = 0
  await assert.rejects(store.update(tx => { runs += 1; tx.create('service', service('s2', 'WEB')) }), error => hasCode(error, 'name-conflict'))
  assert.equal(runs, 2)
  assert.deepEqual(store.view().list('service').map(s => s.id), ['s1'])
})

test('an entry repeated under another index is applied once', async () => {
  const store = ReplicatedStore.inMemory()
  const actions = [{ kind: 'create', object: { service: service('s1') } }] as const
  store.applyCommitted(1, proposal('r1', actions))
  store.applyCommitted(2, proposal('r2', [{ kind: 'remove', object: { service: { ...service('s1'), meta: { version: 1, createdAtMs: 0, updatedAtMs: 0 } } } }]))
  store.applyCommitted(3, proposal('r1', actions))
  assert.equal(store.view().list('service').length, 0)
  assert.equal(store.view().version, 3)
})

test('a snapshot restores the same state elsewhere, and does not move with the store', async () => {
  const { store } = await createTestStore({ objects: [{ service: service('s1') }, { task: { id: 't1', serviceId: 's1' } }, { cluster: { id: 'c' } }] })
  const taken = store.view()
  const records = store.snapshot({ members: [{ raftId: 1, nodeId: 'n1', addr: 'a:1', learner: false }], removed: [9] })
  await store.update(tx => tx.remove('service', 's1'))
  const other = ReplicatedStore.inMemory()
  const commits = other.watch(new AbortController().signal)
  const staged = await other.stage(records)
  assert.deepEqual(staged.header.removed, [9])
  await other.install(staged, new Uint8Array())
  assert.equal(other.view().version, taken.version)
  assert.deepEqual(other.view().list('task'), taken.list('task'))
  assert.equal(other.view().get('service', 's1')?.id, 's1')
  for await (const commit of commits) {
    assert.equal(commit.changes, 'all')
    break
  }
  await assert.rejects(Promise.resolve(other.watchAfter(taken.version - 1, SIGNAL)[Symbol.asyncIterator]().next()), { code: 'lagged' })
})

test('a version of one manager is good at another, with the time of the change', async () => {
  const [here, there] = [ReplicatedStore.inMemory(), ReplicatedStore.inMemory()]
  for (const store of [here, there]) for (const [index, id] of [[4, 'a'], [7, 'b']] as const) store.applyCommitted(index, proposal(id, [{ kind: 'create', object: { service: service(id) } }]))
  const seen = async (store: ReplicatedStore, version: number) => (await store.watchAfter(version, SIGNAL)[Symbol.asyncIterator]().next()).value
  const first = await seen(here, 0)
  assert.deepEqual([first?.version, first?.atMs], [4, 1])
  assert.equal((await seen(there, first?.version ?? 0))?.version, 7)
})

test('updates go on while others are being committed, each on what those before it will have changed', async () => {
  const { store, proposer } = await createTestStore()
  const release = hold(proposer)
  const first = store.update(tx => tx.create('service', service('s1')))
  await turns()
  const second = store.update(tx => tx.update('service', { ...tx.get('service', 's1') as Service, specVersion: 7 }))
  await turns()
  const conflict = assert.rejects(store.update(tx => tx.create('service', service('s2', 'S1'))), { code: 'name-conflict' })
  assert.equal(store.view().get('service', 's1'), undefined)
  release()
  await Promise.all([first, second, conflict])
  assert.equal(store.view().get('service', 's1')?.specVersion, 7)
  assert.equal(store.view().get('service', 's1')?.meta?.version, store.view().version)
})

test('who knows a version that was committed meanwhile may update, while others are under way', async () => {
  const { store, proposer } = await createTestStore()
  const release = hold(proposer)
  const first = store.update(tx => tx.create('service', service('s1')))
  await turns()
  release()
  const again = hold(proposer)
  const other = store.update(tx => tx.create('service', service('s2')))
  await first
  const version = store.view().get('service', 's1')?.meta
  const update = store.update(tx => tx.update('service', { ...service('s1'), ...version === undefined ? {} : { meta: version } }))
  await turns()
  again()
  await Promise.all([other, update])
})

test('an entry that presumes one which was lost refuses to apply, and its updates run again', async () => {
  const { store, proposer } = await createTestStore()
  const release = hold(proposer)
  const first = store.update(tx => tx.create('service', service('s1')))
  await turns()
  let sawFirst = 0
  const second = store.update(tx => { sawFirst += tx.get('service', 's1') === undefined ? 0 : 1; tx.create('service', service('s2')) })
  await turns()
  proposer.failOnce(new ShoalError('unavailable', 'proposal-lost', 'lost'))
  release()
  await assert.rejects(first, { code: 'proposal-lost' })
  await second
  assert.equal(sawFirst, 1)
  assert.deepEqual(store.view().list('service').map(({ id }) => id), ['s2'])
})

test('a request that is repeated changes nothing and is answered alike: under way, later, and by another manager with the snapshot', async () => {
  const { store } = await createTestStore()
  const ask = (target: ReplicatedStore, id: string): Promise<string> => target.update(tx => {
    const before = tx.claim('request', id)
    if (before === undefined) tx.create('service', service(id))
    return before ?? id
  })
  assert.deepEqual(await Promise.all([ask(store, 's1'), ask(store, 's2')]), ['s1', 's1'])
  assert.equal(await ask(store, 's3'), 's1')
  const other = ReplicatedStore.inMemory()
  await other.install(await other.stage(store.snapshot({ members: [], removed: [] })), new Uint8Array())
  other.attach(new MemoryProposer(other, () => 1))
  assert.equal(await ask(other, 's4'), 's1')
  assert.deepEqual(other.view().list('service').map(({ id }) => id), ['s1'])
})

test('what stands in the log in parts is applied with the last one, whole, and not at all when its proposer lost the leadership in between', () => {
  const store = ReplicatedStore.inMemory()
  const bytes = encode('Proposal', proposal('large', Array.from({ length: 500 }, (_, i) => ({ kind: 'create' as const, object: { service: service(`s${i}`) } }))))
  const part = (number: number): Proposal => make('Proposal', { requestId: 'large', part: number, parts: 3, piece: bytes.subarray((number - 1) * 4000, number === 3 ? undefined : number * 4000) })
  store.applyCommitted(1, part(1))
  store.applyCommitted(2, part(2))
  assert.equal(store.appliedIndex, 0)
  store.applyCommitted(3, undefined)
  store.applyCommitted(4, part(3))
  assert.equal(store.view().list('service').length, 0)
  for (const number of [1, 2, 3]) store.applyCommitted(4 + number, part(number))
  assert.equal(store.view().list('service').length, 500)
  assert.equal(store.appliedIndex, 7)
})

/** Lets everything go on that can. */
async function turns(): Promise<void> { for (let turn = 0; turn < 20; turn++) await Promise.resolve() }

function hold(proposer: MemoryProposer): () => void {
  let release = (): void => {}
  proposer.held = new Promise(resolve => { release = resolve })
  return () => { proposer.held = undefined; release() }
}

test('watchers hear of a change in their turn, after whoever made it; one that began meanwhile saw it already', async () => {
  const turns: (() => void)[] = []
  await using store = await ReplicatedStore.open(new MemoryStore(), { later: work => { turns.push(work) } })
  store.attach(new MemoryProposer(store, () => 1))
  const follow = (): number[] => {
    const versions: number[] = []
    void (async () => { for await (const { view } of store.watch(SIGNAL)) versions.push(view.version) })().catch(() => {})
    return versions
  }
  const early = follow()
  await store.update(tx => tx.create('service', service('s1')))
  const between = follow()
  await store.update(tx => tx.create('service', service('s2')))
  assert.deepEqual([early, between], [[], []])
  for (const turn of turns) turn()
  await new Promise(resolve => { setImmediate(resolve) })
  assert.deepEqual([early, between], [[1, 2], [2]])
})
