import { decode } from '../../src/api/codec/codec.ts'
import { RAFT_MEMBERSHIP_RPC, RAFT_RPC } from '../../src/api/codec/methods.ts'
import type { RaftEnvelope, RaftEnvelopeAck, SnapshotChunk } from '../../src/api/swarm/raft.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { MessageHandler } from '../../src/base/message-channel.ts'
import { unaryHandler, type RpcContext, type RpcServer } from '../../src/base/rpc.ts'
import { dialableAddress } from './member-address.ts'
import type { Membership } from './membership.ts'
import type { RaftNode } from './raft-node.ts'

/** Serves the other managers. Register before the node is started: a joining node must already answer. */
export function registerRaftService(server: Pick<RpcServer, 'handle'>, raft: RaftNode, membership: Membership): void {
  server.handle(RAFT_RPC.snapshot, (requests, context) => receiveSnapshot(raft, requests, context))
  server.handle(RAFT_MEMBERSHIP_RPC.join, unaryHandler(async ({ addr, raftId }, context) => {
    const nodeId = managerOf(raft, context)
    return membership.join({ nodeId, addr: dialableAddress(addr, context.remoteAddress), raftId })
  }))
  server.handle(RAFT_MEMBERSHIP_RPC.leave, unaryHandler(async ({ nodeId }, context) => {
    managerOf(raft, context)
    await membership.remove(nodeId)
    return {}
  }))
  server.handle(RAFT_MEMBERSHIP_RPC.members, unaryHandler(async (_, context) => {
    managerOf(raft, context)
    const { leaderId, leaderAddr } = raft.leadership
    return { members: raft.membersWhereTheyAre, leaderId, selfId: raft.raftId, leaderAddr }
  }))
}

/** Takes the other managers' messages: RAFT_MESSAGES. */
export function messagesHandler(raft: RaftNode): MessageHandler {
  return context => {
    const nodeId = managerOf(raft, context)
    let sender: RaftEnvelope | undefined
    return bytes => {
      if (sender === undefined) {
        sender = decode('RaftEnvelope', bytes)
        checkSender(raft, sender, nodeId)
        raft.greet(sender)
        return
      }
      checkSender(raft, sender, nodeId)
      raft.receive(sender, bytes)
    }
  }
}

async function* receiveSnapshot(raft: RaftNode, chunks: AsyncIterable<SnapshotChunk>, context: RpcContext): AsyncGenerator<RaftEnvelopeAck, void, undefined> {
  const nodeId = managerOf(raft, context)
  const iterator = chunks[Symbol.asyncIterator]()
  const first = await iterator.next()
  const envelope = first.done === true ? undefined : first.value.envelope
  if (envelope === undefined) throw new ShoalError('invalid-argument', 'snapshot-malformed', 'a snapshot stream does not begin with its message')
  checkSender(raft, envelope, nodeId)
  await raft.receiveSnapshot(envelope, iterator)
  yield { received: 1 }
}

/** @returns the caller's node id @throws ShoalError `not-a-manager` (permission-denied) unless it is a manager of this cluster */
function managerOf(raft: RaftNode, { identity, isLocal }: RpcContext): string {
  if (isLocal) return raft.nodeId
  if (identity === undefined || identity.role !== 'manager' || identity.clusterId !== raft.clusterId) {
    throw new ShoalError('permission-denied', 'not-a-manager', 'only managers of this cluster may call this; the caller\'s certificate does not say that it is one')
  }
  return identity.nodeId
}

/** A member speaks for itself only. */
function checkSender(raft: RaftNode, envelope: RaftEnvelope, nodeId: string): void {
  const member = raft.table.members.find(candidate => candidate.raftId === envelope.from)
  if (member !== undefined && member.nodeId !== nodeId) {
    throw new ShoalError('permission-denied', 'member-mismatch', `node ${nodeId} sent a message of raft member ${envelope.from}, which is node ${member.nodeId}`)
  }
}
