import type { Cluster, Config, Network, Node, Secret, Service, Task } from '../../src/api/swarm/objects.ts'
import type { Cancellation } from '../../src/base/abort.ts'

/** The kinds of object the store holds. Names are unique per kind in lower case (services, networks, secrets, configs). */
export interface ObjectTypes {
  readonly node: Node
  readonly service: Service
  readonly task: Task
  readonly network: Network
  readonly secret: Secret
  readonly config: Config
  readonly cluster: Cluster
}
export type ObjectKind = keyof ObjectTypes

/** An immutable picture of everything at one version. Cheap to take and to keep. */
export interface StoreView {
  /** Raft index of the last applied entry. */
  readonly version: number
  get<K extends ObjectKind>(kind: K, id: string): ObjectTypes[K] | undefined
  /** In order of id. */
  list<K extends ObjectKind>(kind: K): readonly ObjectTypes[K][]
  /** Exact name, compared in lower case. Nodes: hostname, first in order of id. */
  findByName<K extends ObjectKind>(kind: K, name: string): ObjectTypes[K] | undefined
  tasksOfService(serviceId: string): readonly Task[]
  tasksOfNode(nodeId: string): readonly Task[]
  /** The one cluster object; absent only before bootstrap. */
  cluster(): Cluster | undefined
}

/** One change to the store, as data. For update, object.meta.version is the version it was read at; for remove, only kind and id count. */
export type StoreWrite = { readonly [K in ObjectKind]:
  | { readonly action: 'create' | 'update'; readonly kind: K; readonly object: ObjectTypes[K] }
  | { readonly action: 'remove'; readonly kind: K; readonly id: string }
}[ObjectKind]

/** A view that is being changed. Reads see the transaction's own writes. */
export interface StoreTx extends StoreView {
  /** @throws ShoalError `exists` (already-exists) on a taken id, `name-conflict` (already-exists) on a taken name */
  create<K extends ObjectKind>(kind: K, object: ObjectTypes[K]): void
  /** @throws ShoalError `out-of-sequence` (unknown: "update out of sequence") when meta.version is not the stored one; `no-such-object` (not-found); `name-conflict` */
  update<K extends ObjectKind>(kind: K, object: ObjectTypes[K]): void
  /** @throws ShoalError `no-such-object` (not-found) */
  remove(kind: ObjectKind, id: string): void
  /**
   * Makes these writes the answer to a client's request: it is remembered with them, so that a repeat of the request, also at another leader, finds it.
   * @param requestId '' for a request that has no id
   * @param result id of the object it is answered with; without blanks
   * @returns the result of the request if it was answered before: then nothing may be changed; otherwise undefined
   */
  claim(requestId: string, result: string): string | undefined
}

/** One applied change. */
export type StoreChange = { readonly [K in ObjectKind]:
  { readonly kind: K; readonly action: 'create' | 'update' | 'remove'; readonly object: ObjectTypes[K]; readonly old?: ObjectTypes[K] }
}[ObjectKind]

/** What one log entry changed, with the view right after it. A restore from a snapshot comes as `changes: 'all'`. */
export interface StoreCommit { readonly view: StoreView; readonly changes: readonly StoreChange[] | 'all' }

/** What one log entry changed. atMs: the proposer's time. The same on every manager. */
export interface StoreChanges { readonly version: number; readonly atMs: number; readonly changes: readonly StoreChange[] }

/** The replicated store as every manager component sees it. */
export interface ObjectStore {
  view(): StoreView
  /**
   * Runs `change` on the newest state and commits what it wrote through consensus: all of it or nothing. Resolves after it is applied here.
   * Updates are serialised (grouped into one log entry where possible), so `change` may run later than the call, and must be pure: it can run twice.
   * @returns what `change` returned. Nothing written: no log entry, resolves at once.
   * @throws what `change` throws; ShoalError `no-leader` / `not-leader` (unavailable), `proposal-lost` (unavailable: outcome unknown)
   */
  update<T>(change: (tx: StoreTx) => T, signal?: Cancellation): Promise<T>
  /** Commits from now on, in order. A slow reader gets `lagged` (resource-exhausted) and starts again from view(). */
  watch(signal: AbortSignal): AsyncIterable<StoreCommit>
  /**
   * What changed after `version`, in order and without a gap: first what is held of it, then as it comes. Versions mean the same on every manager of a cluster.
   * @throws ShoalError `lagged` (resource-exhausted) when not all of it is held (any more): list, and watch from the version of that view
   */
  watchAfter(version: number, signal: AbortSignal): AsyncIterable<StoreChanges>
}
