import { hasConfChange } from './membership.ts'
import type { Message } from './message.ts'
import type { Raft } from './raft.ts'

const TAG = 0x63
const BYTES = 17

/** Context of requests for votes and of their refusals: what their sender knows to be committed. */
export function createCommittedContext({ log }: Raft): Uint8Array {
  const context = new Uint8Array(BYTES)
  const view = new DataView(context.buffer)
  context[0] = TAG
  view.setFloat64(1, log.committed)
  view.setFloat64(9, log.term(log.committed) ?? 0)
  return context
}

/**
 * Takes over what the sender of a vote's request or refusal knows to be committed, if it stands in the own log. Only leaders tell it otherwise: a member that holds
 * the change that made others of the voters, without knowing that it is committed, would go on asking those of before, who may be gone or hold more than it does.
 * A candidate then knows of other voters than it asks, and gives up.
 */
export function learnCommitted(raft: Raft, { context }: Message): void {
  if (context === undefined || context.length !== BYTES || context[0] !== TAG || raft.role === 'leader') return
  const view = new DataView(context.buffer, context.byteOffset)
  const index = view.getFloat64(1)
  const { committed } = raft.log
  if (index <= committed || !raft.log.matchesTerm({ index, term: view.getFloat64(9) })) return
  raft.log.commitTo(index)
  if (raft.role !== 'follower' && hasConfChange(raft, committed + 1, index)) raft.becomeFollower(raft.term, 0)
}
