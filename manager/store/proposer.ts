import type { ClientRequest, StoreAction } from '../../src/api/swarm/raft.ts'

/** What is to become one log entry; see Proposal in proto/raft.proto. */
export interface ProposalDraft {
  readonly requestId: string
  readonly after: string
  readonly actions: readonly StoreAction[]
  readonly requests: readonly ClientRequest[]
}

/**
 * Consensus as the store sees it. Real: manager/raft's RaftNode. Twin: a proposer that commits at once.
 * The proposer calls the store's apply (see ReplicatedStore) for each committed entry, own or foreign, in log order, before propose() resolves.
 */
export interface Proposer {
  /** An id that no other proposal has. */
  newRequestId(): string
  /** Resolves to the entry's raft index after it was applied here. @throws ShoalError `not-leader`, `no-leader`, `proposal-lost` (unavailable) */
  propose(draft: ProposalDraft, signal?: AbortSignal): Promise<number>
}
