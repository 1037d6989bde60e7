import { make } from '../src/api/codec/codec.ts'
import type { AttachNetworkRequest, AttachNetworkResponse, FindNetworkRequest, FindNetworkResponse } from '../src/api/swarm/dispatcher.ts'
import type { Network, Task } from '../src/api/swarm/objects.ts'
import { isTerminal, stateOf } from '../src/api/swarm/task-state.ts'
import type { Clock } from '../src/base/clock.ts'
import { ShoalError } from '../src/base/errors.ts'
import { createId } from '../src/base/ids.ts'
import type { Logger } from '../src/base/logger.ts'
import type { Random } from '../src/base/random.ts'
import type { RpcContext } from '../src/base/rpc.ts'
import { findObject } from './control/find-object.ts'
import type { ObjectStore, StoreCommit, StoreTx, StoreView } from './store/object-store.ts'

/** The allocator needs milliseconds; only a full network takes longer. Below the 20 s after which callers give up (A18). */
const ALLOCATION_TIMEOUT_MS = 15_000

/**
 * Puts containers that no service made on the cluster's networks: each gets a task of its own, bound to its node, whose address the
 * allocator gives. The task ends with the node's report that the container has left, and is reaped then (D-155).
 */
export class NetworkAttacher {
  readonly #parts: { readonly store: ObjectStore; readonly clock: Clock; readonly random: Random; readonly logger: Logger }

  constructor(parts: { readonly store: ObjectStore; readonly clock: Clock; readonly random: Random; readonly logger: Logger }) { this.#parts = parts }

  /** @throws ShoalError `object-not-found` (not-found), `network-not-attachable` (permission-denied) */
  find(request: FindNetworkRequest): FindNetworkResponse {
    return { networkId: findAttachable(this.#parts.store.view(), request.networkRef).id }
  }

  /**
   * Resolves when the address is given. An attachment that the same container had to the network is replaced.
   * @throws ShoalError as find(), `attachment-address-taken` (failed-precondition), `attachment-not-allocated` (deadline-exceeded)
   */
  async attach(request: AttachNetworkRequest, context: RpcContext): Promise<AttachNetworkResponse> {
    const { identity } = context
    if (identity === undefined) throw new ShoalError('unauthenticated', 'no-certificate', 'this call needs a certificate of the cluster')
    const { store, clock, random } = this.#parts
    const taskId = createId(random)
    const end = new AbortController()
    const timer = clock.after(ALLOCATION_TIMEOUT_MS, () => {
      end.abort(new ShoalError('deadline-exceeded', 'attachment-not-allocated', 'the network has no free address; remove containers from it, or make a larger one'))
    })
    // Watches before it writes: a refused task is reaped soon after.
    const commits = store.watch(AbortSignal.any([context.signal, end.signal]))
    try {
      const network = await store.update(tx => createAttachment(tx, { ...request, nodeId: identity.nodeId, taskId, nowMs: clock.nowMs() }), context.signal)
      const task = await untilAllocated(commits, taskId)
      if (isTerminal(stateOf(task))) throw new ShoalError('failed-precondition', 'attachment-address-taken', `${task.status?.err ?? ''}: ${request.address} on network ${request.networkRef}`)
      return { attachmentId: taskId, networkId: network.id, address: task.networks[0]?.addresses[0] ?? '' }
    } catch (error) {
      await this.#forget(taskId)
      throw error
    } finally {
      timer.cancel()
      end.abort(new Error('done'))
    }
  }

  /** Best effort: what is left is assigned to its node at last, which says that it has no such container. */
  async #forget(taskId: string): Promise<void> {
    try {
      await this.#parts.store.update(tx => { if (tx.get('task', taskId) !== undefined) tx.remove('task', taskId) })
    } catch (err) {
      this.#parts.logger.info('an attachment is left for its node to end', { taskId, err })
    }
  }
}

/** The task as it is when the allocator has decided on it. */
async function untilAllocated(commits: AsyncIterable<StoreCommit>, taskId: string): Promise<Task> {
  let isThere = false
  for await (const { view } of commits) {
    const task = view.get('task', taskId)
    if (task !== undefined && stateOf(task) !== 'new') return task
    if (task === undefined && isThere) break
    isThere = task !== undefined
  }
  throw new ShoalError('unavailable', 'attachment-gone', 'the attachment was removed while it was made; try again')
}

function findAttachable(view: StoreView, ref: string): Network {
  const network = findObject(view, 'network', ref)
  if (network.spec?.attachable !== true) throw new ShoalError('permission-denied', 'network-not-attachable', `network ${network.spec?.annotations?.name ?? ref} not manually attachable`)
  return network
}

function createAttachment(tx: StoreTx, request: AttachNetworkRequest & { readonly nodeId: string; readonly taskId: string; readonly nowMs: number }): Network {
  const { containerId, nodeId, taskId, nowMs, address, names } = request
  const network = findAttachable(tx, request.networkRef)
  for (const old of tx.tasksOfNode(nodeId)) {
    if (old.spec?.attachment?.containerId === containerId && old.spec.networks.some(config => config.target === network.id)) tx.remove('task', old.id)
  }
  tx.create('task', make('Task', {
    id: taskId, nodeId, desiredState: 'running', status: { state: 'new', message: 'created', timestampMs: nowMs, appliedAtMs: nowMs },
    spec: { attachment: { containerId, names }, networks: [{ target: network.id, addresses: address === '' ? [] : [address] }] },
  }))
  return network
}
