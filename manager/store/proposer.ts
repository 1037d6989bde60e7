import type { StoreAction } from '../../src/api/swarm/raft.ts'

/**
 * Consensus as the store sees it. Real: manager/raft's RaftNode. Twin: a proposer that commits at once.
 * The proposer calls the store's apply (see ReplicatedStore) for each committed entry, own or foreign, in log order, before propose() resolves.
 */
export interface Proposer {
  /** Resolves to the entry's raft index after it was applied here. @throws ShoalError `not-leader`, `no-leader`, `proposal-lost` (unavailable) */
  propose(actions: readonly StoreAction[], signal?: AbortSignal): Promise<number>
}
