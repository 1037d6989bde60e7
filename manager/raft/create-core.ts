import type { TickCounts } from 'raft-ts/raft-config'
import { RawNode } from 'raft-ts/raw-node'
import type { Logger } from '../../src/base/logger.ts'
import type { Random } from '../../src/base/random.ts'
import type { RaftLogStore } from './raft-log-store.ts'
import { raftLogger } from './raft-logger.ts'

/** Entries in one message: keeps a heartbeat from waiting long behind data. */
const MESSAGE_BYTES_MAX = 512 * 1024
/** Unacknowledged messages and bytes per peer. */
const INFLIGHT_MESSAGES_MAX = 256
const INFLIGHT_BYTES_MAX = 32 * 1024 * 1024
/** A leader without quorum refuses proposals beyond this. */
const UNCOMMITTED_BYTES_MAX = 64 * 1024 * 1024

/** The consensus core with the settings of this project: pre-vote, check-quorum, synchronous writes. @param raftId of this node */
export function createCore(raftId: number, storage: RaftLogStore, { random, logger, ticks }: { readonly random: Random; readonly logger: Logger; readonly ticks: TickCounts }): RawNode {
  return new RawNode({
    id: raftId, storage, ...ticks, preVote: true, checkQuorum: true,
    maxSizePerMessageBytes: MESSAGE_BYTES_MAX, maxInflightMessages: INFLIGHT_MESSAGES_MAX, maxInflightBytes: INFLIGHT_BYTES_MAX, maxUncommittedBytes: UNCOMMITTED_BYTES_MAX,
    stepDownOnRemoval: true, disableProposalForwarding: true, random: () => random.next(), logger: raftLogger(logger),
  })
}
