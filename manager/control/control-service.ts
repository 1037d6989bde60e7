import type {
  CreateObjectRequest, CreateObjectResponse, GetObjectRequest, GetObjectResponse, ListObjectsRequest, ListObjectsResponse, ListServiceStatusesRequest,
  ListServiceStatusesResponse, RemoveObjectRequest, RemoveObjectResponse, UpdateObjectRequest, UpdateObjectResponse, WatchMessage, WatchRequest,
} from '../../src/api/swarm/control.ts'
import type { ManagerStatus, StoreObject } from '../../src/api/swarm/objects.ts'
import { invalidSpec } from '../../src/api/swarm/validate-annotations.ts'
import type { Cancellation } from '../../src/base/abort.ts'
import type { Clock } from '../../src/base/clock.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { createId } from '../../src/base/ids.ts'
import type { Random } from '../../src/base/random.ts'
import type { ObjectKind, ObjectStore, StoreTx } from '../store/object-store.ts'
import { createConfig, createSecret, removeConfig, removeSecret, updateConfig, updateSecret } from './blob-commands.ts'
import { updateCluster, type ClusterSecrets } from './cluster-commands.ts'
import { filterObjects } from './filter-objects.ts'
import { findObject } from './find-object.ts'
import { createNetwork, removeNetwork } from './network-commands.ts'
import { removeNode, updateNode, type ManagerMembership } from './node-commands.ts'
import { redactObject } from './redact-object.ts'
import { createService, removeService, updateService } from './service-commands.ts'
import { serviceStatusOf } from './service-statuses.ts'
import { watchObjects } from './watch-objects.ts'

/** What control asks consensus for. */
export interface ControlMembership extends ManagerMembership {
  /** Undefined for a node that is no member. */
  managerStatus(nodeId: string): ManagerStatus | undefined
}

/** What ControlService works with. */
export interface ControlComponents {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly membership: ControlMembership
  readonly secrets: ClusterSecrets
}

/**
 * The Control service of proto/control.proto on the leader. Reads come from the applied state, writes are durable on a majority when they return.
 * Nothing secret is in any answer (see redactObject). Errors carry the kind Docker shows; `out-of-sequence` is of kind unknown (F06).
 */
export class ControlService {
  readonly #deps: ControlComponents

  constructor(components: ControlComponents) { this.#deps = components }

  get(request: GetObjectRequest): Pick<GetObjectResponse, 'object'> {
    const view = this.#deps.store.view()
    return { object: this.#shown(request.kind, findObject(view, request.kind, request.ref)) }
  }

  list(request: ListObjectsRequest): Pick<ListObjectsResponse, 'objects'> {
    const { kind, filters } = request
    return { objects: filterObjects(this.#deps.store.view(), kind, filters).map(object => this.#shown(kind, object)) }
  }

  async create(request: CreateObjectRequest, signal: Cancellation): Promise<CreateObjectResponse> {
    const { store, clock, random } = this.#deps
    const newId = createId(random)
    const nowMs = clock.nowMs()
    const spec = request.spec ?? {}
    const { kind, id } = await store.update(tx => {
      const made = tx.claim(request.requestId ?? '', newId)
      if (made !== undefined) return { kind: kindOf(spec), id: made }
      const id = newId
      if (spec.service !== undefined) createService(tx, id, spec.service, nowMs)
      else if (spec.network !== undefined) createNetwork(tx, id, spec.network)
      else if (spec.secret !== undefined) createSecret(tx, id, spec.secret)
      else if (spec.config !== undefined) createConfig(tx, id, spec.config)
      else throw invalidSpec('the request has no spec of a service, network, secret or config')
      return { kind: kindOf(spec), id }
    }, signal)
    return { object: this.#stored(kind, id), warnings: [] }
  }

  async update(request: UpdateObjectRequest, signal: Cancellation): Promise<UpdateObjectResponse> {
    const { store, clock, membership, secrets } = this.#deps
    const nowMs = clock.nowMs()
    await store.update(tx => {
      if (tx.claim(request.requestId ?? '', request.id) !== undefined) return
      switch (request.kind) {
        case 'service': return updateService(tx, request, nowMs)
        case 'node': return updateNode(tx, request, membership)
        case 'secret': return updateSecret(tx, request)
        case 'config': return updateConfig(tx, request)
        case 'cluster': return updateCluster(tx, request, secrets)
        default: throw new ShoalError('not-implemented', 'not-supported', `a ${request.kind} can not be updated`)
      }
    }, signal)
    return { object: this.#stored(request.kind, request.id), warnings: [] }
  }

  async remove(request: RemoveObjectRequest, signal: Cancellation): Promise<RemoveObjectResponse> {
    const { store, clock, membership } = this.#deps
    const { ref, force } = request
    const nowMs = clock.nowMs()
    await store.update(tx => {
      if (tx.claim(request.requestId ?? '', 'removed') === undefined) removeOne(tx, request.kind, () => removeNode(tx, { ref, force, nowMs }, membership), ref)
    }, signal)
    return {}
  }

  listServiceStatuses(request: ListServiceStatusesRequest): Pick<ListServiceStatusesResponse, 'statuses'> {
    const view = this.#deps.store.view()
    return { statuses: request.serviceIds.map(id => serviceStatusOf(view, id)) }
  }

  watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchMessage> {
    return watchObjects(this.#deps.store, request, signal)
  }

  #stored(kind: ObjectKind, id: string): StoreObject {
    return this.#shown(kind, findObject(this.#deps.store.view(), kind, id))
  }

  /** Nodes are shown with what consensus knows of them (N12); it is not stored. */
  #shown<K extends ObjectKind>(kind: K, object: Parameters<typeof redactObject<K>>[1]): StoreObject {
    const shown = redactObject(kind, object)
    const managerStatus = shown.node === undefined ? undefined : this.#deps.membership.managerStatus(shown.node.id)
    return shown.node === undefined || managerStatus === undefined ? shown : { node: { ...shown.node, managerStatus } }
  }
}

function kindOf(spec: NonNullable<CreateObjectRequest['spec']>): ObjectKind {
  if (spec.service !== undefined) return 'service'
  if (spec.network !== undefined) return 'network'
  return spec.secret !== undefined ? 'secret' : 'config'
}

function removeOne(tx: StoreTx, kind: ObjectKind, removeTheNode: () => void, ref: string): void {
  switch (kind) {
    case 'service': return removeService(tx, ref)
    case 'network': return removeNetwork(tx, ref)
    case 'secret': return removeSecret(tx, ref)
    case 'config': return removeConfig(tx, ref)
    case 'node': return removeTheNode()
    case 'task': return tx.remove('task', findObject(tx, 'task', ref).id)
    case 'cluster': throw new ShoalError('failed-precondition', 'cluster-permanent', 'the cluster object can not be removed; leave the swarm on its last manager instead')
  }
}
