import { CONTROL_RPC } from '../api/codec/methods.ts'
import { ShoalError } from '../base/errors.ts'
import type { ManagerProcess } from './manager-process.ts'

const START = 'You are attempting to leave the swarm on a node that is participating as a manager. '
const END = 'The only way to restore a swarm that has lost consensus is to reinitialize it with `--force-new-cluster`. Use `--force` to suppress this message.'
const COUNT_TIMEOUT_MS = 2000

/** Why a manager should not just leave, with the numbers of now: 503 with dockerd's texts. */
export async function leaveRefusal(manager: ManagerProcess): Promise<ShoalError> {
  return new ShoalError('unavailable', 'manager-leave-refused', START + consequence(await countManagers(manager)))
}

interface ManagerCount { readonly reachable: number; readonly unreachable: number }

function consequence(count: ManagerCount | undefined): string {
  if (count === undefined) return `Doing so may lose the consensus of your cluster. ${END}`
  const { reachable, unreachable } = count
  if (reachable - 2 > unreachable) return END
  if (reachable === 1 && unreachable === 0) return 'Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message. '
  return `Removing this node leaves ${reachable - 1} managers out of ${reachable + unreachable}. Without a Raft quorum your swarm will be inaccessible. ${END}`
}

/** As the leader sees them; undefined when there is none. */
async function countManagers(manager: ManagerProcess): Promise<ManagerCount | undefined> {
  if ((await manager.status())?.hasLeader !== true) return undefined
  try {
    const { objects } = await manager.client.unary(CONTROL_RPC.list, { kind: 'node', filters: {} }, { timeoutMs: COUNT_TIMEOUT_MS })
    const states = objects.flatMap(({ node }) => node?.managerStatus?.reachability ?? [])
    const reachable = states.filter(state => state === 'reachable').length
    return { reachable, unreachable: states.length - reachable }
  } catch (error) {
    if (error instanceof ShoalError) return undefined
    throw error
  }
}
