import type { ConfChange, ConfState } from 'raft-ts/message'
import { decode, encode } from '../../src/api/codec/codec.ts'
import type { RaftMember } from '../../src/api/swarm/raft.ts'

/** Ids of removed members that are remembered, oldest forgotten first: a member gone for that many changes is refused as unknown by its certificate. */
const REMOVED_MAX = 1000

/** Who takes part as of one log index. Immutable. */
export interface MemberTable {
  readonly confState: ConfState
  readonly members: readonly RaftMember[]
  /** Raft ids that never come back. */
  readonly removed: readonly number[]
}

/** The context of a conf change: who the node is. */
export function encodeMember(member: RaftMember): Uint8Array { return encode('RaftMember', member) }

/** The table after a committed conf change, whose result `confState` is. */
export function changedTable(table: MemberTable, change: ConfChange, confState: ConfState): MemberTable {
  let { members, removed } = table
  const described = change.context === undefined ? undefined : decode('RaftMember', change.context)
  for (const { type, nodeId } of change.changes) {
    const others = members.filter(member => member.raftId !== nodeId)
    if (type === 'remove-node') {
      members = others
      removed = [...removed.filter(id => id !== nodeId), nodeId].slice(-REMOVED_MAX)
      continue
    }
    const old = members.find(member => member.raftId === nodeId)
    const member = described?.raftId === nodeId ? described : old
    if (member !== undefined) members = [...others, member]
  }
  return withRoles({ confState, members, removed })
}

/** Brings the learner flags in line with the configuration. */
export function withRoles(table: MemberTable): MemberTable {
  const learners = new Set([...table.confState.learners, ...table.confState.learnersNext])
  const members = table.members
    .map(member => ({ ...member, learner: learners.has(member.raftId) }))
    .sort((a, b) => a.raftId - b.raftId)
  return { ...table, members }
}
