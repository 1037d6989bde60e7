import type { ManagerStatusResponse } from '../api/swarm/control.ts'
import { CONTROL_RPC } from '../api/codec/methods.ts'
import type { SystemInfo } from '../api/engine/engine-json.ts'
import type { StoreObject } from '../api/swarm/objects.ts'
import { ShoalError } from '../base/errors.ts'
import type { RpcClient } from '../base/rpc.ts'
import type { SwarmNode } from './swarm-node.ts'

type SwarmInfo = NonNullable<SystemInfo['Swarm']>

/** Info must not wait for an election: what is not known by then is left out. */
const ANSWER_TIMEOUT_MS = 2_000
/** A cluster that was without a leader for less is electing one, and says nothing of it. */
const LEADERLESS_WARNING_MS = 5_000
const TWO_MANAGERS = 'WARNING: Running Swarm in a two-manager configuration. This configuration provides no fault tolerance, and poses a high risk to lose control over the cluster. Refer to https://docs.docker.com/engine/swarm/admin_guide/ to configure the Swarm for fault-tolerance.'

/** The Swarm part of info, and what an operator should hear of it. */
export interface WholeSwarmInfo { readonly info: SwarmInfo; readonly warnings: readonly string[] }

/** What this host knows of its place in the swarm without asking anyone. */
export function localSwarmInfo(swarm: SwarmNode): SwarmInfo {
  const state = swarm.state
  const host = swarm.advertiseAddress.replace(/:\d+$/, '')
  return {
    NodeID: state?.nodeId ?? '', NodeAddr: host, LocalNodeState: swarm.localState, ControlAvailable: state?.role === 'manager', Error: swarm.error,
    RemoteManagers: state === undefined ? null : state.managers.map(({ nodeId, addr }) => ({ NodeID: nodeId, Addr: addr })),
  }
}

/** With the counts and the cluster, where this host's manager answers: from the leader, or without one from its own state. */
export async function wholeSwarmInfo(swarm: SwarmNode, clusterJson: (object: StoreObject) => SwarmInfo['Cluster']): Promise<WholeSwarmInfo> {
  const local = localSwarmInfo(swarm)
  if (local.ControlAvailable !== true) return { info: local, warnings: [] }
  const status = await swarm.managerStatus()
  if (status === undefined) return { info: local, warnings: failureWarnings(swarm.error) }
  const info = await withCluster({ ...local, Error: local.Error || status.error || status.refusal }, swarm.manager(), clusterJson)
  return { info, warnings: [...leaderWarnings(status), ...countWarnings(info.Managers ?? 0)] }
}

async function withCluster(local: SwarmInfo, client: RpcClient, clusterJson: (object: StoreObject) => SwarmInfo['Cluster']): Promise<SwarmInfo> {
  const options = { timeoutMs: ANSWER_TIMEOUT_MS }
  try {
    const [nodes, clusters] = await Promise.all([client.unary(CONTROL_RPC.list, { kind: 'node', filters: {} }, options), client.unary(CONTROL_RPC.list, { kind: 'cluster', filters: {} }, options)])
    const cluster = clusters.objects[0]
    return { ...local, Nodes: nodes.objects.length, Managers: nodes.objects.filter(({ node }) => node?.role === 'manager').length, ...(cluster === undefined ? {} : { Cluster: clusterJson(cluster) }) }
  } catch (error) {
    // No leader for now, and no state to answer from.
    if (error instanceof ShoalError) return local
    throw error
  }
}

/** An even number survives no more failures than one less, and needs one more manager for a quorum. For two the words are dockerd's. */
export function countWarnings(managers: number): readonly string[] {
  if (managers === 2) return [TWO_MANAGERS]
  if (managers === 0 || managers % 2 === 1) return []
  return [`WARNING: Running Swarm with ${managers} managers, an even number. It tolerates the loss of ${managers / 2 - 1}, as ${managers - 1} do, and is more likely to lose that many. Promote another node (docker node promote) or demote one (docker node demote).`]
}

function failureWarnings(failure: string): readonly string[] {
  return failure === '' ? [] : [`WARNING: The manager of this host does not run: ${failure}. Nothing that it acknowledged is lost, tasks go on running, and it is started again by itself every few seconds.`]
}

function leaderWarnings({ hasLeader, leaderlessMs, leaderlessReason }: ManagerStatusResponse): readonly string[] {
  if (hasLeader || leaderlessMs < LEADERLESS_WARNING_MS) return []
  return [`WARNING: The swarm has had no leader for ${Math.round(leaderlessMs / 1000)} s, as this manager sees it: nothing can be changed, and what is shown is as old. ${leaderlessReason}`
    + ' Tasks go on running. Bring the missing managers back; if their addresses changed, see shoal swarm announce; if they are lost for good, shoal swarm recover.']
}
