import { EMPTY_CONFIG, type ClusterConfig } from './cluster-config.ts'
import { Inflights } from './inflights.ts'
import { Progress } from './progress.ts'
import { jointCommitted, jointIds, jointVote, type VoteResult } from './quorum.ts'

/** A configuration with the progress of each of its members. Replaced as a whole by membership changes. */
export interface Membership { readonly config: ClusterConfig; readonly progress: ReadonlyMap<number, Progress> }

export interface InflightLimits { readonly maxInflightMessages: number; readonly maxInflightBytes: number }
export interface Tally { readonly granted: number; readonly rejected: number; readonly result: VoteResult }

/** The members as this node sees them: their progress while it leads, their votes while it campaigns. */
export class Tracker {
  readonly limits: InflightLimits
  #membership: Membership = { config: EMPTY_CONFIG, progress: new Map() }
  #ids: readonly number[] = []
  #voterIds: readonly number[] = []
  readonly #votes = new Map<number, boolean>()

  constructor(limits: InflightLimits) { this.limits = limits }

  get membership(): Membership { return this.#membership }
  set membership(membership: Membership) {
    this.#membership = membership
    this.#ids = [...membership.progress.keys()].sort((a, b) => a - b)
    this.#voterIds = jointIds(membership.config.voters)
  }

  get config(): ClusterConfig { return this.#membership.config }
  /** All members, ascending. */
  get ids(): readonly number[] { return this.#ids }
  /** Voters of both halves, ascending. */
  get voterIds(): readonly number[] { return this.#voterIds }
  get isSingleton(): boolean { return this.config.voters.incoming.size === 1 && this.config.voters.outgoing.size === 0 }

  progressOf(id: number): Progress | undefined { return this.#membership.progress.get(id) }

  /** Forgets what was known of each member's log. */
  resetProgress(self: number, lastIndex: number): void {
    const progress = new Map<number, Progress>()
    for (const [id, old] of this.#membership.progress) {
      progress.set(id, new Progress({
        match: id === self ? lastIndex : 0, next: lastIndex + 1, isLearner: old.isLearner, isRecentlyActive: false, inflights: this.createInflights(),
      }))
    }
    this.#membership = { config: this.config, progress }
  }

  createInflights(): Inflights { return new Inflights(this.limits.maxInflightMessages, this.limits.maxInflightBytes) }

  /** Highest index that the voters hold by majority. */
  committed(): number { return jointCommitted(this.config.voters, id => this.progressOf(id)?.match) }

  isQuorumActive(): boolean {
    const active = new Map<number, boolean>()
    for (const id of this.#ids) {
      const progress = this.progressOf(id)
      if (progress !== undefined && !progress.isLearner) active.set(id, progress.isRecentlyActive)
    }
    return jointVote(this.config.voters, active) === 'won'
  }

  resetVotes(): void { this.#votes.clear() }
  /** The first answer of a voter counts. */
  recordVote(id: number, granted: boolean): void { if (!this.#votes.has(id)) this.#votes.set(id, granted) }

  tally(): Tally {
    let granted = 0
    let rejected = 0
    for (const id of this.#ids) {
      const vote = this.#votes.get(id)
      if (vote === undefined || this.progressOf(id)?.isLearner === true) continue
      if (vote) granted++
      else rejected++
    }
    return { granted, rejected, result: jointVote(this.config.voters, this.#votes) }
  }
}
