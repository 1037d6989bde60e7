import { createMessage } from './create-message.ts'
import { hex } from './describe.ts'
import { hup } from './election.ts'
import { restoreSnapshot } from './membership.ts'
import type { Message } from './message.ts'
import type { Raft } from './raft.ts'
import { RaftError } from './storage.ts'

/** What a follower does with a message of its term. @throws RaftError `proposal-dropped` */
export function stepFollower(raft: Raft, message: Message): void {
  switch (message.type) {
    case 'MsgProp': return forwardProposal(raft, message)
    case 'MsgApp':
      hearLeader(raft, message)
      return handleAppend(raft, message)
    case 'MsgHeartbeat':
      hearLeader(raft, message)
      return handleHeartbeat(raft, message)
    case 'MsgSnap':
      hearLeader(raft, message)
      return handleSnapshot(raft, message)
    case 'MsgTransferLeader': return forward(raft, message, 'leader transfer msg')
    case 'MsgReadIndex': return forward(raft, message, 'index reading msg')
    case 'MsgForgetLeader': return forgetLeader(raft)
    case 'MsgTimeoutNow':
      raft.logger.info(`${hex(raft.id)} [term ${raft.term}] received MsgTimeoutNow from ${hex(message.from)} and starts an election to get leadership.`)
      return hup(raft, 'transfer')
    case 'MsgReadIndexResp': return takeReadIndex(raft, message)
    default:
  }
}

/** Takes entries over, or tells the leader where the logs could still agree. */
export function handleAppend(raft: Raft, message: Message): void {
  const { log } = raft
  if (message.index < log.committed) {
    return raft.send(createMessage({ type: 'MsgAppResp', to: message.from, index: log.committed }))
  }
  const matched = log.maybeAppend({ term: message.logTerm, index: message.index }, message.entries, message.commit)
  if (matched !== undefined) return raft.send(createMessage({ type: 'MsgAppResp', to: message.from, index: matched }))
  raft.logger.debug(`${hex(raft.id)} [logterm: ${log.term(message.index) ?? 0}, index: ${message.index}] rejected MsgApp [logterm: ${message.logTerm}, index: ${message.index}] from ${hex(message.from)}`)
  // Entries here of a later term than the leader's at that index can't be in the leader's log: skip them all at once.
  const hint = log.findConflictByTerm(Math.min(message.index, log.lastIndex), message.logTerm)
  raft.send(createMessage({ type: 'MsgAppResp', to: message.from, index: message.index, reject: true, rejectHint: hint.index, logTerm: hint.term }))
}

export function handleHeartbeat(raft: Raft, message: Message): void {
  raft.log.commitTo(message.commit)
  raft.send(createMessage({ type: 'MsgHeartbeatResp', to: message.from, ...(message.context === undefined ? {} : { context: message.context }) }))
}

export function handleSnapshot(raft: Raft, message: Message): void {
  const { snapshot } = message
  if (snapshot === undefined) return
  const { index, term } = snapshot.metadata
  const isRestored = restoreSnapshot(raft, snapshot)
  raft.logger.info(`${hex(raft.id)} [commit: ${raft.log.committed}] ${isRestored ? 'restored' : 'ignored'} snapshot [index: ${index}, term: ${term}]`)
  raft.send(createMessage({ type: 'MsgAppResp', to: message.from, index: isRestored ? raft.log.lastIndex : raft.log.committed }))
}

function hearLeader(raft: Raft, message: Message): void {
  raft.electionElapsed = 0
  raft.leader = message.from
}

function forwardProposal(raft: Raft, message: Message): void {
  if (raft.leader === 0) {
    raft.logger.info(`${hex(raft.id)} no leader at term ${raft.term}; dropping proposal`)
  } else if (raft.config.disableProposalForwarding) {
    raft.logger.info(`${hex(raft.id)} not forwarding to leader ${hex(raft.leader)} at term ${raft.term}; dropping proposal`)
  } else {
    return raft.send({ ...message, to: raft.leader })
  }
  throw new RaftError('proposal-dropped', 'raft proposal dropped')
}

function forward(raft: Raft, message: Message, what: string): void {
  if (raft.leader === 0) return raft.logger.info(`${hex(raft.id)} no leader at term ${raft.term}; dropping ${what}`)
  raft.send({ ...message, to: raft.leader })
}

function forgetLeader(raft: Raft): void {
  // A lease counts on followers to keep to their leader.
  if (raft.config.readOnly === 'lease-based') return raft.logger.error('ignoring MsgForgetLeader due to ReadOnlyLeaseBased')
  if (raft.leader === 0) return
  raft.logger.info(`${hex(raft.id)} forgetting leader ${hex(raft.leader)} at term ${raft.term}`)
  raft.leader = 0
}

function takeReadIndex(raft: Raft, message: Message): void {
  const entry = message.entries[0]
  if (entry === undefined || message.entries.length !== 1) {
    return raft.logger.error(`${hex(raft.id)} invalid format of MsgReadIndexResp from ${hex(message.from)}, entries count: ${message.entries.length}`)
  }
  raft.readStates.push({ index: message.index, context: entry.data })
}
