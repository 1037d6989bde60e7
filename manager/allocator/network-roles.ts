import type { Network, Service } from '../../src/api/swarm/objects.ts'
import type { NetworkAttachmentConfig, ServiceSpec } from '../../src/api/swarm/specs.ts'

/** Node-local networks every host has; a service names them by these words instead of by an id (D-130). */
const PREDEFINED = new Set(['host', 'bridge', 'none'])

export function isPredefinedNetwork(target: string): boolean {
  return PREDEFINED.has(target)
}

/** Addresses of the network are given out by the allocator: an overlay with its subnet in force. */
export function isAddressed(network: Network | undefined): network is Network {
  return network?.state?.ipam !== undefined && network.state.ipam.configs.length > 0
}

/** The networks a service asks for; the old place, ServiceSpec.networks, counts only when the current one is empty. */
export function networksOf(spec: ServiceSpec | undefined): readonly NetworkAttachmentConfig[] {
  const current = spec?.task?.networks ?? []
  return current.length > 0 ? current : spec?.networks ?? []
}

/** The service publishes a port on every node of the cluster. */
export function publishesIngressPorts(service: Service): boolean {
  return service.spec?.endpoint?.ports.some(port => port.publishMode === 'ingress') ?? false
}
