import { make } from '../src/api/codec/codec.ts'
import { defaultClusterSpec } from '../src/api/swarm/default-cluster-spec.ts'
import type { ClusterSpec, NodeAvailability } from '../src/api/swarm/specs.ts'
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
  /** What managers are unlocked with; empty or absent without autolock. */
  readonly unlockKey?: string
  /** CIDRs; empty: the default pool. */
  readonly addressPool: readonly string[]
  /** Prefix length of a network; 0: the default. */
  readonly subnetSize: number
  /** VXLAN UDP port; 0: the default. */
  readonly dataPathPort: number
  readonly availability?: NodeAvailability
  /** What the user said beside the defaults. */
  readonly spec?: ClusterSpec
}

const POOL_DEFAULT = ['10.0.0.0/8']
const SUBNET_SIZE_DEFAULT = 24
const DATA_PATH_PORT_DEFAULT = 4789

/** Writes the first objects, in one entry: the cluster, its first node, the ingress network. Nothing when they are there. */
export async function bootstrapCluster(store: ObjectStore, random: Random, options: { readonly clusterId: string; readonly nodeId: string; readonly bootstrap: ManagerBootstrap }): Promise<void> {
  const { clusterId, nodeId, bootstrap } = options
  const ingressId = createId(random)
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  await store.update(tx => {
    if (tx.cluster() !== undefined) return
    tx.create('cluster', make('Cluster', {
      id: clusterId,
      spec: { ...(bootstrap.spec ?? defaultClusterSpec()), annotations: { ...bootstrap.spec?.annotations, name: 'default' } },
      rootCa: {
        certPem: bytes(bootstrap.rootCertPem), keyPem: bytes(bootstrap.rootKeyPem), certDigest: parseJoinToken(bootstrap.workerToken).rootDigest,
        joinTokens: { worker: bootstrap.workerToken, manager: bootstrap.managerToken },
      },
      unlockKey: bootstrap.unlockKey ?? '',
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
