import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { RaftLogStore } from '../../../manager/raft/raft-log-store.ts'
import { messageOf, ShoalError } from '../../base/errors.ts'
import { CryptoRandom } from '../../platform/clock/crypto-random.ts'
import { InlineLog } from '../../platform/storage/inline-log.ts'
import { ReadOnlyLogDisk } from '../../platform/storage/read-only-log-disk.ts'
import { SegmentLog } from '../../platform/storage/segment-log.ts'
import { readManagerKeys } from '../manager-keys.ts'
import { NodeLock } from '../node-lock.ts'
import { StateFile } from '../state-file.ts'
import { isSwarmState } from '../swarm-state.ts'

/** What a folder's log ends with. */
export interface LogEnd {
  /** Of the last vote. */
  readonly term: number
  readonly lastTerm: number
  readonly lastIndex: number
  /** At least so far: the last one may not have been written. */
  readonly commit: number
  readonly forkId: string
  /** Managers as of where the log begins, and any that were added since. */
  readonly members: number
}

/** A folder that was looked at; `end` is absent, and `error` says why, where its log can not be read. */
export interface FolderLogEnd { readonly folder: string; readonly nodeId: string; readonly clusterId: string; readonly address: string; readonly end?: LogEnd; readonly error: string }

/**
 * Reads what the raft log of a stopped manager ends with. Changes nothing.
 * @param folder a data root, or its folder `swarm`
 * @param unlockKey for a manager with autolock; empty: none
 */
export async function readFolderLogEnd(folder: string, unlockKey: string): Promise<FolderLogEnd> {
  const swarm = basename(folder) === 'swarm' || existsSync(join(folder, 'state.json')) ? folder : join(folder, 'swarm')
  const unknown = { folder, nodeId: '', clusterId: '', address: '' }
  try {
    const state = new StateFile<unknown>(join(swarm, 'state.json')).read()
    if (!isSwarmState(state)) return { ...unknown, error: `there is no host of a cluster: ${join(swarm, 'state.json')} is missing or says something else` }
    const { nodeId, clusterId, advertiseAddress: address } = state
    try {
      return { folder, nodeId, clusterId, address, end: await readLogEnd(swarm, { nodeId, clusterId }, unlockKey), error: '' }
    } catch (error) {
      return { folder, nodeId, clusterId, address, error: messageOf(error) }
    }
  } catch (error) {
    return { ...unknown, error: messageOf(error) }
  }
}

async function readLogEnd(swarm: string, owner: { readonly nodeId: string; readonly clusterId: string }, unlockKey: string): Promise<LogEnd> {
  const raft = join(swarm, 'manager/raft')
  if (!existsSync(raft)) throw new ShoalError('not-found', 'log-missing', `there is no raft log: ${raft} is missing`)
  const lock = new NodeLock(join(swarm, 'lock.json'), new CryptoRandom())
  lock.load()
  if (lock.isLocked && unlockKey === '') throw new ShoalError('failed-precondition', 'swarm-locked', 'it is sealed: give the cluster\'s unlock key with --unlock-key-file')
  if (lock.isLocked) lock.unlock(unlockKey)
  const keys = readManagerKeys(join(swarm, 'manager/keys.json'), lock.ring)
  await using log = new InlineLog(() => SegmentLog.open(new ReadOnlyLogDisk(raft), { owner, keys }))
  const store = await RaftLogStore.open(log, () => undefined)
  const { base, hardState: { term, commit } } = store
  if (base === undefined) throw new ShoalError('internal', 'log-missing', 'its raft log was never begun')
  const lastIndex = store.lastIndex()
  return { term, lastTerm: store.term(lastIndex), lastIndex, commit: Math.max(commit, base.index), forkId: base.forkId ?? '', members: base.table.members.length }
}

/** The folder whose log has all that the others' have (Raft, 5.4.1: the last entry's term, then its index); undefined when none can be read. */
export function newestOf(folders: readonly FolderLogEnd[]): FolderLogEnd | undefined {
  return folders.filter(({ end }) => end !== undefined).toSorted((a, b) => (b.end?.lastTerm ?? 0) - (a.end?.lastTerm ?? 0) || (b.end?.lastIndex ?? 0) - (a.end?.lastIndex ?? 0))[0]
}
