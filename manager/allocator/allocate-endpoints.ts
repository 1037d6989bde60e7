import { isDeepStrictEqual } from 'node:util'
import type { Endpoint, Service, VirtualIp } from '../../src/api/swarm/objects.ts'
import type { Allocation } from './allocation.ts'
import { isAddressed, isPredefinedNetwork, networksOf, publishesIngressPorts } from './network-roles.ts'
import { PortSpace } from './port-space.ts'

/** Gives services their published ports and one virtual IP per network; a service that cannot be served now keeps what it has (L03, L06). */
export function allocateEndpoints(allocation: Allocation): void {
  const waiting = [...allocation.services()].filter(service => !hasEndpoint(allocation, service))
  if (waiting.length === 0) return
  const ports = new PortSpace(allocation.services())
  for (const service of waiting) {
    const endpoint = endpointFor(allocation, ports, service)
    if (endpoint !== undefined) allocation.putService({ ...service, endpoint })
  }
}

/** The service's endpoint is what its spec asks for: its tasks may be allocated. */
export function hasEndpoint(allocation: Allocation, service: Service): boolean {
  const wanted = networksWithVip(allocation, service)
  if (wanted === undefined) return false
  const { endpoint, spec } = service
  if (endpoint === undefined) return spec?.endpoint === undefined && wanted.length === 0
  const held = endpoint.virtualIps.map(vip => vip.networkId)
  return held.length === wanted.length && wanted.every(id => held.includes(id)) && isDeepStrictEqual(endpoint.spec, spec?.endpoint)
}

function endpointFor(allocation: Allocation, ports: PortSpace, service: Service): Endpoint | undefined {
  const networkIds = networksWithVip(allocation, service)
  if (networkIds === undefined) return undefined
  const virtualIps: VirtualIp[] = []
  const taken: VirtualIp[] = []
  for (const networkId of networkIds) {
    const held = service.endpoint?.virtualIps.find(vip => vip.networkId === networkId)
    const address = held?.address ?? allocation.takeAddress(networkId)
    if (address === undefined) return giveBack(allocation, taken)
    if (held === undefined) taken.push({ networkId, address })
    virtualIps.push({ networkId, address })
  }
  const assigned = ports.assign(service)
  if (assigned === undefined) return giveBack(allocation, taken)
  const endpoint = { ports: assigned, virtualIps }
  return service.spec?.endpoint === undefined ? endpoint : { spec: service.spec.endpoint, ...endpoint }
}

function giveBack(allocation: Allocation, taken: readonly VirtualIp[]): undefined {
  for (const { networkId, address } of taken) allocation.releaseAddress(networkId, address)
  return undefined
}

/** Undefined while one of the networks is missing or has no subnet yet. */
function networksWithVip(allocation: Allocation, service: Service): string[] | undefined {
  const ids: string[] = []
  const hasVip = service.spec?.endpoint?.mode !== 'dnsrr'
  if (publishesIngressPorts(service)) {
    const ingress = allocation.ingress()
    if (!isAddressed(ingress)) return undefined
    ids.push(ingress.id)
  }
  for (const { target } of networksOf(service.spec)) {
    if (isPredefinedNetwork(target)) continue
    const network = allocation.network(target)
    if (network?.state === undefined) return undefined
    if (hasVip && isAddressed(network) && !ids.includes(network.id)) ids.push(network.id)
  }
  return ids
}
