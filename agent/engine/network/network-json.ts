import type { EndpointIPAMConfig, EndpointSettings, Network, NetworkContainer } from '../../../src/api/engine/engine-json.ts'
import type { OverlayTable } from '../../../src/api/engine/overlay.ts'
import type { NetworkedContainer } from './container-networks.ts'
import type { EndpointRecord, NetworkRecord, PublishedPort } from './network-records.ts'
import { isIngressPort } from './overlay-rules.ts'
import { isOpenedOnly } from './port-publisher.ts'

type Members = readonly { readonly container: NetworkedContainer; readonly endpoint: EndpointRecord }[]

/** A network as GET /networks/{id} shows it. */
export function networkJson(record: NetworkRecord, members: Members): Network {
  return {
    Name: record.name, Id: record.id, Created: record.created, Scope: 'local', Driver: record.driver, EnableIPv4: record.hasIpv4 !== false, EnableIPv6: record.hasIpv6 === true, IPAM: record.ipam,
    Internal: record.internal, Attachable: record.attachable, Ingress: false, ConfigFrom: { Network: record.configFrom ?? '' }, ConfigOnly: record.configOnly === true,
    Containers: containersJson(members), Options: record.options, Labels: record.labels,
  }
}

export function overlayJson(table: OverlayTable, created: string, members: Members): Network {
  const peers = [...new Set([...table.nodes.map(node => node.dataAddress), ...table.endpoints.map(endpoint => endpoint.dataAddress)])]
  return {
    Name: table.name, Id: table.networkId, Created: created, Scope: 'swarm', Driver: 'overlay', EnableIPv4: true, EnableIPv6: false,
    IPAM: { Driver: 'default', Options: null, Config: [{ Subnet: table.subnet, Gateway: table.gateway }] },
    Internal: table.internal, Attachable: table.attachable, Ingress: table.ingress, ConfigFrom: { Network: '' }, ConfigOnly: false,
    Containers: containersJson(members), Options: { ...table.options, 'com.docker.network.driver.overlay.vxlanid_list': String(table.vni) },
    Labels: table.labels, Peers: peers.filter(ip => ip !== '').map(ip => ({ Name: ip, IP: ip })),
  }
}

/** What `network inspect --verbose` adds: who is on the whole network, not just on this host. */
export function servicesJson(table: OverlayTable): { readonly Services: Readonly<Record<string, unknown>> } {
  return {
    Services: Object.fromEntries(table.services.map(service => [service.name, {
      VIP: service.virtualIp,
      Ports: service.ports.filter(isIngressPort).map(port => `Target: ${port.targetPort}, Publish: ${port.publishedPort}`),
      LocalLBIndex: 0,
      Tasks: table.endpoints.filter(endpoint => endpoint.serviceId === service.serviceId).map(endpoint => ({
        Name: endpoint.names[0] ?? endpoint.taskId, EndpointID: endpoint.taskId, EndpointIP: endpoint.address, Info: { 'Host IP': endpoint.dataAddress },
      })),
    }])),
  }
}

/** An endpoint as NetworkSettings.Networks shows it. */
export function endpointJson({ container, endpoint }: Members[number]): EndpointSettings {
  return {
    IPAMConfig: ipamConfig(endpoint),
    Links: endpoint.links.length > 0 ? endpoint.links : null, Aliases: endpoint.aliases.length > 0 ? endpoint.aliases : null,
    MacAddress: endpoint.mac, DriverOpts: Object.keys(endpoint.driverOpts).length > 0 ? endpoint.driverOpts : null, GwPriority: endpoint.priority,
    NetworkID: endpoint.networkId, EndpointID: endpoint.id, Gateway: endpoint.gateway, IPAddress: endpoint.address, IPPrefixLen: endpoint.prefix,
    IPv6Gateway: endpoint.gateway6 ?? '', GlobalIPv6Address: endpoint.address6 ?? '', GlobalIPv6PrefixLen: endpoint.prefix6 ?? 0,
    DNSNames: endpoint.networkName === 'bridge' ? null : [container.name, ...endpoint.aliases, container.id.slice(0, 12)],
  }
}

/** NetworkSettings.Ports: exposed ports that are not published are null. */
export function portsJson(container: NetworkedContainer, ports: readonly PublishedPort[]): Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null> {
  const map: Record<string, { HostIp: string; HostPort: string }[] | null> = {}
  for (const key of container.exposedPorts) map[key] = null
  for (const port of ports.filter(each => !isOpenedOnly(each))) {
    const key = `${port.containerPort}/${port.protocol}`
    map[key] = [...map[key] ?? [], { HostIp: port.hostIp, HostPort: String(port.hostPort) }]
  }
  return map
}

function containersJson(members: Members): Record<string, NetworkContainer> {
  return Object.fromEntries(members.map(({ container, endpoint }) => [container.id, {
    Name: container.name, EndpointID: endpoint.id, MacAddress: endpoint.mac, IPv4Address: cidrText(endpoint.address, endpoint.prefix), IPv6Address: cidrText(endpoint.address6 ?? '', endpoint.prefix6 ?? 0),
  }]))
}

function cidrText(address: string, prefix: number): string { return address === '' ? '' : `${address}/${prefix}` }

function ipamConfig({ wantedAddress, wantedAddress6 = '', linkLocals = [] }: EndpointRecord): EndpointIPAMConfig | null {
  if (wantedAddress === '' && wantedAddress6 === '' && linkLocals.length === 0) return null
  return {
    ...(wantedAddress === '' ? {} : { IPv4Address: wantedAddress }), ...(wantedAddress6 === '' ? {} : { IPv6Address: wantedAddress6 }),
    ...(linkLocals.length === 0 ? {} : { LinkLocalIPs: linkLocals }),
  }
}
