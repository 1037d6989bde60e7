import { CONTROL_RPC } from '../api/codec/methods.ts'
import type { SystemInfo } from '../api/engine/engine-json.ts'
import type { StoreObject } from '../api/swarm/objects.ts'
import type { SwarmNode } from './swarm-node.ts'

type SwarmInfo = NonNullable<SystemInfo['Swarm']>

/** What this host knows of its place in the swarm without asking anyone. */
export function localSwarmInfo(swarm: SwarmNode): SwarmInfo {
  const state = swarm.state
  const host = state?.advertiseAddress.replace(/:\d+$/, '') ?? ''
  return {
    NodeID: state?.nodeId ?? '', NodeAddr: host, LocalNodeState: swarm.localState, ControlAvailable: state?.role === 'manager', Error: swarm.error,
    RemoteManagers: state === undefined ? null : state.managers.map(({ nodeId, addr }) => ({ NodeID: nodeId, Addr: addr })),
  }
}

/** With the counts and the cluster, where this host's manager answers. */
export async function wholeSwarmInfo(swarm: SwarmNode, clusterJson: (object: StoreObject) => SwarmInfo['Cluster']): Promise<SwarmInfo> {
  const local = localSwarmInfo(swarm)
  if (local.ControlAvailable !== true || (await swarm.managerStatus())?.hasLeader !== true) return local
  const client = swarm.manager()
  const [nodes, clusters] = await Promise.all([client.unary(CONTROL_RPC.list, { kind: 'node', filters: {} }), client.unary(CONTROL_RPC.list, { kind: 'cluster', filters: {} })])
  const cluster = clusters.objects[0]
  return { ...local, Nodes: nodes.objects.length, Managers: nodes.objects.filter(({ node }) => node?.role === 'manager').length, ...(cluster === undefined ? {} : { Cluster: clusterJson(cluster) }) }
}

/** An even number of managers tolerates no more failures than one fewer. */
export function managerWarnings(swarm: SwarmNode, info: SwarmInfo): readonly string[] {
  if (swarm.localState !== 'active' || info.Managers !== 2) return []
  return ['WARNING: Running Swarm in a two-manager configuration. This configuration provides no fault tolerance, and poses a high risk to lose control over the cluster. Refer to https://docs.docker.com/engine/swarm/admin_guide/ to configure the Swarm for fault-tolerance.']
}
