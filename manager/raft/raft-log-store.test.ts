import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from 'raft-ts/message'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { CrashDisk } from '../../src/platform/storage/crash-disk.ts'
import { MemoryLog } from '../../src/platform/storage/memory-log.ts'
import { RaftLogStore, type LogBase } from './raft-log-store.ts'

const table = { confState: { voters: [7], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }, members: [], removed: [3] }
const base: LogBase = { clusterId: 'c', nodeId: 'n', raftId: 7, index: 1, term: 1, table }
const entry = (index: number, term: number): Entry => ({ index, term, type: 'normal', data: Uint8Array.of(index, term) })

async function opened(stored: Uint8Array[] = []): Promise<RaftLogStore> {
  return RaftLogStore.open(new MemoryLog(stored), () => undefined)
}

test('entries and hard state are there after reopening, a replaced tail is not', async () => {
  const stored: Uint8Array[] = []
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
  const stored: Uint8Array[] = []
  const log = await opened(stored)
  await log.reset(base, { term: 1, vote: 7, commit: 1 })
  await log.save([entry(2, 1)], undefined, true)
  await log.save([], { term: 1, vote: 7, commit: 2 }, false)
  assert.equal((await opened(stored)).hardState.commit, 1)
  await log.saveHardState()
  assert.equal((await opened(stored)).hardState.commit, 2)
})

test('compaction drops entries and keeps their last term, the tail, and the members', async () => {
  const stored: Uint8Array[] = []
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

test('a log with a gap is damaged', async () => {
  const stored: Uint8Array[] = []
  const log = await opened(stored)
  await log.reset(base, { term: 1, vote: 7, commit: 1 })
  for (const index of [2, 3, 4]) await log.save([entry(index, 1)], undefined, true)
  stored.splice(3, 1)
  await assert.rejects(opened(stored), { code: 'log-damaged' })
})
