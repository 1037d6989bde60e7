import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make } from '../../src/api/codec/codec.ts'
import type { Service } from '../../src/api/swarm/objects.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { CrashDisk } from '../../src/platform/storage/crash-disk.ts'
import { MemoryStore } from '../../src/platform/storage/memory-store.ts'
import { MemoryProposer } from './memory-proposer.ts'
import { ReplicatedStore } from './replicated-store.ts'

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
