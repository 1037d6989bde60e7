import { isJoint } from './cluster-config.ts'
import { decodeConfChange } from './conf-change-codec.ts'
import { createMessage } from './create-message.ts'
import { describeConfChange, describeConfig, describeProgress, hex } from './describe.ts'
import { invariant } from './invariant.ts'
import type { Entry, Message } from './message.ts'
import type { Progress } from './progress.ts'
import type { Raft } from './raft.ts'
import { acknowledgeReads, handleReadIndex, releasePostponedReads } from './reads.ts'
import { broadcastAppend, broadcastHeartbeat, maybeCommit, maybeSendAppend, sendAppend } from './replication.ts'
import { RaftError } from './storage.ts'

/** What a leader does with a message of its term. @throws RaftError `proposal-dropped` */
export function stepLeader(raft: Raft, message: Message): void {
  switch (message.type) {
    case 'MsgBeat': return broadcastHeartbeat(raft)
    case 'MsgCheckQuorum': return checkQuorum(raft)
    case 'MsgProp': return propose(raft, message)
    case 'MsgReadIndex': return handleReadIndex(raft, message)
    case 'MsgForgetLeader': return
    default:
  }
  const progress = raft.tracker.progressOf(message.from)
  if (progress === undefined) return raft.logger.debug(`${hex(raft.id)} no progress available for ${hex(message.from)}`)
  switch (message.type) {
    case 'MsgAppResp':
      progress.isRecentlyActive = true
      return message.reject ? appendRejected(raft, message, progress) : appendAccepted(raft, message, progress)
    case 'MsgHeartbeatResp': return heartbeatAnswered(raft, message, progress)
    case 'MsgSnapStatus': return snapshotReported(raft, message, progress)
    case 'MsgUnreachable':
      // What was sent ahead is likely lost: find out from where on.
      if (progress.state === 'replicate') progress.becomeProbe()
      return raft.logger.debug(`${hex(raft.id)} failed to send message to ${hex(message.from)} because it is unreachable [${describeProgress(progress)}]`)
    case 'MsgTransferLeader': return transferLeader(raft, message.from, progress)
    default:
  }
}

function checkQuorum(raft: Raft): void {
  if (!raft.tracker.isQuorumActive()) {
    raft.logger.warn(`${hex(raft.id)} stepped down to follower since quorum is not active`)
    raft.becomeFollower(raft.term, 0)
  }
  for (const id of raft.tracker.ids) {
    const progress = raft.tracker.progressOf(id)
    if (id !== raft.id && progress !== undefined) progress.isRecentlyActive = false
  }
}

function propose(raft: Raft, message: Message): void {
  invariant(message.entries.length > 0, () => `${hex(raft.id)} stepped empty MsgProp`)
  if (raft.tracker.progressOf(raft.id) === undefined) throw new RaftError('proposal-dropped', 'raft proposal dropped')
  if (raft.leaderTransferee !== 0) {
    raft.logger.debug(`${hex(raft.id)} [term ${raft.term}] transfer leadership to ${hex(raft.leaderTransferee)} is in progress; dropping proposal`)
    throw new RaftError('proposal-dropped', 'raft proposal dropped')
  }
  const entries = message.entries.map((entry, i) => entry.type === 'normal' ? entry : admitConfChange(raft, entry, i))
  if (!raft.appendEntries(entries)) throw new RaftError('proposal-dropped', 'raft proposal dropped')
  broadcastAppend(raft)
}

/** A conf change that can't be applied becomes an empty entry, so that indexes stay what the proposer was told. */
function admitConfChange(raft: Raft, entry: Entry, offset: number): Pick<Entry, 'type' | 'data'> {
  const change = decodeConfChange(entry.data)
  const wantsLeave = change.changes.length === 0
  const inJoint = isJoint(raft.tracker.config)
  let refusal = ''
  if (raft.pendingConfIndex > raft.log.applied) refusal = `possible unapplied conf change at index ${raft.pendingConfIndex} (applied to ${raft.log.applied})`
  else if (inJoint && !wantsLeave) refusal = 'must transition out of joint config first'
  else if (!inJoint && wantsLeave) refusal = 'not in joint state; refusing empty conf change'
  if (refusal !== '' && !raft.config.disableConfChangeValidation) {
    raft.logger.info(`${hex(raft.id)} ignoring conf change ${describeConfChange(change)} at config ${describeConfig(raft.tracker.config)}: ${refusal}`)
    return { type: 'normal', data: new Uint8Array() }
  }
  raft.pendingConfIndex = raft.log.lastIndex + offset + 1
  return entry
}

function appendRejected(raft: Raft, message: Message, progress: Progress): void {
  raft.logger.debug(`${hex(raft.id)} received MsgAppResp(rejected, hint: (index ${message.rejectHint}, term ${message.logTerm})) from ${hex(message.from)} for index ${message.index}`)
  // Entries here of a later term than the follower's at the hint can't be in its log: at most one probe per term.
  const probe = message.logTerm > 0 ? raft.log.findConflictByTerm(message.rejectHint, message.logTerm).index : message.rejectHint
  if (!progress.maybeDecrease(message.index, probe)) return
  raft.logger.debug(`${hex(raft.id)} decreased progress of ${hex(message.from)} to [${describeProgress(progress)}]`)
  if (progress.state === 'replicate') progress.becomeProbe()
  sendAppend(raft, message.from)
}

function appendAccepted(raft: Raft, message: Message, progress: Progress): void {
  const isNews = progress.maybeUpdate(message.index)
  // No news, but a probed peer that answers can be replicated to again.
  if (!isNews && !(progress.match === message.index && progress.state === 'probe')) return
  if (progress.state === 'probe') {
    progress.becomeReplicate()
  } else if (progress.state === 'replicate') {
    progress.inflights.freeUpTo(message.index)
  } else if (progress.match + 1 >= raft.log.firstIndex) {
    // Whatever snapshot brought it here: the log can take it on.
    raft.logger.debug(`${hex(raft.id)} recovered from needing snapshot, resumed sending replication messages to ${hex(message.from)} [${describeProgress(progress)}]`)
    progress.becomeProbe()
    progress.becomeReplicate()
  }
  if (maybeCommit(raft)) {
    releasePostponedReads(raft)
    broadcastAppend(raft)
  } else if (message.from !== raft.id && progress.canBumpCommit(raft.log.committed)) {
    sendAppend(raft, message.from)
  }
  if (message.from === raft.id) return
  while (maybeSendAppend(raft, message.from, false)) { /* as many messages as the window takes */ }
  if (message.from === raft.leaderTransferee && progress.match === raft.log.lastIndex) {
    raft.logger.info(`${hex(raft.id)} sent MsgTimeoutNow to ${hex(message.from)} after received MsgAppResp`)
    raft.send(createMessage({ type: 'MsgTimeoutNow', to: message.from }))
  }
}

function heartbeatAnswered(raft: Raft, message: Message, progress: Progress): void {
  progress.isRecentlyActive = true
  progress.isFlowPaused = false
  // Also to a peer with nothing missing that is only being probed: the answer brings it back to replication.
  if (progress.match < raft.log.lastIndex || progress.state === 'probe') sendAppend(raft, message.from)
  if (raft.config.readOnly === 'safe' && message.context !== undefined && message.context.length > 0) acknowledgeReads(raft, message.from, message.context)
}

function snapshotReported(raft: Raft, message: Message, progress: Progress): void {
  if (progress.state !== 'snapshot') return
  // After a failure the probe must not start behind a snapshot that never arrived.
  if (message.reject) progress.pendingSnapshot = 0
  progress.becomeProbe()
  raft.logger.debug(`${hex(raft.id)} snapshot ${message.reject ? 'failed' : 'succeeded'}, resumed sending replication messages to ${hex(message.from)} [${describeProgress(progress)}]`)
  // The peer's answer, or the next heartbeat's, tells when to go on.
  progress.isFlowPaused = true
}

function transferLeader(raft: Raft, transferee: number, progress: Progress): void {
  const at = `${hex(raft.id)} [term ${raft.term}]`
  if (progress.isLearner) return raft.logger.debug(`${hex(raft.id)} is learner. Ignored transferring leadership`)
  if (raft.leaderTransferee === transferee) {
    return raft.logger.info(`${at} transfer leadership to ${hex(transferee)} is in progress, ignores request to same node ${hex(transferee)}`)
  }
  if (raft.leaderTransferee !== 0) {
    raft.logger.info(`${at} abort previous transferring leadership to ${hex(raft.leaderTransferee)}`)
    raft.leaderTransferee = 0
  }
  if (transferee === raft.id) return raft.logger.debug(`${hex(raft.id)} is already leader. Ignored transferring leadership to self`)
  raft.logger.info(`${at} starts to transfer leadership to ${hex(transferee)}`)
  // It has one election timeout from now.
  raft.electionElapsed = 0
  raft.leaderTransferee = transferee
  if (progress.match === raft.log.lastIndex) {
    raft.send(createMessage({ type: 'MsgTimeoutNow', to: transferee }))
    raft.logger.info(`${hex(raft.id)} sends MsgTimeoutNow to ${hex(transferee)} immediately as ${hex(transferee)} already has up-to-date log`)
  } else {
    sendAppend(raft, transferee)
  }
}
