/**
 * The values that Raft peers exchange and that a log holds. Ids are positive integers below 2^53; 0 means none.
 * Shapes and names follow the Raft paper and etcd's RawNode, so that its public transcripts can be run against this core.
 */

export type EntryType = 'normal' | 'conf-change' | 'conf-change-v2'

/** One entry of the log. Terms and indexes begin at 1; 0 means not set yet. */
export interface Entry {
  readonly term: number
  readonly index: number
  readonly type: EntryType
  readonly data: Uint8Array
}

/** What must survive a crash beside the log. */
export interface HardState { readonly term: number; readonly vote: number; readonly commit: number }

/** A configuration as snapshots keep it; `votersOutgoing` and `learnersNext` only while it is joint. */
export interface ConfState {
  readonly voters: readonly number[]
  readonly learners: readonly number[]
  readonly votersOutgoing: readonly number[]
  readonly learnersNext: readonly number[]
  readonly autoLeave: boolean
}

/** What a snapshot stands for: the log up to `index`, whose entry has `term`. */
export interface SnapshotMetadata { readonly index: number; readonly term: number; readonly confState: ConfState }
/** data is opaque to the core. */
export interface Snapshot { readonly metadata: SnapshotMetadata; readonly data: Uint8Array }

/** As in etcd. Hup, Beat, Unreachable, SnapStatus, CheckQuorum, ForgetLeader and Storage messages never leave their node. */
export type MessageType =
  | 'MsgHup' | 'MsgBeat' | 'MsgProp' | 'MsgApp' | 'MsgAppResp' | 'MsgVote' | 'MsgVoteResp' | 'MsgSnap' | 'MsgHeartbeat' | 'MsgHeartbeatResp'
  | 'MsgUnreachable' | 'MsgSnapStatus' | 'MsgCheckQuorum' | 'MsgTransferLeader' | 'MsgTimeoutNow' | 'MsgReadIndex' | 'MsgReadIndexResp'
  | 'MsgPreVote' | 'MsgPreVoteResp' | 'MsgStorageAppend' | 'MsgStorageAppendResp' | 'MsgStorageApply' | 'MsgStorageApplyResp' | 'MsgForgetLeader'

/** One message. Which fields count depends on the type; the others are 0 or empty. `index` and `logTerm` name the entry before `entries`. */
export interface Message {
  readonly type: MessageType
  readonly to: number
  readonly from: number
  readonly term: number
  readonly logTerm: number
  readonly index: number
  readonly entries: readonly Entry[]
  readonly commit: number
  readonly vote: number
  readonly snapshot?: Snapshot
  readonly reject: boolean
  readonly rejectHint: number
  readonly context?: Uint8Array
  /** Async storage writes only: to be sent once the message is stored. */
  readonly responses: readonly Message[]
}

/** What a change does to one member; update-node changes only its context. */
export type ConfChangeType = 'add-node' | 'remove-node' | 'update-node' | 'add-learner-node'
/** One step of a change. */
export interface ConfChangeSingle { readonly type: ConfChangeType; readonly nodeId: number }
/** Whether the change goes through a joint configuration, and who leaves it: auto decides by the number of steps. */
export type ConfChangeTransition = 'auto' | 'joint-implicit' | 'joint-explicit'
/** One or several changes; an empty list leaves a joint configuration. */
export interface ConfChange {
  readonly transition: ConfChangeTransition
  readonly changes: readonly ConfChangeSingle[]
  /** Opaque to the core. */
  readonly context?: Uint8Array
}
