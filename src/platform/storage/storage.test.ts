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
import { FileLog } from './file-log.ts'
import { LevelStore } from './level-store.ts'
import { MemoryLog } from './memory-log.ts'
import { MemoryStore } from './memory-store.ts'

const root = await mkdtemp(join(tmpdir(), 'shoal-storage-'))
after(() => rm(root, { recursive: true }))
let places = 0
const newPath = (): string => join(root, String(places++))

kvStoreSuite('memory', async () => { const data = new Map<string, Uint8Array>(); return { open: async () => new MemoryStore(data) } })
kvStoreSuite('level', async () => { const path = newPath(); return { open: () => LevelStore.open(path) } })
kvStoreSuite('crash disk', async () => { const disk = new CrashDisk(new FakeClock(), new SeededRandom(1)); return { open: async () => disk.openKv() } })
appendLogSuite('memory', async () => { const stored: Uint8Array[] = []; return { open: async () => new MemoryLog(stored) } })
appendLogSuite('file', async () => { const path = newPath(); return { open: () => FileLog.open(path) } })
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
