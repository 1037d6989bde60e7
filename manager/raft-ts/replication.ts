import { createMessage } from './create-message.ts'
import { describeProgress, hex } from './describe.ts'
import { payloadsSizeBytes } from './entry-size.ts'
import { invariant } from './invariant.ts'
import type { Progress } from './progress.ts'
import type { Raft } from './raft.ts'

/** Sends the commit index, and entries if there are new ones, to a member that is not paused. */
export function sendAppend(raft: Raft, to: number): void { maybeSendAppend(raft, to, true) }

/**
 * Sends the next entries to a member, or a snapshot if they are compacted away. Without new entries something is sent only if `sendIfEmpty`.
 * Returns whether a message was sent.
 */
export function maybeSendAppend(raft: Raft, to: number, sendIfEmpty: boolean): boolean {
  const progress = raft.tracker.progressOf(to)
  if (progress === undefined || progress.isPaused) return false
  const previous = progress.next - 1
  const previousTerm = raft.log.term(previous)
  if (previousTerm === undefined) return maybeSendSnapshot(raft, to, progress)
  // With the window full, an empty message still goes out now and then: if all in flight were lost, its answer is what frees the window.
  const isThrottled = progress.state === 'replicate' && progress.inflights.isFull
  const entries = isThrottled ? [] : raft.log.entriesFrom(progress.next, raft.config.maxSizePerMessageBytes)
  if ((entries === undefined || entries.length === 0) && !sendIfEmpty) return false
  if (entries === undefined) return maybeSendSnapshot(raft, to, progress)
  raft.send(createMessage({ type: 'MsgApp', to, index: previous, logTerm: previousTerm, entries, commit: raft.log.committed }))
  progress.sentEntries(entries.length, payloadsSizeBytes(entries))
  progress.sentCommit(raft.log.committed)
  return true
}

export function broadcastAppend(raft: Raft): void {
  for (const id of raft.tracker.ids) if (id !== raft.id) sendAppend(raft, id)
}

/** Heartbeats carry the newest round of waiting reads, if there are any. */
export function broadcastHeartbeat(raft: Raft): void {
  const context = raft.readOnly.heartbeatContext()
  for (const id of raft.tracker.ids) {
    const progress = raft.tracker.progressOf(id)
    if (id === raft.id || progress === undefined) continue
    // Never beyond what the member is known to hold: its log may differ there.
    const commit = Math.min(progress.match, raft.log.committed)
    raft.send(createMessage({ type: 'MsgHeartbeat', to: id, commit, ...(context === undefined ? {} : { context }) }))
    progress.sentCommit(commit)
  }
}

/** Moves the commit index to what a quorum holds. Returns whether it moved. */
export function maybeCommit(raft: Raft): boolean {
  return raft.log.maybeCommit({ term: raft.term, index: raft.tracker.committed() })
}

function maybeSendSnapshot(raft: Raft, to: number, progress: Progress): boolean {
  if (!progress.isRecentlyActive) {
    raft.logger.debug(`ignore sending snapshot to ${hex(to)} since it is not recently active`)
    return false
  }
  const snapshot = raft.log.snapshot()
  if (snapshot === undefined) {
    raft.logger.debug(`${hex(raft.id)} failed to send snapshot to ${hex(to)} because snapshot is temporarily unavailable`)
    return false
  }
  const { index, term } = snapshot.metadata
  invariant(index > 0, () => 'entries are compacted away but there is no snapshot')
  raft.logger.debug(`${hex(raft.id)} [firstindex: ${raft.log.firstIndex}, commit: ${raft.log.committed}] sent snapshot[index: ${index}, term: ${term}] to ${hex(to)} [${describeProgress(progress)}]`)
  progress.becomeSnapshot(index)
  raft.logger.debug(`${hex(raft.id)} paused sending replication messages to ${hex(to)} [${describeProgress(progress)}]`)
  raft.send(createMessage({ type: 'MsgSnap', to, snapshot }))
  return true
}
