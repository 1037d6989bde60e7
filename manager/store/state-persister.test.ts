import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make } from '../../src/api/codec/codec.ts'
import type { Service } from '../../src/api/swarm/objects.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { CrashDisk } from '../../src/platform/storage/crash-disk.ts'
import { MemoryStore } from '../../src/platform/storage/memory-store.ts'
import { MemoryProposer } from './memory-proposer.ts'
import { ReplicatedStore, REQUESTS_MAX } from './replicated-store.ts'

function service(id: string): Service { return make('Service', { id, spec: { annotations: { name: id } } }) }

async function openStore(kv = new MemoryStore()): Promise<ReplicatedStore> {
  const store = await ReplicatedStore.open(kv)
  store.attach(new MemoryProposer(store, () => 1))
  return store
}

test('a restart finds state, index and request ids', async () => {
  const data = new Map<string, Uint8Array>()
  const store = await openStore(new MemoryStore(data))
  await store.update(tx => { tx.create('service', service('s1')); tx.create('service', service('s2')) })
  await store.update(tx => tx.update('service', tx.get('service', 's1') as Service))
  await store.update(tx => tx.remove('service', 's2'))
  await store[Symbol.asyncDispose]()
  const again = await openStore(new MemoryStore(data))
  assert.equal(again.appliedIndex, 3)
  assert.deepEqual(again.view().list('service'), store.view().list('service'))
  again.applyCommitted(4, make('Proposal', { requestId: 'request-0-0', proposedAtMs: 1, actions: [{ kind: 'create', object: { service: service('repeated') } }] }))
  assert.equal(again.view().get('service', 'repeated'), undefined)
  assert.equal(again.view().findByName('service', 'S1')?.meta?.version, 2)
})

/** The requests a store remembers, oldest first. */
async function requestsOf(store: ReplicatedStore): Promise<readonly string[]> {
  return (await store.stage(store.snapshot({ members: [], removed: [] }))).header.recentRequestIds
}

test('a restart remembers the same requests as a manager that went on, and holds few keys for them', async () => {
  const random = new SeededRandom(5)
  const data = new Map<string, Uint8Array>()
  const steady = ReplicatedStore.inMemory()
  let store = await openStore(new MemoryStore(data))
  for (let index = 1; index <= REQUESTS_MAX * 0.8; index++) {
    const requests = Array.from({ length: Math.floor(random.next() * 3) }, (_, i) => ({ id: `client-${index}-${i}`, objectId: 's1' }))
    const proposal = make('Proposal', { requestId: `request-${index}`, proposedAtMs: 1, requests, actions: [{ kind: index === 1 ? 'create' : 'update', object: { service: { ...service('s1'), meta: { version: index - 1 } } } }] })
    for (const each of [steady, store]) each.applyCommitted(index, proposal)
    if (random.next() < 0.0008) {
      if (random.next() < 0.5) await store.flush()
      else await store[Symbol.asyncDispose]()
      store = await openStore(new MemoryStore(data))
      for (let missed = store.appliedIndex + 1; missed <= index; missed++) store.applyCommitted(missed, undefined)
      assert.equal(store.appliedIndex, index)
      assert.deepEqual(await requestsOf(store), await requestsOf(steady), `after ${index}`)
    }
  }
  await store[Symbol.asyncDispose]()
  assert.deepEqual(await requestsOf(await openStore(new MemoryStore(data))), await requestsOf(steady))
  assert.ok([...data.keys()].filter(key => key.includes('/r/')).length < 60)
})

test('requests are read as earlier versions kept them: a key for each entry', async () => {
  const data = new Map<string, Uint8Array>()
  const store = await openStore(new MemoryStore(data))
  await store.update(tx => tx.create('service', service('s1')))
  await store[Symbol.asyncDispose]()
  for (const index of [2, 3, 11]) data.set(`g/${'1'.padStart(16, '0')}/r/${String(index).padStart(16, '0')}`, new TextEncoder().encode(`old-${index}\nasked-${index} s1`))
  const again = await openStore(new MemoryStore(data))
  assert.deepEqual((await requestsOf(again)).slice(1), [2, 3, 11].flatMap(index => [`old-${index}`, `asked-${index} s1`]))
})

test('after a crash the state is that of one index, and at least what was flushed', async () => {
  for (let seed = 0; seed < 40; seed++) {
    const disk = new CrashDisk(new FakeClock(), new SeededRandom(seed))
    const store = await ReplicatedStore.open(disk.openKv())
    store.attach(new MemoryProposer(store, () => 1))
    for (let i = 0; i < 6; i++) {
      await store.update(tx => tx.create('service', service(`s${i}`)))
      if (i === 2) assert.equal(await store.flush(), 3)
    }
    disk.crash()
    const again = await ReplicatedStore.open(disk.openKv())
    assert.ok(again.appliedIndex >= 3, `seed ${seed}`)
    assert.deepEqual(again.view().list('service').map(s => s.id), Array.from({ length: again.appliedIndex }, (_, i) => `s${i}`), `seed ${seed}`)
  }
})

test('a snapshot replaces everything on disk, or nothing when the machine crashes meanwhile', async () => {
  const source = await openStore()
  await source.update(tx => { for (let i = 0; i < 2500; i++) tx.create('service', service(`new${i}`)) })
  let replaced = 0
  for (let seed = 0; seed < 20; seed++) {
    const clock = new FakeClock()
    const disk = new CrashDisk(clock, new SeededRandom(seed))
    const store = await ReplicatedStore.open(disk.openKv())
    store.attach(new MemoryProposer(store, () => 1))
    await store.update(tx => tx.create('service', service('old')))
    await store.flush()
    disk.faults.flushMsMax = 10
    const staged = await store.stage(source.snapshot({ members: [], removed: [] }))
    void store.install(staged, Uint8Array.of(7))
    await clock.advance(seed)
    disk.crash()
    disk.faults.flushMsMax = 0
    const again = await ReplicatedStore.open(disk.openKv())
    const count = again.view().list('service').length
    assert.ok(count === 1 || count === 2500, `seed ${seed}: ${count}`)
    assert.deepEqual(again.note(), count === 1 ? undefined : Uint8Array.of(7), `seed ${seed}`)
    if (count > 1) replaced += 1
  }
  assert.ok(replaced > 0 && replaced < 20, 'the crashes hit before and after')
})

test('objects that the disk lost are noticed', async () => {
  const data = new Map<string, Uint8Array>()
  const store = await openStore(new MemoryStore(data))
  await store.update(tx => { tx.create('service', service('s1')); tx.create('service', service('s2')) })
  await store.flush()
  data.delete([...data.keys()].find(key => key.endsWith('/s1')) as string)
  await assert.rejects(openStore(new MemoryStore(data)), { code: 'state-damaged' })
})

test('a disk that fails is reported by flush, not hidden', async () => {
  const disk = new CrashDisk(new FakeClock(), new SeededRandom(1))
  const store = await ReplicatedStore.open(disk.openKv())
  store.attach(new MemoryProposer(store, () => 1))
  disk.faults.failure = new Error('EIO')
  await store.update(tx => tx.create('service', service('s1')))
  await assert.rejects(store.flush(), { code: 'state-write-failed', message: /EIO/ })
})
