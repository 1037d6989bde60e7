import type { RaftLogStore } from './raft-log-store.ts'

/** Where the cluster says nothing; swarmkit's SnapshotInterval. */
const COMPACTION_ENTRIES = 10_000
/** Also by bytes, since all of it is in memory and a restart reads it: a busy manager's memory stays flat after some seconds. */
const COMPACTION_BYTES = 24 * 1024 * 1024
/** Where the cluster says nothing (new ones say 500, as swarmkit's): sending a thousand is still cheaper than a snapshot. */
const KEPT_ENTRIES = 1000
const KEPT_BYTES = 8 * 1024 * 1024

/** What a cluster sets in place of the constants here. 0, as undefined: nothing. */
export interface CompactionSettings {
  /** Entries after which the log is compacted, as ClusterSpec.raft.snapshotInterval. */
  readonly entries?: number | undefined
  /** Entries kept for slow followers, as ClusterSpec.raft.logEntriesForSlowFollowers. */
  readonly kept?: number | undefined
}

/** Up to where to compact, once the log has grown enough; some entries stay for followers that are a little behind. */
export function compactionPoint(log: RaftLogStore, applied: number, options: CompactionSettings & { /** Do not wait for the interval. */ readonly isStart: boolean }): number | undefined {
  const firstIndex = log.firstIndex()
  const kept = options.kept || KEPT_ENTRIES
  const isDue = applied - firstIndex >= (options.isStart ? kept : options.entries || COMPACTION_ENTRIES) || log.entryBytes >= COMPACTION_BYTES
  if (!isDue) return undefined
  let point = applied - kept
  if (log.entryBytes >= COMPACTION_BYTES) {
    // Large entries: keep only what fits.
    let bytes = 0
    for (point = applied; point > firstIndex && bytes < KEPT_BYTES; point--) bytes += log.entries(point, point + 1, Infinity)[0]?.data.length ?? 0
  }
  return point >= firstIndex ? point : undefined
}
