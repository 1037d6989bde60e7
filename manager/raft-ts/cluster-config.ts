import type { ConfState } from './message.ts'
import type { JointVoters } from './quorum.ts'

/** Who takes part. Joint (outgoing is not empty) while a membership change is under way. */
export interface ClusterConfig {
  readonly voters: JointVoters
  /** Receive the log, do not count. Disjoint from the voters. */
  readonly learners: ReadonlySet<number>
  /** Voters of the outgoing half that become learners when the joint configuration is left. */
  readonly learnersNext: ReadonlySet<number>
  /** The leader leaves the joint configuration by itself. */
  readonly autoLeave: boolean
}

/** Nobody takes part. */
export const EMPTY_CONFIG: ClusterConfig = {
  voters: { incoming: new Set(), outgoing: new Set() }, learners: new Set(), learnersNext: new Set(), autoLeave: false,
}

/** True while decisions need a majority of both halves. */
export function isJoint(config: ClusterConfig): boolean { return config.voters.outgoing.size > 0 }

/** The configuration as snapshots keep it, ids ascending. */
export function toConfState(config: ClusterConfig): ConfState {
  return {
    voters: sorted(config.voters.incoming),
    votersOutgoing: sorted(config.voters.outgoing),
    learners: sorted(config.learners),
    learnersNext: sorted(config.learnersNext),
    autoLeave: config.autoLeave,
  }
}

/** EMPTY_CONFIG as snapshots keep it. */
export const EMPTY_CONF_STATE: ConfState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }

/** Equal as sets. */
export function isSameConfState(a: ConfState, b: ConfState): boolean {
  const text = (state: ConfState): string =>
    JSON.stringify([sorted(state.voters), sorted(state.votersOutgoing), sorted(state.learners), sorted(state.learnersNext), state.autoLeave])
  return text(a) === text(b)
}

function sorted(ids: Iterable<number>): number[] { return [...ids].sort((a, b) => a - b) }
