import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { appendLogSuite, texts } from '../../../test/conformance/append-log.ts'
import { kvStoreSuite } from '../../../test/conformance/kv-store.ts'
import { FakeClock } from '../clock/fake-clock.ts'
import { SeededRandom } from '../clock/seeded-random.ts'
import { CrashDisk } from './crash-disk.ts'
import { LevelStore } from './level-store.ts'
import { createMemoryLog } from './memory-log.ts'
import { MemoryStore } from './memory-store.ts'
import { SealedStore } from './sealed-store.ts'
import { SimulatedLogDisk } from './simulated-log-disk.ts'
import { ThreadedLog } from './threaded-log.ts'

const root = await mkdtemp(join(tmpdir(), 'shoal-storage-'))
after(() => rm(root, { recursive: true }))
const KEY = { id: 'c'.repeat(32), key: new Uint8Array(32).fill(7) }
let places = 0
const newPath = (): string => join(root, String(places++))

kvStoreSuite('memory', async () => { const data = new Map<string, Uint8Array>(); return { open: async () => new MemoryStore(data) } })
kvStoreSuite('level', async () => { const path = newPath(); return { open: () => LevelStore.open(path) } })
kvStoreSuite('sealed', async () => { const data = new Map<string, Uint8Array>(); return { open: async () => new SealedStore(new MemoryStore(data), [KEY]) } })
kvStoreSuite('crash disk', async () => { const disk = new CrashDisk(new FakeClock(), new SeededRandom(1)); return { open: async () => disk.openKv() } })
appendLogSuite('memory', async () => { const disk = new SimulatedLogDisk(); return { open: async () => createMemoryLog(disk) } })
appendLogSuite('threaded', async () => { const path = newPath(); return { open: () => ThreadedLog.open(path, { owner: { clusterId: 'c', nodeId: 'n' }, segmentBytes: 64 * 1024 }) } })
appendLogSuite('crash disk', async () => { const disk = new CrashDisk(new FakeClock(), new SeededRandom(1)); return { open: async () => disk.openLog() } })

test('level: a second process is told that the directory is in use', async () => {
  const path = newPath()
  await using store = await LevelStore.open(path)
  await assert.rejects(LevelStore.open(path), { code: 'store-open-failed' })
  await store.batch([])
})

test('crash disk: what was acknowledged survives every crash; of the rest a prefix', async () => {
  let losses = 0
  for (let seed = 0; seed < 50; seed++) {
    const clock = new FakeClock()
    const disk = new CrashDisk(clock, new SeededRandom(seed))
    disk.faults.flushMsMax = 10
    const acknowledged: string[] = []
    const log = disk.openLog()
    for (let i = 0; i < 8; i++) void log.append([new TextEncoder().encode(`r${i}`)]).then(() => acknowledged.push(`r${i}`))
    await clock.advance(3)
    disk.crash()
    const survived = await texts(disk.openLog())
    const all = Array.from({ length: 8 }, (_, i) => `r${i}`)
    assert.deepEqual(survived, all.slice(0, survived.length), `seed ${seed}`)
    for (const record of acknowledged) assert.ok(survived.includes(record), `seed ${seed}: ${record} was acknowledged`)
    if (survived.length < all.length) losses += 1
  }
  assert.ok(losses > 10, 'crashes do lose something')
})

test('crash disk: a disk that lies about flushes loses what was acknowledged', async () => {
  const disk = new CrashDisk(new FakeClock(), new SeededRandom(3))
  disk.faults.losesSyncs = true
  for (let i = 0; i < 20; i++) await disk.openLog().append([new Uint8Array(1)])
  disk.crash()
  assert.ok((await texts(disk.openLog())).length < 20)
})

test('sealed: the store below never sees a value, and a value is worth nothing under another key or without its seal\'s', async () => {
  const data = new Map<string, Uint8Array>()
  const store = new SealedStore(new MemoryStore(data), [KEY])
  await store.batch([{ kind: 'put', key: 'a', value: new TextEncoder().encode('a secret') }])
  const sealed = data.get('a') as Uint8Array
  assert.equal(Buffer.from(sealed).includes('secret'), false)
  data.set('b', sealed)
  await assert.rejects(store.get('b'), { code: 'log-key-wrong' })
  await assert.rejects(new SealedStore(new MemoryStore(data), [{ ...KEY, id: 'd'.repeat(32) }]).get('a'), { code: 'log-key-missing' })
})

test('a sealed store takes up a new key while it is used, and needs the old one no more once all is sealed anew', async () => {
  const data = new Map<string, Uint8Array>()
  const next = { id: 'e'.repeat(32), key: new Uint8Array(32).fill(9) }
  const store = new SealedStore(new MemoryStore(data), [KEY])
  await store.batch([{ kind: 'put', key: 'a', value: Uint8Array.of(1) }, { kind: 'put', key: '\u{10fffe}z', value: Uint8Array.of(2) }])
  store.useKeys([next, KEY])
  await store.batch([{ kind: 'put', key: 'b', value: Uint8Array.of(3) }])
  assert.deepEqual(await store.get('a'), Uint8Array.of(1))
  assert.deepEqual(await new SealedStore(new MemoryStore(data), [next]).get('b'), Uint8Array.of(3))
  await store.reseal()
  const alone = new SealedStore(new MemoryStore(data), [next])
  for (const [key, value] of [['a', 1], ['b', 3], ['\u{10fffe}z', 2]] as const) assert.deepEqual(await alone.get(key), Uint8Array.of(value))
})
