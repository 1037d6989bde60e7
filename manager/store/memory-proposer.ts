import { decode, encode } from '../../src/api/codec/codec.ts'
import type { Proposal, StoreAction } from '../../src/api/swarm/raft.ts'
import type { ShoalError } from '../../src/base/errors.ts'
import type { Proposer } from './proposer.ts'

/** What a proposer feeds; ReplicatedStore is one. */
export interface CommitTarget {
  readonly appliedIndex: number
  applyCommitted(index: number, proposal: Proposal | undefined): void
}

/** Consensus of one: the twin of RaftNode, commits at once. Entries pass through the codec, so objects come out as they do from a real log. */
export class MemoryProposer implements Proposer {
  readonly #target: CommitTarget
  readonly #nowMs: () => number
  /** When set, proposals fail with it and nothing is applied: a manager without a leader. */
  failure: ShoalError | undefined
  /** When set, proposals wait for it: a leader without a quorum. */
  held: Promise<void> | undefined

  constructor(target: CommitTarget, nowMs: () => number) {
    this.#target = target
    this.#nowMs = nowMs
  }

  async propose(actions: readonly StoreAction[], signal?: AbortSignal): Promise<number> {
    signal?.throwIfAborted()
    await this.held
    if (this.failure !== undefined) throw this.failure
    const index = this.#target.appliedIndex + 1
    const bytes = encode('Proposal', { requestId: `request-${index}`, proposedAtMs: this.#nowMs(), actions })
    this.#target.applyCommitted(index, decode('Proposal', bytes))
    return index
  }
}
