import type { Message } from 'raft-ts/message'
import type { RawNode } from 'raft-ts/raw-node'

/** A message that brings nothing but a higher commit index to a member that has all entries: the next append or heartbeat brings it as well, a tick later at most. */
export function isCommitOnly(node: RawNode, { type, to, entries, index, context }: Message): boolean {
  // A member that is being removed must hear of it now: it is sent nothing later.
  if (type !== 'MsgApp' || entries.length > 0 || context !== undefined || node.raft.pendingConfIndex > node.raft.log.applied) return false
  const progress = node.raft.tracker.progressOf(to)
  return progress?.state === 'replicate' && progress.match === index
}
