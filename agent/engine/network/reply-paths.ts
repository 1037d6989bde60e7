import type { OverlayService, OverlayTable } from '../../../src/api/engine/overlay.ts'
import type { LinkOperation } from '../../kernel/links.ts'
import { macOf, parseCidr, parseIpv4 } from './ipv4.ts'
import type { EndpointRecord } from './network-records.ts'
import { clientHidingPorts, isIngressPort, ownAddress } from './overlay-rules.ts'

/** The table in the namespace of every container on the ingress network. */
export const REPLY_TABLE = 'ip shoal_mesh'
/** Marks and routing tables of ours: the upper half tells that they are, the lower half which ingress host is meant. */
const MARK_BASE = 0x53480000
const MARK_MASK = '0xffff0000'
/** Conntrack zones have 16 bits and 0 is everybody's. */
const NUMBERS = 0xffff
/** Before the kernel's main table (32766), in this order. */
const PRIORITY = { marked: 1000, near: 1001, udp: 1002 }
const TABLE_MAIN = 254
const TABLE_UDP = MARK_BASE

/**
 * How a container answers clients that reached it through the routing mesh and are seen with their own addresses: a reply must leave
 * through the host that the client called, not by the container's default route (D-268).
 */
export interface ReplyPaths {
  /** The container's interface on the ingress network, and its address there. */
  readonly link: string
  readonly address: string
  readonly subnet: string
  /** This host's ingress address. */
  readonly own: string
  /** Ingress addresses of all hosts, this one's too. */
  readonly hosts: readonly string[]
  /** Target ports over UDP: servers choose the source of a reply before its connection is known. */
  readonly udpPorts: readonly number[]
}

export function replyPaths(table: OverlayTable, endpoint: Pick<EndpointRecord, 'link' | 'address'>): ReplyPaths {
  const own = ownAddress(table)
  const serviceIds = new Set(table.endpoints.filter(each => each.address === endpoint.address).map(each => each.serviceId))
  const services = table.services.filter(service => serviceIds.has(service.serviceId))
  return {
    link: endpoint.link, address: endpoint.address, subnet: table.subnet, own,
    hosts: [...new Set([own, ...table.nodes.map(node => node.address.split('/')[0] ?? '')])].filter(ip => parseIpv4(ip) !== undefined).sort(),
    udpPorts: [...new Set(services.flatMap(udpTargets))].sort((a, b) => a - b),
  }
}

/** The container's whole table. Frames tell by their MAC which ingress host they come through; each has a zone, as one client may call several from one port. */
export function replyRules(paths: ReplyPaths, isAgain: boolean): string {
  const foreign = `iifname "${paths.link}" ip saddr != ${paths.subnet}`
  // Deleting makes the kernel wait, so a new namespace is spared it.
  return `${isAgain ? `table ${REPLY_TABLE}\ndelete table ${REPLY_TABLE}\n` : ''}table ${REPLY_TABLE} {
  map zones {
    typeof ether saddr : ct original zone
  }
  map marks {
    typeof ether saddr : ct mark
  }
  chain zoned {
    type filter hook prerouting priority raw; policy accept
    ${foreign} ct original zone set ether saddr map @zones
  }
  chain origin {
    type filter hook prerouting priority mangle; policy accept
    ${foreign} ct state new ct mark set ether saddr map @marks
    ct mark & ${MARK_MASK} == ${MARK_BASE} meta mark set ct mark
    ${foreign} ct mark & ${MARK_MASK} != ${MARK_BASE} drop comment "a host we have not heard of yet: the client tries again"
  }
  chain clashes {
    type nat hook input priority 100; policy accept
  }
  chain replies {
    type route hook output priority mangle; policy accept
    ct mark & ${MARK_MASK} == ${MARK_BASE} meta mark set ct mark
  }
}
${hostElements('add', paths, paths.hosts)}`
}

/** Takes the table away. */
export function noReplyRules(): string { return `table ${REPLY_TABLE}\ndelete table ${REPLY_TABLE}\n` }

export function changeReplyRules(from: ReplyPaths, to: ReplyPaths): string {
  return hostElements('delete', from, without(from.hosts, to.hosts)) + hostElements('add', to, without(to.hosts, from.hosts))
}

/** Rules and routes that turn one state into the next. Adding what is there and deleting what is gone are harmless. */
export function changeReplyRoutes(from: ReplyPaths | undefined, to: ReplyPaths | undefined): LinkOperation[] {
  const after = new Map(replyRoutes(to).map(each => [JSON.stringify(each), each]))
  const before = new Map(replyRoutes(from).map(each => [JSON.stringify(each), each]))
  const gone = [...before].filter(([key]) => !after.has(key)).map(([, each]) => opposite(each))
  return [...gone, ...[...after].filter(([key]) => !before.has(key)).map(([, each]) => each)]
}

function replyRoutes(paths: ReplyPaths | undefined): LinkOperation[] {
  if (paths === undefined) return []
  const { link, own, address } = paths
  const operations = paths.hosts.flatMap((host): LinkOperation[] => {
    const mark = markOf(paths.subnet, host)
    return [{ kind: 'add-route', to: 'default', via: host, link, table: mark }, { kind: 'add-rule', priority: PRIORITY.marked, mark, table: mark }]
  })
  if (paths.udpPorts.length === 0) return operations
  return [
    ...operations,
    { kind: 'add-rule', priority: PRIORITY.near, table: TABLE_MAIN, isDefaultIgnored: true },
    { kind: 'add-route', to: 'default', via: own, link, table: TABLE_UDP, source: address },
    ...paths.udpPorts.map((sourcePort): LinkOperation => ({ kind: 'add-rule', priority: PRIORITY.udp, udpSourcePort: sourcePort, table: TABLE_UDP })),
  ]
}

function opposite(operation: LinkOperation): LinkOperation {
  return { ...operation, kind: operation.kind.replace('add-', 'delete-') } as LinkOperation
}

function hostElements(verb: 'add' | 'delete', { subnet }: ReplyPaths, hosts: readonly string[]): string {
  const element = (map: string, valueOf: (host: string) => string): string =>
    `${verb} element ${REPLY_TABLE} ${map} { ${hosts.map(host => `${macOf(host)}${verb === 'add' ? ` : ${valueOf(host)}` : ''}`).join(', ')} }\n`
  return hosts.length === 0 ? '' : element('zones', host => String(numberOf(subnet, host))) + element('marks', host => String(markOf(subnet, host)))
}

function without(list: readonly string[], taken: readonly string[]): readonly string[] {
  const set = new Set(taken)
  return list.filter(each => !set.has(each))
}

/** Where the address stands in the subnet, from 1: the same on every host, and after every restart. */
function numberOf(subnet: string, host: string): number { return ((parseIpv4(host) ?? 0) - parseCidr(subnet).base) % NUMBERS + 1 }
function markOf(subnet: string, host: string): number { return MARK_BASE + numberOf(subnet, host) }

function udpTargets(service: OverlayService): number[] {
  const hiding = clientHidingPorts(service)
  return service.ports.filter(port => port.protocol === 'udp' && isIngressPort(port) && !hiding.includes(port)).map(port => port.targetPort)
}
