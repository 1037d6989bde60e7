import type { NodeDescription, Node, NodeState, NodeStatus } from '../../src/api/swarm/objects.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { StoreTx } from '../store/object-store.ts'

/** Registrations of one node within the window before it is told to slow down (P04). */
const REGISTRATIONS_MAX = 3
const WINDOW_MS = 8_000

/** Writes what an agent says of its node, and that it is ready. @throws ShoalError `node-not-registered` (not-found) */
export function registerNode(tx: StoreTx, nodeId: string, facts: { readonly description: NodeDescription | undefined; readonly addr: string }): void {
  const node = tx.get('node', nodeId)
  if (node === undefined) throw nodeNotRegistered(nodeId)
  const description = facts.description ?? node.description
  tx.update('node', { ...withState(node, { state: 'ready', message: '', addr: facts.addr }, 0), expectedUntilMs: 0, ...description === undefined ? {} : { description } })
}

/** The node with another status; the times since when it is down or unknown follow. */
export function withState(node: Node, status: NodeStatus, nowMs: number): Node {
  return { ...node, status, downSinceMs: since('down', status, nowMs), unknownSinceMs: since('unknown', status, nowMs) }
}

/** `node-not-registered` (not-found): the agent has to register (again). */
export function nodeNotRegistered(nodeId: string): ShoalError {
  return new ShoalError('not-found', 'node-not-registered', `node not registered: ${nodeId}; register again, or join the swarm again when the node was removed`)
}

/** Remembers the recent registrations of each node, so that an agent in a loop cannot flood the log. */
export class RegistrationLimiter {
  readonly #times = new Map<string, readonly number[]>()

  /** @throws ShoalError `too-many-registrations` (unavailable) */
  admit(nodeId: string, nowMs: number): void {
    const recent = (this.#times.get(nodeId) ?? []).filter(timeMs => timeMs > nowMs - WINDOW_MS)
    if (recent.length >= REGISTRATIONS_MAX) {
      throw new ShoalError('unavailable', 'too-many-registrations', `node ${nodeId} registered ${recent.length} times within ${WINDOW_MS / 1000} s; wait and try again`)
    }
    this.#times.set(nodeId, [...recent, nowMs])
  }
}

function since(state: NodeState, status: NodeStatus, nowMs: number): number {
  return status.state === state ? nowMs : 0
}
