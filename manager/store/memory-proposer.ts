import { decode, encode } from '../../src/api/codec/codec.ts'
import type { Proposal } from '../../src/api/swarm/raft.ts'
import type { ShoalError } from '../../src/base/errors.ts'
import type { ProposalDraft, Proposer } from './proposer.ts'

/** What a proposer feeds; ReplicatedStore is one. */
export interface CommitTarget {
  readonly appliedIndex: number
  applyCommitted(index: number, proposal: Proposal | undefined): void
}

/** Consensus of one: the twin of RaftNode, commits at once. Entries pass through the codec, so objects come out as they do from a real log. */
export class MemoryProposer implements Proposer {
  readonly #target: CommitTarget
  readonly #nowMs: () => number
  #ids = 0
  /** When set, proposals fail with it and nothing is applied: a manager without a leader. */
  failure: ShoalError | undefined
  #failures: ShoalError[] = []
  /** When set, proposals wait for it: a leader without a quorum. */
  held: Promise<void> | undefined

  constructor(target: CommitTarget, nowMs: () => number) {
    this.#target = target
    this.#nowMs = nowMs
  }

  /** The next proposal fails with this. */
  failOnce(failure: ShoalError): void { this.#failures.push(failure) }

  newRequestId(): string { return `request-${this.#target.appliedIndex}-${this.#ids++}` }

  async propose(draft: ProposalDraft, signal?: AbortSignal): Promise<number> {
    signal?.throwIfAborted()
    await this.held
    const failure = this.#failures.shift() ?? this.failure
    if (failure !== undefined) throw failure
    const index = this.#target.appliedIndex + 1
    const bytes = encode('Proposal', { ...draft, proposedAtMs: this.#nowMs() })
    this.#target.applyCommitted(index, decode('Proposal', bytes))
    return index
  }
}
