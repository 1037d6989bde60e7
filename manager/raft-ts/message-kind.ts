import type { MessageType } from './message.ts'

/** Addressee of MsgStorageAppend: whoever writes the log of this node. */
export const LOCAL_APPEND_THREAD = Number.MAX_SAFE_INTEGER
/** Addressee of MsgStorageApply: whoever runs the state machine of this node. */
export const LOCAL_APPLY_THREAD = Number.MAX_SAFE_INTEGER - 1

const LOCAL = new Set<MessageType>([
  'MsgHup', 'MsgBeat', 'MsgUnreachable', 'MsgSnapStatus', 'MsgCheckQuorum', 'MsgStorageAppend', 'MsgStorageAppendResp', 'MsgStorageApply', 'MsgStorageApplyResp',
])
const RESPONSE = new Set<MessageType>([
  'MsgAppResp', 'MsgVoteResp', 'MsgHeartbeatResp', 'MsgUnreachable', 'MsgReadIndexResp', 'MsgPreVoteResp', 'MsgStorageAppendResp', 'MsgStorageApplyResp',
])

/** True for a message that never comes from another node. */
export function isLocalMessage(type: MessageType): boolean { return LOCAL.has(type) }
/** True for an answer, which only members may give. */
export function isResponseMessage(type: MessageType): boolean { return RESPONSE.has(type) }
/** True for the two local addressees of async storage writes. */
export function isLocalTarget(id: number): boolean { return id === LOCAL_APPEND_THREAD || id === LOCAL_APPLY_THREAD }

/** The answer to a vote request. */
export function voteResponseType(type: MessageType): 'MsgVoteResp' | 'MsgPreVoteResp' {
  return type === 'MsgPreVote' ? 'MsgPreVoteResp' : 'MsgVoteResp'
}
