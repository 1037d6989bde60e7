import type { Proposal } from '../../src/api/swarm/raft.ts'
import type { SnapshotHeader } from '../../src/api/swarm/snapshot.ts'
import type { RaftMember } from '../../src/api/swarm/raft.ts'

/** A snapshot that was read and can be installed. */
export interface StagedSnapshot { readonly header: SnapshotHeader }

/** What consensus feeds: manager/store's ReplicatedStore. See there for the contract of each method. */
export interface StateMachine {
  readonly appliedIndex: number
  applyCommitted(index: number, proposal: Proposal | undefined): void
  snapshot(members: { readonly members: readonly RaftMember[]; readonly removed: readonly number[] }): AsyncIterable<Uint8Array>
  stage(records: AsyncIterable<Uint8Array>): Promise<StagedSnapshot>
  install(staged: StagedSnapshot, note: Uint8Array): Promise<void>
  note(): Uint8Array | undefined
  flush(): Promise<number>
}
