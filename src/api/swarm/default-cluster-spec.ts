import { make } from '../codec/codec.ts'
import { DEFAULT_HEARTBEAT_PERIOD_MS, DEFAULT_NODE_CERT_EXPIRY_MS, DEFAULT_TASK_HISTORY_LIMIT, NS_PER_MS } from './defaults.ts'
import type { ClusterSpec } from './specs.ts'

/** What a cluster is when nobody said otherwise (F01, F02, N03, X03). */
export function defaultClusterSpec(): ClusterSpec {
  return make('ClusterSpec', {
    annotations: { name: 'default' }, taskHistoryRetentionLimit: DEFAULT_TASK_HISTORY_LIMIT,
    raft: { snapshotInterval: 10_000, keepOldSnapshots: 0, logEntriesForSlowFollowers: 500, heartbeatTick: 1, electionTick: 10 },
    heartbeatPeriodNs: DEFAULT_HEARTBEAT_PERIOD_MS * NS_PER_MS, nodeCertExpiryNs: DEFAULT_NODE_CERT_EXPIRY_MS * NS_PER_MS,
  })
}
