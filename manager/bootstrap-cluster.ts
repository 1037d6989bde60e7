import { make } from '../src/api/codec/codec.ts'
import { DEFAULT_HEARTBEAT_PERIOD_MS, DEFAULT_NODE_CERT_EXPIRY_MS, DEFAULT_TASK_HISTORY_LIMIT, NS_PER_MS } from '../src/api/swarm/defaults.ts'
import type { NodeAvailability } from '../src/api/swarm/specs.ts'
import { parseJoinToken } from '../src/ca/join-token.ts'
import { createId } from '../src/base/ids.ts'
import type { Random } from '../src/base/random.ts'
import type { ObjectStore } from './store/object-store.ts'

/** What a new cluster starts with, made by the daemon together with the first manager's certificate. */
export interface ManagerBootstrap {
  readonly rootCertPem: string
  readonly rootKeyPem: string
  readonly workerToken: string
  readonly managerToken: string
  /** CIDRs; empty: the default pool. */
  readonly addressPool: readonly string[]
  /** Prefix length of a network; 0: the default. */
  readonly subnetSize: number
  /** VXLAN UDP port; 0: the default. */
  readonly dataPathPort: number
  readonly availability?: NodeAvailability
}

const POOL_DEFAULT = ['10.0.0.0/8']
const SUBNET_SIZE_DEFAULT = 24
const DATA_PATH_PORT_DEFAULT = 4789
const SNAPSHOT_INTERVAL = 10_000
const ENTRIES_FOR_SLOW_FOLLOWERS = 500

/** Writes the first objects, in one entry: the cluster, its first node, the ingress network. Nothing when they are there. */
export async function bootstrapCluster(store: ObjectStore, random: Random, options: { readonly clusterId: string; readonly nodeId: string; readonly bootstrap: ManagerBootstrap }): Promise<void> {
  const { clusterId, nodeId, bootstrap } = options
  const ingressId = createId(random)
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  await store.update(tx => {
    if (tx.cluster() !== undefined) return
    tx.create('cluster', make('Cluster', {
      id: clusterId,
      spec: {
        annotations: { name: 'default' }, taskHistoryRetentionLimit: DEFAULT_TASK_HISTORY_LIMIT,
        heartbeatPeriodNs: DEFAULT_HEARTBEAT_PERIOD_MS * NS_PER_MS, nodeCertExpiryNs: DEFAULT_NODE_CERT_EXPIRY_MS * NS_PER_MS,
        raft: { snapshotInterval: SNAPSHOT_INTERVAL, logEntriesForSlowFollowers: ENTRIES_FOR_SLOW_FOLLOWERS, heartbeatTick: 1, electionTick: 10 },
      },
      rootCa: {
        certPem: bytes(bootstrap.rootCertPem), keyPem: bytes(bootstrap.rootKeyPem), certDigest: parseJoinToken(bootstrap.workerToken).rootDigest,
        joinTokens: { worker: bootstrap.workerToken, manager: bootstrap.managerToken },
      },
      addressPool: bootstrap.addressPool.length > 0 ? bootstrap.addressPool : POOL_DEFAULT,
      subnetSize: bootstrap.subnetSize || SUBNET_SIZE_DEFAULT, dataPathPort: bootstrap.dataPathPort || DATA_PATH_PORT_DEFAULT,
    }))
    tx.create('node', make('Node', { id: nodeId, role: 'manager', spec: { annotations: {}, role: 'manager', availability: bootstrap.availability ?? 'active' }, status: { state: 'unknown' } }))
    tx.create('network', make('Network', { id: ingressId, spec: { annotations: { name: 'ingress' }, driver: { name: 'overlay' }, ingress: true } }))
  })
}

/** After a forced new cluster the other managers are workers: their raft is gone (F11). */
export async function demoteOtherManagers(store: ObjectStore, nodeId: string): Promise<void> {
  await store.update(tx => {
    for (const node of tx.list('node')) {
      if (node.id === nodeId || (node.role === 'worker' && node.spec?.role !== 'manager')) continue
      tx.update('node', { ...node, role: 'worker', ...node.spec === undefined ? {} : { spec: { ...node.spec, role: 'worker' } } })
    }
  })
}
