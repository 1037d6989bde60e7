import { hex } from './describe.ts'
import { campaign } from './election.ts'
import { handleAppend, handleHeartbeat, handleSnapshot } from './follower.ts'
import type { Message } from './message.ts'
import type { Raft } from './raft.ts'
import { broadcastAppend } from './replication.ts'
import { RaftError } from './storage.ts'

/** What a candidate or pre-candidate does with a message of its term. @throws RaftError `proposal-dropped` */
export function stepCandidate(raft: Raft, message: Message): void {
  switch (message.type) {
    case 'MsgProp':
      raft.logger.info(`${hex(raft.id)} no leader at term ${raft.term}; dropping proposal`)
      throw new RaftError('proposal-dropped', 'raft proposal dropped')
    case 'MsgApp':
      raft.becomeFollower(message.term, message.from)
      return handleAppend(raft, message)
    case 'MsgHeartbeat':
      raft.becomeFollower(message.term, message.from)
      return handleHeartbeat(raft, message)
    case 'MsgSnap':
      raft.becomeFollower(message.term, message.from)
      return handleSnapshot(raft, message)
    case 'MsgVoteResp': case 'MsgPreVoteResp':
      // A candidate may still get answers to its pre-votes.
      if (message.type === (raft.role === 'candidate' ? 'MsgVoteResp' : 'MsgPreVoteResp')) countVote(raft, message)
      return
    case 'MsgTimeoutNow':
      return raft.logger.debug(`${hex(raft.id)} [term ${raft.term} state ${raft.role}] ignored MsgTimeoutNow from ${hex(message.from)}`)
    default:
  }
}

function countVote(raft: Raft, message: Message): void {
  raft.logger.info(`${hex(raft.id)} received ${message.type}${message.reject ? ' rejection' : ''} from ${hex(message.from)} at term ${raft.term}`)
  raft.tracker.recordVote(message.from, !message.reject)
  const { granted, rejected, result } = raft.tracker.tally()
  raft.logger.info(`${hex(raft.id)} has received ${granted} ${message.type} votes and ${rejected} vote rejections`)
  if (result === 'lost') {
    // The present term: a pre-vote's answer speaks of a later one.
    raft.becomeFollower(raft.term, 0)
  } else if (result === 'won' && raft.role === 'pre-candidate') {
    campaign(raft, 'election')
  } else if (result === 'won') {
    raft.becomeLeader()
    broadcastAppend(raft)
  }
}
