import type { ClusterSpec, NodeAvailability, NodeRole } from '../api/swarm/specs.ts'

/** What this host remembers of its cluster; swarm/state.json. */
export interface SwarmState {
  readonly nodeId: string
  readonly clusterId: string
  readonly role: NodeRole
  /** host:port the manager listens on, if this is or becomes one. */
  readonly listenAddress: string
  /** host:port others reach this node's manager at. */
  readonly advertiseAddress: string
  /** IP of this host for container traffic. */
  readonly dataAddress: string
  readonly availability: NodeAvailability
  /** Where managers were last known to be. */
  readonly managers: readonly { readonly nodeId: string; readonly addr: string }[]
  /** Set until the first manager has committed it: what the new cluster starts with. */
  readonly bootstrap?: ClusterBootstrap
}

export interface ClusterBootstrap {
  readonly rootCertPem: string
  readonly rootKeyPem: string
  readonly workerToken: string
  readonly managerToken: string
  readonly addressPool: readonly string[]
  readonly subnetSize: number
  readonly dataPathPort: number
  readonly spec: ClusterSpec
  readonly availability: NodeAvailability
}
