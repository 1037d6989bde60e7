import { validateClusterSpec } from '../api/swarm/validate-cluster-spec.ts'
import { ShoalError } from '../base/errors.ts'
import type { SwarmBackend } from '../http/routes/swarm.ts'
import type { SwarmNode } from './swarm-node.ts'
import { tlsInfoOf } from './tls-info.ts'

/** This host's membership as the API's routes want it. */
export function createSwarmBackend(node: SwarmNode): SwarmBackend {
  return {
    init: async request => {
      if (request.spec.autoLockManagers) throw new ShoalError('not-implemented', 'autolock', 'autolock is not supported yet: start the cluster without --autolock')
      validateClusterSpec(request.spec)
      return node.init({
        listenAddress: request.listenAddr, advertiseAddress: request.advertiseAddr, dataPathAddress: request.dataPathAddr, dataPathPort: request.dataPathPort, spec: request.spec,
        addressPool: request.addressPool, subnetSize: request.subnetSize, availability: request.availability, forceNewCluster: request.forceNewCluster,
      })
    },
    join: async request => node.join({
      remoteAddresses: request.remoteAddrs, token: request.joinToken, listenAddress: request.listenAddr, advertiseAddress: request.advertiseAddr, dataPathAddress: request.dataPathAddr, availability: request.availability,
    }),
    leave: async force => node.leave({ force }),
    unlock: async () => { throw new ShoalError('conflict', 'not-locked', 'swarm is not locked') },
    tlsInfo: async () => tlsInfoOf(node.rootPem),
  }
}
