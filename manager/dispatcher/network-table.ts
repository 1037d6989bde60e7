import type { NetworkEndpoint, NetworkNode, NetworkService, NetworkTable } from '../../src/api/swarm/dispatcher.ts'
import type { Network, Node, Service, Task } from '../../src/api/swarm/objects.ts'
import { isTaskDesired, isTaskLive, stateOf } from '../../src/api/swarm/task-state.ts'
import { withoutMask } from '../../src/base/ipv4.ts'
import type { StoreView } from '../store/object-store.ts'

const VXLAN_PORT_DEFAULT = 4789
const MTU_OPTION = 'com.docker.network.driver.mtu'
const SHORT_ID_LENGTH = 12

/** What all nodes are told alike about a network: a table without the receiving node's own view of it. */
export type NetworkBody = Omit<NetworkTable, 'nodeAddress'>

/**
 * The network as the data path needs it: addresses, names, who is behind which virtual IP. A pure function of the objects.
 * A task that is told to stop leaves DNS and the virtual IP at once, before it is stopped: `ready` needs state running and the wish for it (E04).
 * @param tasks those attached to the network
 */
export function networkBody(view: StoreView, network: Network, tasks: Iterable<Task>): NetworkBody {
  const endpoints = endpointsOf(view, network.id, tasks)
  const config = network.state?.ipam?.configs[0]
  const options = network.state?.options ?? {}
  return {
    networkId: network.id, revision: view.version, name: network.spec?.annotations?.name ?? '', vni: network.state?.vni ?? 0,
    subnet: config?.subnet ?? '', gateway: config?.gateway ?? '', mtu: Number(options[MTU_OPTION] ?? 0) || 0,
    internal: network.spec?.internal ?? false, ingress: network.spec?.ingress ?? false, attachable: network.spec?.attachable ?? false,
    encrypted: 'encrypted' in options, vxlanPort: view.cluster()?.dataPathPort || VXLAN_PORT_DEFAULT,
    endpoints, nodes: nodesOf(view, network.id), services: servicesOf(view, network, endpoints),
    ipv6Subnet: '', ipv6Gateway: '', labels: network.spec?.annotations?.labels ?? {}, options,
  }
}

/** The table of one node: the body with the node's own address, its peers being the others. */
export function networkTable(body: NetworkBody, node: Node): NetworkTable {
  return { ...body, nodeAddress: addressOn(node, body.networkId), nodes: body.nodes.filter(other => other.nodeId !== node.id) }
}

function endpointsOf(view: StoreView, networkId: string, tasks: Iterable<Task>): NetworkEndpoint[] {
  const endpoints: NetworkEndpoint[] = []
  for (const task of tasks) {
    const address = task.networks.find(attachment => attachment.networkId === networkId)?.addresses[0]
    const node = task.nodeId === '' ? undefined : view.get('node', task.nodeId)
    if (address === undefined || node === undefined || !isTaskLive(task)) continue
    endpoints.push({
      taskId: task.id, serviceId: task.serviceId, address: withoutMask(address), nodeId: task.nodeId, dataAddress: dataAddressOf(node),
      names: namesOf(task), ready: stateOf(task) === 'running' && isTaskDesired(task),
    })
  }
  return endpoints.sort((a, b) => compare(a.taskId, b.taskId))
}

/** The container's name and short id (E02). */
function namesOf(task: Task): string[] {
  const attachment = task.spec?.attachment
  if (attachment !== undefined) return [...attachment.names, attachment.containerId.slice(0, SHORT_ID_LENGTH)]
  const containerId = task.status?.container?.containerId ?? ''
  return [task.annotations?.name || task.id, containerId.slice(0, SHORT_ID_LENGTH)].filter(name => name !== '')
}

function nodesOf(view: StoreView, networkId: string): NetworkNode[] {
  return view.list('node').filter(node => addressOn(node, networkId) !== '')
    .map(node => ({ nodeId: node.id, address: withoutMask(addressOn(node, networkId)), dataAddress: dataAddressOf(node) }))
}

function servicesOf(view: StoreView, network: Network, endpoints: readonly NetworkEndpoint[]): NetworkService[] {
  const backends = new Map<string, string[]>()
  for (const endpoint of endpoints) {
    const addresses = backends.get(endpoint.serviceId) ?? []
    backends.set(endpoint.serviceId, endpoint.ready ? [...addresses, endpoint.address] : addresses)
  }
  const services: NetworkService[] = []
  for (const service of view.list('service')) {
    const vip = service.endpoint?.virtualIps.find(candidate => candidate.networkId === network.id)
    const config = [...service.spec?.task?.networks ?? [], ...service.spec?.networks ?? []].find(candidate => candidate.target === network.id)
    if (vip === undefined && config === undefined && !backends.has(service.id)) continue
    const name = service.spec?.annotations?.name ?? ''
    services.push({
      serviceId: service.id, name, virtualIp: withoutMask(vip?.address ?? ''), names: [...new Set([name, ...config?.aliases ?? []])],
      backends: backends.get(service.id) ?? [], ports: network.spec?.ingress === true ? ingressPorts(service) : [],
    })
  }
  return services
}

/** Those published on every host, and UDP ports in host mode that share a target port with one of them: hosts must then hide clients there. */
function ingressPorts(service: Service): NetworkService['ports'] {
  const ports = service.endpoint?.ports ?? []
  const everywhere = ports.filter(port => port.publishMode === 'ingress' && port.publishedPort !== 0)
  const isShared = (target: number): boolean => everywhere.some(port => port.protocol === 'udp' && port.targetPort === target)
  return [...everywhere, ...ports.filter(port => port.publishMode === 'host' && port.protocol === 'udp' && isShared(port.targetPort))]
}

/** The node's own address on the network, CIDR; empty when it does not take part. */
export function addressOn(node: Node, networkId: string): string {
  return node.attachments.find(attachment => attachment.networkId === networkId)?.addresses[0] ?? ''
}

/** Where the node's VXLAN endpoint is reached; a node that says nothing is reached where it registered from. */
function dataAddressOf(node: Node): string {
  return node.description?.dataAddress || (node.status?.addr ?? '')
}

function compare(a: string, b: string): number { return a < b ? -1 : Number(a > b) }
