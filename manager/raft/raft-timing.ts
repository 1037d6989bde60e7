import type { TickCounts } from 'raft-ts/raft-config'

/** Time of one tick of the core unless the host is told otherwise. */
const TICK_MS = 100
/** Of a cluster that says nothing else (D-741). */
const DEFAULT_COUNTS: TickCounts = { electionTicks: 10, heartbeatTicks: 1 }

/** How managers measure a leader's silence. */
export interface RaftTiming {
  /** Time of one tick. Default 100. */
  readonly tickMs?: number | undefined
  /** As ClusterSpec.raft, looked at on each tick; undefined before there is a state. Counts that cannot work are as good as none. */
  readonly counts?: () => TickCounts | undefined
}

/** The timing in force. */
export class RaftClock {
  readonly tickMs: number
  readonly #wanted: () => TickCounts | undefined

  constructor({ tickMs = TICK_MS, counts = () => undefined }: RaftTiming) {
    this.tickMs = tickMs
    this.#wanted = counts
  }

  get counts(): TickCounts {
    const wanted = this.#wanted()
    return wanted !== undefined && wanted.heartbeatTicks >= 1 && wanted.electionTicks > wanted.heartbeatTicks ? wanted : DEFAULT_COUNTS
  }

  /** A member that is silent for longer than this is not there: two election timeouts. */
  get silenceMaxMs(): number { return 2 * this.counts.electionTicks * this.tickMs }
}
