import { RaftInvariantError } from 'raft-ts/invariant'
import { ShoalError } from '../../src/base/errors.ts'

/** Said to, and by, a member of another fork of the cluster. */
export const OTHER_FORK_MESSAGE = 'the cluster was started anew from one manager (docker swarm init --force-new-cluster) while this one was away: what this one knows counts no more'
const BROKEN_MESSAGE = 'consensus found its state impossible, so this manager stopped before it could do harm; restart it, and if it stops again remove it and let it join anew'
const MESSAGES = { 'disposed': 'this manager is stopping', 'removed': 'this manager was removed from the cluster', 'other-fork': OTHER_FORK_MESSAGE } as const

/** Why a node does not take part any more. */
export type RaftStop =
  | { readonly kind: 'disposed' }
  /** It was removed from the cluster: its log is worthless. */
  | { readonly kind: 'removed' }
  /** The cluster was started anew from another manager: what this log holds beyond that manager's is nowhere else. */
  | { readonly kind: 'other-fork' }
  | { readonly kind: 'failed'; readonly error: unknown }

/** What whoever still asks the node is told: `raft-stopped` (unavailable), or what it failed with. */
export function errorOfStop(stop: RaftStop): unknown { return stop.kind === 'failed' ? stop.error : new ShoalError('unavailable', 'raft-stopped', MESSAGES[stop.kind]) }

/** How it stops after an error of its own: `raft-invariant` (internal) where the core found its state impossible. */
export function failedStop(cause: unknown): RaftStop {
  const error = cause instanceof RaftInvariantError ? new ShoalError('internal', 'raft-invariant', `${BROKEN_MESSAGE}: ${cause.message}`, { cause }) : cause
  return { kind: 'failed', error }
}
