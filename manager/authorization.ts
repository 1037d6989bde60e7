import { CallerContext } from '../src/base/caller-context.ts'
import { ShoalError } from '../src/base/errors.ts'
import { addressOf, cancellationOf, type RpcContext, type RpcIdentity } from '../src/base/rpc.ts'
import type { RpcPolicy } from './rpc-policy.ts'

const FORWARDED = 'x-shoal-forwarded'
const NODE_ID = 'x-shoal-forwarded-node-id'
const ROLE = 'x-shoal-forwarded-role'
const CLUSTER_ID = 'x-shoal-forwarded-cluster-id'
const ADDRESS = 'x-shoal-forwarded-address'

/** This manager, as callers over its own Unix socket count. */
export interface LocalIdentity { readonly nodeId: string; readonly clusterId: string }

/**
 * The context with the caller the call is really from: over the Unix socket this node itself, behind a forwarding manager the original one.
 * Forwarded identities are believed only from managers of this cluster. @throws ShoalError `forwarding-refused` (permission-denied)
 */
export function effectiveContext(context: RpcContext, local: LocalIdentity): RpcContext {
  if (context.isLocal) return withCaller(context, { nodeId: local.nodeId, clusterId: local.clusterId, role: 'manager' }, context.remoteAddress)
  if (!isForwarded(context)) return context
  if (context.identity?.role !== 'manager' || context.identity.clusterId !== local.clusterId) {
    throw new ShoalError('permission-denied', 'forwarding-refused', 'only managers of this cluster may forward calls of others')
  }
  const { metadata } = context
  const nodeId = metadata[NODE_ID] ?? ''
  const identity: RpcIdentity = { nodeId, role: metadata[ROLE] === 'manager' ? 'manager' : 'worker', clusterId: metadata[CLUSTER_ID] ?? '' }
  return withCaller(context, nodeId === '' ? undefined : identity, metadata[ADDRESS] ?? '')
}

function withCaller(context: RpcContext, identity: RpcIdentity | undefined, remoteAddress: string): RpcContext {
  const { isLocal, metadata } = context
  return new CallerContext({ identity, remoteAddress, isLocal, metadata }, cancellationOf(context), context)
}

/** True when another manager passed the call on. */
export function isForwarded(context: RpcContext): boolean { return context.metadata[FORWARDED] === '1' }

/** Metadata that tells the leader who calls. @param localAddress that of this host, for callers on it */
export function forwardingMetadata(caller: RpcContext, localAddress: string): Readonly<Record<string, string>> {
  const address = addressOf(caller, localAddress)
  const { identity } = caller
  if (identity === undefined) return { [FORWARDED]: '1', [ADDRESS]: address }
  return { [FORWARDED]: '1', [ADDRESS]: address, [NODE_ID]: identity.nodeId, [ROLE]: identity.role, [CLUSTER_ID]: identity.clusterId }
}

/**
 * Refuses a caller whom the policy does not admit.
 * @param isRemoved the node was removed from the cluster: its certificate is worth nothing (X10)
 * @throws ShoalError `no-certificate` (unauthenticated), `wrong-cluster`, `node-removed`, `not-allowed` (permission-denied)
 */
export function authorize(context: RpcContext, policy: RpcPolicy, cluster: { readonly clusterId: string; readonly isRemoved: (nodeId: string) => boolean }): void {
  const { identity } = context
  if (identity === undefined) {
    if (policy.callers === 'anyone') return
    throw new ShoalError('unauthenticated', 'no-certificate', 'this call needs a certificate of the cluster')
  }
  if (identity.clusterId !== cluster.clusterId) {
    throw new ShoalError('permission-denied', 'wrong-cluster', `node ${identity.nodeId} belongs to cluster ${identity.clusterId}, not to ${cluster.clusterId}`)
  }
  if (cluster.isRemoved(identity.nodeId)) {
    throw new ShoalError('permission-denied', 'node-removed', `node ${identity.nodeId} was removed from the swarm (docker node rm): to use that host again, run docker swarm leave --force there and join anew`)
  }
  const isAllowed = policy.callers === 'local' ? context.isLocal : policy.callers !== 'manager' || identity.role === 'manager'
  if (!isAllowed) throw new ShoalError('permission-denied', 'not-allowed', `node ${identity.nodeId} (${identity.role}) is not allowed to call this; it is for ${policy.callers === 'local' ? 'the host itself' : 'managers'}`)
}
