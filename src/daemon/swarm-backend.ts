import { validateClusterSpec } from '../api/swarm/validate-cluster-spec.ts'
import type { SwarmBackend } from '../http/routes/swarm.ts'
import { withRaftTicks, type RaftTickSettings } from './raft-ticks.ts'
import type { SwarmNode } from './swarm-node.ts'
import { tlsInfoOf } from './tls-info.ts'

/** This host's membership as the API's routes want it. */
export function createSwarmBackend(node: SwarmNode, settings: RaftTickSettings): SwarmBackend {
  return {
    init: async request => {
      const spec = withRaftTicks(request.spec, settings)
      validateClusterSpec(spec)
      return node.init({
        listenAddress: request.listenAddr, advertiseAddress: request.advertiseAddr, dataPathAddress: request.dataPathAddr, dataPathPort: request.dataPathPort, spec,
        addressPool: request.addressPool, subnetSize: request.subnetSize, availability: request.availability, forceNewCluster: request.forceNewCluster,
      })
    },
    join: async request => node.join({
      remoteAddresses: request.remoteAddrs, token: request.joinToken, listenAddress: request.listenAddr, advertiseAddress: request.advertiseAddr, dataPathAddress: request.dataPathAddr, availability: request.availability,
    }),
    leave: async force => node.leave({ force }),
    unlock: async key => node.unlock(key),
    tlsInfo: async () => tlsInfoOf(node.rootPem),
  }
}
