import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { RaftLogStore } from '../../../manager/raft/raft-log-store.ts'
import { createUnlockKey } from '../../ca/unlock-key.ts'
import { SeededRandom } from '../../platform/clock/seeded-random.ts'
import { InlineLog } from '../../platform/storage/inline-log.ts'
import { NodeLogDisk } from '../../platform/storage/log-disk.ts'
import { SegmentLog } from '../../platform/storage/segment-log.ts'
import { openManagerKeys } from '../manager-keys.ts'
import { NodeLock } from '../node-lock.ts'
import { StateFile } from '../state-file.ts'
import { newestOf, readFolderLogEnd } from './folder-log-end.ts'

const root = mkdtempSync(join(tmpdir(), 'shoal-log-ends-'))
after(() => rmSync(root, { recursive: true }))
const random = new SeededRandom(1)
const UNLOCK_KEY = createUnlockKey(random)

/** A data root of a stopped manager whose log ends at `lastIndex` in `lastTerm`. */
async function managerFolder(nodeId: string, lastTerm: number, lastIndex: number, unlockKey = ''): Promise<string> {
  const [folder, swarm] = [join(root, nodeId), join(root, nodeId, 'swarm')]
  new StateFile(join(swarm, 'state.json')).write({ nodeId, clusterId: 'c', role: 'manager', listenAddress: '0.0.0.0:2377', advertiseAddress: `${nodeId}:2377`, dataAddress: nodeId, availability: 'active', managers: [] })
  const lock = new NodeLock(join(swarm, 'lock.json'), random)
  lock.begin(unlockKey)
  const keys = openManagerKeys(join(swarm, 'manager/keys.json'), random, lock.ring)
  await using log = new InlineLog(() => SegmentLog.open(new NodeLogDisk(join(swarm, 'manager/raft')), { owner: { clusterId: 'c', nodeId }, keys, segmentBytes: 64 * 1024 }))
  const store = await RaftLogStore.open(log, () => undefined)
  const confState = { voters: [1], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }
  await store.reset({ clusterId: 'c', nodeId, raftId: 1, index: 1, term: 1, table: { confState, members: [{ raftId: 1, nodeId, addr: 'a:1', learner: false }], removed: [] } }, { term: 1, vote: 0, commit: 1 })
  const entries = Array.from({ length: lastIndex - 1 }, (_, at) => ({ index: at + 2, term: lastTerm, type: 'normal' as const, data: new Uint8Array([at]) }))
  await store.save(entries, { term: lastTerm + 1, vote: 1, commit: lastIndex - 1 }, true)
  return folder
}

function contentsOf(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile()).map(entry => `${join(entry.path, entry.name)} ${readFileSync(join(entry.path, entry.name)).toString('base64')}`).sort()
}

test('shows what each log ends with, names the newest by term and then index, and changes nothing', async () => {
  const folders = [await managerFolder('long', 2, 9), await managerFolder('late', 3, 7), await managerFolder('later', 3, 8)]
  writeFileSync(join(root, 'late/swarm/manager/raft/spare.new'), 'left over')
  const before = contentsOf(root)
  const ends = await Promise.all(folders.map(folder => readFolderLogEnd(folder, '')))
  assert.deepEqual(ends.map(({ end }) => end && [end.term, end.lastTerm, end.lastIndex, end.commit, end.members]), [[3, 2, 9, 8, 1], [4, 3, 7, 6, 1], [4, 3, 8, 7, 1]])
  assert.equal(newestOf(ends)?.nodeId, 'later')
  assert.deepEqual(contentsOf(root), before)
  assert.equal((await readFolderLogEnd(join(root, 'late/swarm'), '')).end?.lastIndex, 7, 'its folder swarm does as well')
})

test('a damaged, an emptied and a missing log are told apart and never the newest', async () => {
  const [damaged, emptied, gone] = [await managerFolder('damaged', 9, 9), await managerFolder('emptied', 9, 9), await managerFolder('gone', 9, 9)]
  const [segment = ''] = readdirSync(join(damaged, 'swarm/manager/raft'))
  truncateSync(join(damaged, 'swarm/manager/raft', segment), 4096)
  for (const name of readdirSync(join(emptied, 'swarm/manager/raft'))) rmSync(join(emptied, 'swarm/manager/raft', name))
  rmSync(join(gone, 'swarm/manager/raft'), { recursive: true })
  const ends = await Promise.all([damaged, emptied, gone, join(root, 'nowhere')].map(folder => readFolderLogEnd(folder, '')))
  for (const [at, says] of [/is damaged in 0{15}[12]\.log at offset 4096/, /is empty/, /there is no raft log/, /there is no host of a cluster/].entries()) assert.match(ends[at]?.error ?? '', says)
  assert.equal(newestOf(ends), undefined)
})

test('a sealed log needs the unlock key', async () => {
  const folder = await managerFolder('sealed', 2, 5, UNLOCK_KEY)
  assert.match((await readFolderLogEnd(folder, '')).error, /--unlock-key-file/)
  assert.match((await readFolderLogEnd(folder, createUnlockKey(random))).error, /invalid key/)
  assert.equal((await readFolderLogEnd(folder, UNLOCK_KEY)).end?.lastIndex, 5)
})
