import { decodeConfChange, encodeConfChange } from 'raft-ts/conf-change-codec'
import type { ConfChangeType, ConfState, Entry } from 'raft-ts/message'
import type { RaftMember } from '../../src/api/swarm/raft.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { MANAGER_WAY_OUT } from '../../src/base/manager-way-out.ts'
import { createId } from '../../src/base/ids.ts'
import { randomInt, type Random } from '../../src/base/random.ts'
import { encodeMember } from './member-table.ts'
import { decodeBaseNote, RaftLogStore, type LogBase } from './raft-log-store.ts'
import type { StateMachine } from './state-machine.ts'

/** The first cluster's log starts here, not at 0: so whoever joins gets the members with a snapshot. */
const BOOTSTRAP_INDEX = 1
/**
 * A restored cluster's log starts this far behind what was saved: whatever the lost cluster still gave out after that (versions of objects, revisions
 * of network tables, which nodes compare) stays older than all that comes. At 1,000 entries a second it lasts for eleven days.
 */
const RESTORE_GAP = 1_000_000_000
const NO_MEMBERS: ConfState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }

/** This node, as its log is bound to it; `addr` is "host:port". */
export interface SelfDescription { readonly clusterId: string; readonly nodeId: string; readonly addr: string }

/** A raft id that is nobody's: ids are never used again, so they are random. 1 .. 2^52. */
export function createRaftId(random: Random, taken: readonly number[]): number {
  for (;;) {
    const id = randomInt(random, 2 ** 26) * 2 ** 26 + randomInt(random, 2 ** 26) + 1
    if (!taken.includes(id)) return id
  }
}

/** The log of the first member of a new cluster. */
export function bootstrapBase(self: SelfDescription & { readonly random: Random }): LogBase {
  const { clusterId, nodeId, addr } = self
  const raftId = createRaftId(self.random, [])
  const members = [{ raftId, nodeId, addr, learner: false }]
  return { clusterId, nodeId, raftId, index: BOOTSTRAP_INDEX, term: 1, table: { confState: { ...NO_MEMBERS, voters: [raftId] }, members, removed: [] } }
}

/**
 * The log of a cluster that begins anew from a saved state of index `index`.
 * @param gone raft ids of the cluster it was saved from: refused for ever
 */
export function restoredBase(self: SelfDescription & { readonly random: Random }, saved: { readonly index: number; readonly gone: readonly number[] }): LogBase {
  const { clusterId, nodeId, addr } = self
  const raftId = createRaftId(self.random, saved.gone)
  const members = [{ raftId, nodeId, addr, learner: false }]
  return { clusterId, nodeId, raftId, forkId: createId(self.random), index: saved.index + RESTORE_GAP, term: 1, table: { confState: { ...NO_MEMBERS, voters: [raftId] }, members, removed: saved.gone } }
}

/** The log of a member that was added to a cluster and knows nothing yet. */
export function joinBase({ clusterId, nodeId }: SelfDescription, joined: { readonly raftId: number; readonly members: readonly RaftMember[]; readonly removed: readonly number[]; readonly forkId?: string }): LogBase {
  return { clusterId, nodeId, raftId: joined.raftId, forkId: joined.forkId ?? '', index: 0, term: 0, table: { confState: NO_MEMBERS, members: joined.members, removed: joined.removed } }
}

/**
 * Brings log and state machine together after a crash between installing a snapshot and resetting the log: the snapshot is durable first.
 * @throws ShoalError `state-behind-log` (internal) when the state machine has lost what the log no longer holds, `log-behind-state` (internal) when the log
 *   has lost what the state machine holds
 */
export async function recoverInstalledSnapshot(log: RaftLogStore, machine: StateMachine): Promise<void> {
  const note = machine.note()
  const installed = note === undefined ? undefined : decodeBaseNote(note)
  const { base } = log
  if (base === undefined) return
  if (installed !== undefined && installed.raftId === base.raftId && installed.index > base.index && !holds(log, installed)) {
    const { hardState } = log
    await log.reset(installed, { ...hardState, term: Math.max(hardState.term, installed.term), vote: installed.term > hardState.term ? 0 : hardState.vote, commit: installed.index })
    return
  }
  if (machine.appliedIndex < base.index && base.index > BOOTSTRAP_INDEX) {
    throw new ShoalError('internal', 'state-behind-log', `the state on disk is of index ${machine.appliedIndex}, but the log begins after ${base.index}: what is between is lost. ${MANAGER_WAY_OUT}`)
  }
  if (machine.appliedIndex > log.lastIndex()) {
    throw new ShoalError('internal', 'log-behind-state', `the state on disk is of index ${machine.appliedIndex}, but the log ends at ${log.lastIndex()}: it is an older copy, and its votes and entries since are lost. ${MANAGER_WAY_OUT}`)
  }
}

function holds(log: RaftLogStore, { index, term }: LogBase): boolean {
  return index <= log.lastIndex() && log.term(index) === term
}

/**
 * Makes this node the only member, by entries behind its log: everything the log holds counts as committed, then all others are removed, so
 * that they are refused should they come back. A new fork id has those refused that this node never heard of.
 */
export async function forceNewCluster(log: RaftLogStore, { addr, random }: { readonly addr: string; readonly random: Random }): Promise<void> {
  const { base, hardState } = log
  if (base === undefined) return
  const term = hardState.term + 1
  const entries: Entry[] = []
  const add = (type: ConfChangeType, member: RaftMember): void => {
    const data = encodeConfChange({ transition: 'auto', changes: [{ type, nodeId: member.raftId }], context: encodeMember(member) })
    entries.push({ term, index: log.lastIndex() + entries.length + 1, type: 'conf-change-v2', data })
  }
  add('add-node', { raftId: base.raftId, nodeId: base.nodeId, addr, learner: false })
  for (const raftId of everMembers(log, base)) if (raftId !== base.raftId) add('remove-node', { raftId, nodeId: '', addr: '', learner: false })
  await log.save(entries, { term, vote: base.raftId, commit: log.lastIndex() + entries.length }, true)
  await log.fork(createId(random))
}

/** Members as of the base and all that the log adds or removes; to remove one that is gone already changes nothing. */
function everMembers(log: RaftLogStore, base: LogBase): ReadonlySet<number> {
  const ids = new Set(base.table.members.map(member => member.raftId))
  const entries = log.lastIndex() < log.firstIndex() ? [] : log.entries(log.firstIndex(), log.lastIndex() + 1, Infinity)
  for (const entry of entries) {
    if (entry.type === 'normal') continue
    for (const { nodeId } of decodeConfChange(entry.data).changes) ids.add(nodeId)
  }
  return ids
}
