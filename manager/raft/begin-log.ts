import type { RaftMember } from '../../src/api/swarm/raft.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { MANAGER_WAY_OUT } from '../../src/base/manager-way-out.ts'
import type { Random } from '../../src/base/random.ts'
import { encodeBaseNote, type LogBase, type RaftLogStore } from './raft-log-store.ts'
import { bootstrapBase, forceNewCluster, joinBase, recoverInstalledSnapshot, restoredBase, type SelfDescription } from './start-state.ts'
import type { StateMachine } from './state-machine.ts'

const LOG_MISSING_MESSAGE = `this manager has state of its cluster but its raft log is empty: it would not know how it voted. ${MANAGER_WAY_OUT}`

/** Who begins or continues a log, and with which state. */
export interface LogBeginning extends SelfDescription { readonly machine: StateMachine; readonly random: Random }

/** What a leader says to a member that it added. */
export interface JoinedCluster {
  readonly raftId: number
  readonly members: readonly RaftMember[]
  readonly removed: readonly number[]
  readonly forkId?: string
}

/**
 * Brings log and state machine together as they were left. @returns what the log begins with; undefined when it has not begun
 * @throws ShoalError `log-missing`, `log-behind-state`, `state-behind-log` (internal), `raft-wrong-cluster` (failed-precondition)
 */
export async function continueLog(log: RaftLogStore, options: LogBeginning & { readonly forceNewCluster?: boolean; readonly isRestoring?: boolean }): Promise<LogBase | undefined> {
  const { machine, nodeId, clusterId } = options
  await recoverInstalledSnapshot(log, machine)
  const { base } = log
  if (base === undefined) {
    if (machine.appliedIndex > 0 && options.isRestoring !== true) throw new ShoalError('internal', 'log-missing', LOG_MISSING_MESSAGE)
    return undefined
  }
  if (base.nodeId !== nodeId || base.clusterId !== clusterId) {
    throw new ShoalError('failed-precondition', 'raft-wrong-cluster', `the raft log belongs to node ${base.nodeId} of cluster ${base.clusterId}, this is node ${nodeId} of ${clusterId}; leave the cluster and join again`)
  }
  if (options.forceNewCluster === true) await forceNewCluster(log, options)
  return log.base
}

/** The log of the first member of a new cluster. */
export async function beginCluster(log: RaftLogStore, self: LogBeginning): Promise<LogBase> {
  const base = bootstrapBase(self)
  await log.reset(base, { term: base.term, vote: 0, commit: base.index })
  return base
}

/** The log of the first member of a cluster that goes on from a saved state. @throws ShoalError `snapshot-malformed` */
export async function beginFromState(log: RaftLogStore, self: LogBeginning, records: AsyncIterable<Uint8Array>): Promise<LogBase> {
  const { machine } = self
  const staged = await machine.stage(records)
  const { members, removed, version } = staged.header
  const base = restoredBase(self, { index: version, gone: [...new Set([...removed, ...members.map(({ raftId }) => raftId)])] })
  // The state is durable up to where the log begins before there is a log: only then may a restart count on both.
  await machine.install(staged, encodeBaseNote(base))
  machine.applyCommitted(base.index, undefined)
  await machine.flush()
  await log.reset(base, { term: base.term, vote: 0, commit: base.index })
  return base
}

/** The log of a member that a leader has added; the state comes from the leader. */
export async function beginAsMember(log: RaftLogStore, self: SelfDescription, joined: JoinedCluster): Promise<LogBase> {
  const base = joinBase(self, joined)
  await log.reset(base, { term: 0, vote: 0, commit: 0 })
  return base
}
