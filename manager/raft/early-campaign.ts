import type { Message } from 'raft-ts/message'
import type { RawNode } from 'raft-ts/raw-node'
import type { Clock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { Random } from '../../src/base/random.ts'

/** A candidate whose pre-vote nobody answered asks again: others may learn later that the leader is gone. After this often the election timeout decides. */
const ATTEMPTS_MAX = 3

/** What EarlyCampaign works with. */
export interface EarlyCampaignOptions {
  readonly node: RawNode
  /** Gives the core one input; does nothing once `signal` aborted. */
  readonly give: (input: (node: RawNode) => void) => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Time of one tick of the core. */
  readonly tickMs: number
  /** Ends what was planned. */
  readonly signal: AbortSignal
}

/**
 * Elects another leader as soon as the last one's process is known to have ended, instead of after an election timeout (D-740). The sign may be false:
 * the pre-vote raises no term, and members that hear the leader refuse it. So does this node as soon as it hears the leader again.
 */
export class EarlyCampaign {
  readonly #options: EarlyCampaignOptions
  /** The term whose leader was forgotten last. Once for each: a leader that comes and goes may not keep this node from following it. */
  #term = 0

  constructor(options: EarlyCampaignOptions) { this.#options = options }

  /** The process of this member ended. */
  leaderGone(raftId: number): void {
    const { node, give, logger, tickMs, random } = this.#options
    const { role, leader, term, tracker, id } = node.raft
    if (role !== 'follower' || leader !== raftId || term === this.#term) return
    this.#term = term
    logger.info('the leader is gone: forgetting it before the election timeout', { leader, term })
    give(core => core.forgetLeader())
    const voters = tracker.voterIds
    // One after the other, beginning behind the leader: who stand at the same time take each other's votes.
    const rank = voters.filter(voter => voter !== leader && isBetween(leader, voter, id)).length
    if (voters.includes(id)) this.#plan((0.5 + rank + random.next() / 2) * tickMs, voters.length * tickMs)
  }

  /**
   * A member asks for votes whose log ends before this one's: those that get appends later do (D-743). It can't win while this one is needed for a majority,
   * and that it stands tells that it hears no leader either: this one does not wait for its own timeout.
   */
  asked({ type, logTerm, index }: Message): void {
    const { raft } = this.#options.node
    if (type === 'MsgPreVote' && !raft.isLeaseValid() && !raft.log.isUpToDate({ term: logTerm, index })) this.leaderGone(raft.leader)
  }

  #plan(waitMs: number, roundMs: number, attempt = 1): void {
    const { node, give, clock, signal } = this.#options
    if (signal.aborted) return
    const timer = clock.after(waitMs, () => {
      signal.removeEventListener('abort', cancel)
      // A leader was heard, or an election has begun.
      if (node.raft.leader !== 0 || node.raft.term !== this.#term) return
      give(core => core.campaign())
      if (attempt < ATTEMPTS_MAX) this.#plan(roundMs, roundMs, attempt + 1)
    })
    const cancel = (): void => timer.cancel()
    signal.addEventListener('abort', cancel, { once: true })
  }
}

/** Counted upwards from `from`, with the lowest after the highest, `between` comes before `to`. */
function isBetween(from: number, between: number, to: number): boolean {
  return from < to ? between > from && between < to : between > from || between < to
}
