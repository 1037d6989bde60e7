import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from 'raft-ts/message'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { CrashDisk } from '../../src/platform/storage/crash-disk.ts'
import { createMemoryLog } from '../../src/platform/storage/memory-log.ts'
import { SimulatedLogDisk } from '../../src/platform/storage/simulated-log-disk.ts'
import { RaftLogStore, type LogBase } from './raft-log-store.ts'

const table = { confState: { voters: [7], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }, members: [], removed: [3] }
const base: LogBase = { clusterId: 'c', nodeId: 'n', raftId: 7, index: 1, term: 1, table }
const entry = (index: number, term: number): Entry => ({ index, term, type: 'normal', data: Uint8Array.of(index, term) })

async function opened(stored = new SimulatedLogDisk()): Promise<RaftLogStore> {
  return RaftLogStore.open(createMemoryLog(stored), () => undefined)
}

test('entries and hard state are there after reopening, a replaced tail is not', async () => {
  const stored = new SimulatedLogDisk()
  const log = await opened(stored)
  await log.reset(base, { term: 1, vote: 7, commit: 1 })
  await log.save([entry(2, 1), entry(3, 1), entry(4, 1)], { term: 1, vote: 7, commit: 2 }, true)
  await log.save([entry(3, 2)], { term: 2, vote: 0, commit: 3 }, true)
  const again = await opened(stored)
  assert.deepEqual(again.entries(2, 4, Infinity), [entry(2, 1), entry(3, 2)])
  assert.equal(again.lastIndex(), 3)
  assert.deepEqual(again.hardState, { term: 2, vote: 0, commit: 3 })
  assert.deepEqual(again.base, base)
  assert.equal(again.entryBytes, 4)
})

test('a commit index alone waits for the next record', async () => {
  const stored = new SimulatedLogDisk()
  const log = await opened(stored)
  await log.reset(base, { term: 1, vote: 7, commit: 1 })
  await log.save([entry(2, 1)], undefined, true)
  await log.save([], { term: 1, vote: 7, commit: 2 }, false)
  assert.equal((await opened(stored)).hardState.commit, 1)
  await log.saveHardState()
  assert.equal((await opened(stored)).hardState.commit, 2)
})

test('compaction drops entries and keeps their last term, the tail, and the members', async () => {
  const stored = new SimulatedLogDisk()
  const log = await opened(stored)
  await log.reset(base, { term: 1, vote: 7, commit: 1 })
  await log.save([2, 3, 4, 5].map(index => entry(index, 2)), { term: 2, vote: 7, commit: 5 }, true)
  await log.compact(4, { ...table, removed: [3, 4] })
  for (const each of [log, await opened(stored)]) {
    assert.equal(each.firstIndex(), 5)
    assert.equal(each.term(4), 2)
    assert.deepEqual(each.entries(5, 6, Infinity), [entry(5, 2)])
    assert.deepEqual(each.base?.table.removed, [3, 4])
    assert.throws(() => each.entries(4, 5, Infinity), { code: 'compacted' })
  }
})

test('a torn write never leaves a commit index over entries that it was to replace', async () => {
  for (let seed = 0; seed < 60; seed++) {
    const clock = new FakeClock()
    const disk = new CrashDisk(clock, new SeededRandom(seed))
    const log = await RaftLogStore.open(disk.openLog(), () => undefined)
    await log.reset(base, { term: 1, vote: 0, commit: 1 })
    await log.save([entry(2, 1), entry(3, 1)], { term: 1, vote: 0, commit: 1 }, true)
    disk.faults.flushMsMax = 10
    void log.save([entry(2, 2), entry(3, 2)], { term: 2, vote: 0, commit: 3 }, true)
    await clock.advance(0)
    disk.crash()
    const again = await RaftLogStore.open(disk.openLog(), () => undefined)
    const { commit } = again.initialState().hardState
    for (let index = 2; index <= commit; index++) assert.equal(again.term(index), 2, `seed ${seed}: entry ${index} of term 1 counts as committed`)
  }
})

test('a log that has lost its first segments is damaged', async () => {
  const stored = new SimulatedLogDisk()
  const log = await opened(stored)
  await log.reset(base, { term: 1, vote: 7, commit: 1 })
  for (let index = 2; index < 12; index++) await log.save([{ ...entry(index, 1), data: new Uint8Array(6000) }], undefined, true)
  await createMemoryLog(stored).drop(3)
  await assert.rejects(opened(stored), { code: 'log-damaged' })
})

test('compaction gives segments back once nothing in them counts', async () => {
  const stored = new SimulatedLogDisk()
  let log = await opened(stored)
  await log.reset(base, { term: 1, vote: 7, commit: 1 })
  const grow = async (from: number, to: number): Promise<void> => {
    for (let index = from; index < to; index++) await log.save([{ ...entry(index, 1), data: new Uint8Array(3000) }], undefined, true)
  }
  await grow(2, 40)
  const full = log.sizeBytes()
  await log.compact(30, table)
  assert.ok(log.sizeBytes() < full / 2, 'what stood before the kept entries is gone')
  assert.equal(log.entryBytes, 9 * 3000)
  log = await opened(stored)
  assert.deepEqual([log.firstIndex(), log.lastIndex(), log.entryBytes], [31, 39, 9 * 3000])
  await grow(40, 60)
  await log.compact(59, table)
  assert.ok(log.sizeBytes() < 20_000, 'a log without entries is a base in one segment')
  log = await opened(stored)
  assert.deepEqual([log.firstIndex(), log.lastIndex()], [60, 59])
})

test('a segment that a crash brings back after it was dropped changes nothing', async () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new SeededRandom(seed)
    const stored = new SimulatedLogDisk()
    const log = await opened(stored)
    await log.reset(base, { term: 1, vote: 7, commit: 1 })
    for (let index = 2; index < 30; index++) await log.save([{ ...entry(index, 1), data: new Uint8Array(3000) }], undefined, true)
    for (let index = 20; index < 26; index++) await log.save([{ ...entry(index, 2), data: new Uint8Array(3000) }], { term: 2, vote: 0, commit: 25 }, true)
    // The base is written; the machine stops somewhere in dropping.
    stored.operationsLeft = 3 + Math.floor(random.next() * 6)
    await log.compact(24, table).catch((error: unknown) => { if (!(error instanceof Error) || !error.message.includes('machine stops')) throw error })
    stored.crash(random)
    const again = await opened(stored)
    assert.equal(again.lastIndex(), 25, `seed ${seed}`)
    assert.equal(again.term(25), 2)
    assert.equal(again.hardState.term, 2)
  }
})
