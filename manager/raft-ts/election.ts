import { createCommittedContext, learnCommitted } from './committed-context.ts'
import { createMessage } from './create-message.ts'
import { hex } from './describe.ts'
import { hasConfChange } from './membership.ts'
import type { Message } from './message.ts'
import { voteResponseType } from './message-kind.ts'
import type { Raft } from './raft.ts'
import { TRANSFER_CONTEXT } from './transfer-context.ts'

/** pre-election: ask whether one could win. election: ask for votes. transfer: the leader told this node to take over; skips the pre-vote. */
export type CampaignKind = 'pre-election' | 'election' | 'transfer'

/** Starts an election, if this node may. */
export function hup(raft: Raft, kind: CampaignKind): void {
  const self = hex(raft.id)
  if (raft.role === 'leader') return raft.logger.debug(`${self} ignoring MsgHup because already leader`)
  if (!raft.isPromotable) return raft.logger.warn(`${self} is unpromotable and can not campaign`)
  if (hasUnappliedConfChange(raft)) {
    return raft.logger.warn(`${self} cannot campaign at term ${raft.term} since there are still pending configuration changes to apply`)
  }
  raft.logger.info(`${self} is starting a new election at term ${raft.term}`)
  campaign(raft, kind)
}

/** Becomes a candidate and asks all voters, itself too. */
export function campaign(raft: Raft, kind: CampaignKind): void {
  if (kind === 'pre-election') raft.becomePreCandidate()
  else raft.becomeCandidate()
  const type = kind === 'pre-election' ? 'MsgPreVote' : 'MsgVote'
  const term = kind === 'pre-election' ? raft.term + 1 : raft.term
  const last = raft.log.lastEntryId()
  for (const id of raft.tracker.voterIds) {
    if (id === raft.id) {
      // The own vote counts when it is durable, as any other.
      raft.send(createMessage({ type: voteResponseType(type), to: id, term }))
      continue
    }
    raft.logger.info(`${hex(raft.id)} [logterm: ${last.term}, index: ${last.index}] sent ${type} request to ${hex(id)} at term ${raft.term}`)
    raft.send(createMessage({ type, to: id, term, index: last.index, logTerm: last.term, context: kind === 'transfer' ? TRANSFER_CONTEXT : createCommittedContext(raft) }))
  }
}

/** Answers MsgVote and MsgPreVote of the present term, or, for a pre-vote, of a later one. */
export function handleVoteRequest(raft: Raft, message: Message): void {
  const isPreVote = message.type === 'MsgPreVote'
  const canVote = raft.vote === message.from || (raft.vote === 0 && raft.leader === 0) || (isPreVote && message.term > raft.term)
  const last = raft.log.lastEntryId()
  const theirs = { term: message.logTerm, index: message.index }
  // A learner votes as well: it may have been promoted by an entry that it has not got yet, and be needed for the quorum.
  const granted = canVote && raft.log.isUpToDate(theirs)
  raft.logger.info(`${hex(raft.id)} [logterm: ${last.term}, index: ${last.index}, vote: ${hex(raft.vote)}] ${granted ? 'cast' : 'rejected'} ${message.type} ${granted ? 'for' : 'from'} ${hex(message.from)} [logterm: ${theirs.term}, index: ${theirs.index}] at term ${raft.term}`)
  // The asker's term, not ours: a pre-candidate ignores answers from terms it does not ask about.
  raft.send(createMessage({ type: voteResponseType(message.type), to: message.from, term: granted ? message.term : raft.term, reject: !granted, ...(granted ? {} : { context: createCommittedContext(raft) }) }))
  if (granted && !isPreVote) {
    raft.electionElapsed = 0
    raft.vote = message.from
  }
  learnCommitted(raft, message)
}

/** A node that has not applied a committed conf change does not know who votes. */
function hasUnappliedConfChange(raft: Raft): boolean {
  return hasConfChange(raft, raft.log.applied + 1, raft.log.committed)
}
