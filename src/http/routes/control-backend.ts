import type { ServiceStatus, StoreEvent } from '../../api/swarm/control.ts'
import type { SubscribeLogsMessage, SubscribeLogsRequest } from '../../api/swarm/logs.ts'
import type { Cluster, Config, Network, Node, Secret, Service, Task } from '../../api/swarm/objects.ts'
import type { ClusterSpec, ConfigSpec, NetworkSpec, NodeSpec, SecretSpec, ServiceSpec } from '../../api/swarm/specs.ts'
import type { Filters } from '../convert/filters.ts'

export interface ControlObjects {
  readonly node: Node
  readonly service: Service
  readonly task: Task
  readonly network: Network
  readonly secret: Secret
  readonly config: Config
  readonly cluster: Cluster
}
export interface ControlSpecs {
  readonly node: NodeSpec
  readonly service: ServiceSpec
  readonly network: NetworkSpec
  readonly secret: SecretSpec
  readonly config: ConfigSpec
  readonly cluster: ClusterSpec
}
export type ControlKind = keyof ControlObjects
export type CreatableKind = Exclude<keyof ControlSpecs, 'node' | 'cluster'>

export interface Written<T> { readonly object: T; readonly warnings: readonly string[] }

export interface UpdateCall<K extends keyof ControlSpecs> {
  readonly kind: K
  readonly id: string
  readonly version: number
  /** Absent with rollback. */
  readonly spec?: ControlSpecs[K]
  readonly rollback?: boolean
  readonly registryAuthFrom?: '' | 'spec' | 'previous-spec'
  readonly rotateWorkerToken?: boolean
  readonly rotateManagerToken?: boolean
  readonly rotateUnlockKey?: boolean
}

/** Up to where changes were seen, for going on from there at any manager. */
export interface WatchPosition { readonly clusterId: string; readonly version: number }
/** All changes between one position and the next; objects with what they were before. */
export interface WatchedChanges extends WatchPosition { readonly events: readonly StoreEvent[] }

/**
 * The control service as the swarm routes need it; proto/control.proto's calls one to one, in domain types. Each route file asks for its part with Pick.
 * Every method fails with swarmStateError() when this node is no manager, else with what the manager answered.
 */
export interface ControlBackend {
  /** @param ref full id, else exact name (nodes: hostname), else id prefix */
  get<K extends ControlKind>(kind: K, ref: string, signal?: AbortSignal): Promise<ControlObjects[K]>
  list<K extends ControlKind>(kind: K, filters: Filters, signal?: AbortSignal): Promise<readonly ControlObjects[K][]>
  create<K extends CreatableKind>(kind: K, spec: ControlSpecs[K], signal?: AbortSignal): Promise<Written<ControlObjects[K]>>
  update<K extends keyof ControlSpecs>(call: UpdateCall<K>, signal?: AbortSignal): Promise<Written<ControlObjects[K]>>
  remove(kind: ControlKind, id: string, options?: { readonly force?: boolean }, signal?: AbortSignal): Promise<void>
  serviceStatuses(serviceIds: readonly string[], signal?: AbortSignal): Promise<readonly ServiceStatus[]>
  /**
   * Changes of the cluster's objects, of one version at a time; the first value tells where it begins, from now on or after `resume`.
   * @throws ShoalError `lagged` (resource-exhausted) when not all changes after `resume` are known any more
   */
  watch(resume: WatchPosition | undefined, signal: AbortSignal): AsyncIterable<WatchedChanges>
  subscribeLogs(request: SubscribeLogsRequest, signal: AbortSignal): AsyncIterable<SubscribeLogsMessage>
}
