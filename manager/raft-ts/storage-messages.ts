import { createMessage } from './create-message.ts'
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD } from './message-kind.ts'
import type { Entry, Message } from './message.ts'
import type { Raft } from './raft.ts'
import type { Ready } from './ready.ts'

/** The storage work of a Ready as messages to the node's own append and apply threads, and their answers. */

export function needsAppendMessage(raft: Raft, ready: Ready): boolean {
  return ready.entries.length > 0 || ready.hardState !== undefined || ready.snapshot !== undefined || raft.messagesAfterAppend.length > 0
}

/** Writes entries, hard state (only if its term is not 0) and snapshot; then delivers the responses. */
export function createAppendMessage(raft: Raft, ready: Ready): Message {
  const { hardState, snapshot } = ready
  return createMessage({
    type: 'MsgStorageAppend', to: LOCAL_APPEND_THREAD, from: raft.id, entries: ready.entries,
    ...(hardState === undefined ? {} : { term: hardState.term, vote: hardState.vote, commit: hardState.commit }),
    ...(snapshot === undefined ? {} : { snapshot }),
    responses: needsAppendResponse(raft, ready) ? [...raft.messagesAfterAppend, createAppendResponse(raft, ready)] : raft.messagesAfterAppend,
  })
}

/** Whether the node must hear when this write is durable. Also for earlier writes whose own answer may have been void by a change of term. */
export function needsAppendResponse(raft: Raft, ready: Ready): boolean {
  return raft.log.unstable.count > 0 || ready.snapshot !== undefined
}

/**
 * Says that the log up to its present end is durable, under the present term. If the term has changed when it comes back it is void: entries under
 * the same index may have been replaced by then, and even replaced back, with older writes still under way. The write of the new term's hard state
 * brings a new one, so the entries are released in the end.
 */
export function createAppendResponse(raft: Raft, ready: Ready): Message {
  const last = raft.log.unstable.count > 0 ? raft.log.lastEntryId() : { index: 0, term: 0 }
  return createMessage({
    type: 'MsgStorageAppendResp', to: raft.id, from: LOCAL_APPEND_THREAD, term: raft.term, index: last.index, logTerm: last.term,
    ...(ready.snapshot === undefined ? {} : { snapshot: ready.snapshot }),
  })
}

export function createApplyMessage(raft: Raft, entries: readonly Entry[]): Message {
  return createMessage({ type: 'MsgStorageApply', to: LOCAL_APPLY_THREAD, from: raft.id, entries, responses: [createApplyResponse(raft, entries)] })
}

/** Committed entries belong to no term: 0. */
export function createApplyResponse(raft: Raft, entries: readonly Entry[]): Message {
  return createMessage({ type: 'MsgStorageApplyResp', to: raft.id, from: LOCAL_APPLY_THREAD, entries })
}
