import { createMessage } from './create-message.ts'
import { hex } from './describe.ts'
import type { Message } from './message.ts'
import type { Raft } from './raft.ts'
import { broadcastHeartbeat } from './replication.ts'

/** A leader gets a read request, its own or a follower's. */
export function handleReadIndex(raft: Raft, request: Message): void {
  if (raft.tracker.isSingleton) return answerRead(raft, request, raft.log.committed)
  // Until an entry of its own term is committed the leader does not know what is committed (paper 8).
  if (!raft.hasCommittedInTerm) {
    raft.postponedReads.push(request)
    return
  }
  startRead(raft, request)
}

/** Starts the reads that waited for the first commit of this term. */
export function releasePostponedReads(raft: Raft): void {
  if (raft.postponedReads.length === 0 || !raft.hasCommittedInTerm) return
  const requests = raft.postponedReads
  raft.postponedReads = []
  for (const request of requests) startRead(raft, request)
}

/** A member answered a heartbeat that carried a round of reads. */
export function acknowledgeReads(raft: Raft, from: number, context: Uint8Array): void {
  raft.readOnly.acknowledge(from, context)
  answerConfirmedReads(raft)
}

/** The voters are others now: what a quorum of those that are left has answered is confirmed. A leader that is left alone is asked by nobody any more. */
export function answerConfirmedReads(raft: Raft): void {
  for (const { request, index } of raft.readOnly.takeConfirmed(raft.tracker.config.voters)) answerRead(raft, request, index)
}

function startRead(raft: Raft, request: Message): void {
  if (raft.config.readOnly === 'lease-based') return answerRead(raft, request, raft.log.committed)
  raft.readOnly.add(request, raft.log.committed)
  const context = raft.readOnly.heartbeatContext()
  if (context !== undefined) raft.readOnly.acknowledge(raft.id, context)
  broadcastHeartbeat(raft)
  // A leader that became the only voter since the read came has asked nobody.
  answerConfirmedReads(raft)
}

function answerRead(raft: Raft, request: Message, index: number): void {
  const entry = request.entries[0]
  if (entry === undefined) return raft.logger.error(`${hex(raft.id)} MsgReadIndex from ${hex(request.from)} has no context`)
  if (request.from === 0 || request.from === raft.id) raft.readStates.push({ index, context: entry.data })
  else raft.send(createMessage({ type: 'MsgReadIndexResp', to: request.from, index, entries: request.entries }))
}
