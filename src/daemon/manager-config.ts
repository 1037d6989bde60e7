import type { NodeAvailability } from '../api/swarm/specs.ts'
import type { ClusterBootstrap } from './swarm-state.ts'

/** What a manager process is started with: one JSON file, read at start. */
export interface ManagerConfig {
  readonly nodeId: string
  readonly clusterId: string
  /** host:port to listen on with mutual TLS. */
  readonly listenAddress: string
  /** host:port others use. */
  readonly advertiseAddress: string
  /** Unix socket for this host's agent. */
  readonly socketPath: string
  readonly certificateFolder: string
  /** Raft log and replicated state. */
  readonly stateFolder: string
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  /** Time of one tick of raft; absent: the default. */
  readonly raftTickMs?: number
  /** A manager to join through, host:port; ignored when there is state already. */
  readonly joinAddress?: string
  /** Where other managers were last known to be, or are said to be: looked at when they are not where the log says. */
  readonly contacts?: readonly string[]
}

/** See manager/restored-cluster.ts; `file` is a sealed backup. */
export interface ClusterRestore { readonly file: string; readonly passphrase: string; readonly workerGraceMs: number; readonly availability: NodeAvailability }

/** What a manager process is told on its standard input: what must not lie on a disk, and what counts for this start only. */
export interface ManagerOrders {
  /** First manager of a new cluster. */
  readonly bootstrap?: ClusterBootstrap
  /** A backup to begin the cluster anew from; ignored when there is state already. */
  readonly restore?: ClusterRestore
  /** Drop all other managers. */
  readonly forceNewCluster?: boolean
  /** What the certificate's key and keys.json are sealed with; keys in base64. */
  readonly ring: { readonly keys: readonly { readonly id: string; readonly key: string }[]; readonly isSealing: boolean }
}
