import { defaultClusterSpec } from '../../api/swarm/default-cluster-spec.ts'
import { make } from '../../api/codec/codec.ts'
import type { ClusterInfo, SwarmSpec } from '../../api/engine/engine-json.ts'
import type { Swarm } from '../../api/engine/swarm-json.ts'
import type { Cluster, TlsInfo } from '../../api/swarm/objects.ts'
import type { ClusterSpec } from '../../api/swarm/specs.ts'
import { ShoalError } from '../../base/errors.ts'
import { annotationsToJson, driverFromJson, driverToJson, metaToJson } from './common.ts'
import { some, unsigned } from './json-value.ts'
import { tlsInfoToJson } from './node.ts'

/** Docker's default; a cluster that stores none still shows it. */
const DATA_PATH_PORT = 4789

/** What anyone may see of the cluster: no keys, no tokens (B19). */
export function clusterInfoToJson(cluster: Cluster, tlsInfo: TlsInfo | undefined): ClusterInfo {
  return {
    ID: cluster.id, ...metaToJson(cluster.meta), Spec: clusterSpecToJson(cluster.spec ?? defaultClusterSpec()), TLSInfo: tlsInfoToJson(tlsInfo),
    RootRotationInProgress: false, DefaultAddrPool: some(cluster.addressPool) ?? null, SubnetSize: cluster.subnetSize || 24, DataPathPort: cluster.dataPathPort || DATA_PATH_PORT,
  }
}

/** GET /swarm, on managers only. */
export function swarmToJson(cluster: Cluster, tlsInfo: TlsInfo | undefined): Swarm {
  const tokens = cluster.rootCa?.joinTokens
  return { ...clusterInfoToJson(cluster, tlsInfo), JoinTokens: { Worker: tokens?.worker ?? '', Manager: tokens?.manager ?? '' } }
}

/** Lays what a request names over `base`; zeros and absent parts leave it alone, as in Docker. @throws ShoalError `invalid-json`, `not-supported` */
export function mergeClusterSpec(base: ClusterSpec, json: SwarmSpec): ClusterSpec {
  const { Raft: raft, CAConfig: ca } = json
  if (some(ca?.ExternalCAs ?? undefined) !== undefined) throw new ShoalError('not-implemented', 'not-supported', 'an external CA is not supported by shoal')
  if (some(ca?.SigningCACert) !== undefined || some(ca?.SigningCAKey) !== undefined) {
    throw new ShoalError('not-implemented', 'not-supported', 'bringing your own CA certificate or key is not supported by shoal')
  }
  return {
    ...base,
    annotations: { name: json.Name || base.annotations?.name || 'default', labels: json.Labels ?? base.annotations?.labels ?? {} },
    taskHistoryRetentionLimit: json.Orchestration?.TaskHistoryRetentionLimit ?? base.taskHistoryRetentionLimit,
    raft: make('RaftConfig', {
      ...base.raft, snapshotInterval: unsigned(raft?.SnapshotInterval, 'Raft.SnapshotInterval') || base.raft?.snapshotInterval,
      keepOldSnapshots: raft?.KeepOldSnapshots ?? base.raft?.keepOldSnapshots,
      logEntriesForSlowFollowers: unsigned(raft?.LogEntriesForSlowFollowers, 'Raft.LogEntriesForSlowFollowers') || base.raft?.logEntriesForSlowFollowers,
      heartbeatTick: unsigned(raft?.HeartbeatTick, 'Raft.HeartbeatTick') || base.raft?.heartbeatTick,
      electionTick: unsigned(raft?.ElectionTick, 'Raft.ElectionTick') || base.raft?.electionTick,
    }),
    heartbeatPeriodNs: json.Dispatcher?.HeartbeatPeriod || base.heartbeatPeriodNs, nodeCertExpiryNs: ca?.NodeCertExpiry || base.nodeCertExpiryNs,
    caForceRotate: ca?.ForceRotate || base.caForceRotate, autoLockManagers: json.EncryptionConfig?.AutoLockManagers ?? base.autoLockManagers,
    logDriver: json.TaskDefaults?.LogDriver === undefined ? base.logDriver : make('Driver', driverFromJson(json.TaskDefaults.LogDriver) ?? {}),
  }
}

function clusterSpecToJson(spec: ClusterSpec): SwarmSpec {
  const { raft } = spec
  return {
    ...annotationsToJson(spec.annotations), Orchestration: { TaskHistoryRetentionLimit: spec.taskHistoryRetentionLimit },
    Raft: {
      SnapshotInterval: raft?.snapshotInterval ?? 0, KeepOldSnapshots: raft?.keepOldSnapshots ?? 0, LogEntriesForSlowFollowers: raft?.logEntriesForSlowFollowers ?? 0,
      ElectionTick: raft?.electionTick ?? 0, HeartbeatTick: raft?.heartbeatTick ?? 0,
    },
    Dispatcher: { HeartbeatPeriod: spec.heartbeatPeriodNs }, CAConfig: { NodeCertExpiry: spec.nodeCertExpiryNs, ForceRotate: some(spec.caForceRotate) },
    TaskDefaults: { LogDriver: driverToJson(spec.logDriver) as { Name?: string } | undefined }, EncryptionConfig: { AutoLockManagers: spec.autoLockManagers },
  }
}
