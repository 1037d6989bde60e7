import type { Task } from '../../src/api/swarm/objects.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { NetworkTables } from './network-tables.ts'

/** Node-local networks, which are always there. */
const PREDEFINED = /^(host|bridge|none)$/

/** @throws ShoalError `dependency-missing` (unavailable: try again) until the kernel has every network of the task */
export function checkNetworks(task: Task, networks: Pick<NetworkTables, 'isReady' | 'failureOf'>): void {
  for (const { networkId } of task.networks) {
    if (PREDEFINED.test(networkId) || networks.isReady(networkId)) continue
    throw new ShoalError('unavailable', 'dependency-missing', `network ${networkId} is not ready on this node: ${networks.failureOf(networkId) ?? 'its table has not arrived yet'}`)
  }
}
