import type { OverlayPort, OverlayService, OverlayTable } from '../../../src/api/engine/overlay.ts'
import { macOf } from './ipv4.ts'

/** The table of an overlay's sandbox namespace (design (ii) of NETWORK.md): all its rules, none elsewhere. */
export const SANDBOX_TABLE = 'ip shoal'
/** Interfaces of the sandbox. */
export const SANDBOX_BRIDGE = 'br0'
export const SANDBOX_TUNNEL = 'vx0'
export const SANDBOX_GATEWAY = 'gw0'

/** Balances what is sent to one virtual IP, or to one published port. */
interface Balancer {
  readonly chain: string
  readonly element: string
  readonly map: 'vips' | 'ingress'
  readonly rule: string
}

/**
 * Everything, replacing what was there. Connections under way keep their translation.
 * @param nearSources subnets that containers may be in themselves: as peers they would be answered directly, so the mesh hides them
 */
export function sandboxTable(table: OverlayTable, nearSources: readonly string[] = []): string {
  const own = ownAddress(table)
  return `table ${SANDBOX_TABLE}
delete table ${SANDBOX_TABLE}
table ${SANDBOX_TABLE} {
  set known_vips {
    type ipv4_addr
  }
  set self {
    type ipv4_addr . ipv4_addr
  }
  set near_sources {
    type ipv4_addr
    flags interval
  }
  set hiding_ports {
    typeof meta l4proto . th dport
  }
  map vips {
    type ipv4_addr : verdict
  }
  map ingress {
    typeof meta l4proto . th dport : verdict
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept
    iifname "${SANDBOX_GATEWAY}" ip saddr @near_sources ct mark set 1
    iifname "${SANDBOX_GATEWAY}" meta l4proto . th dport @hiding_ports ct mark set 1
    iifname "${SANDBOX_GATEWAY}" meta l4proto . th dport vmap @ingress
    ip daddr vmap @vips
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept
    ct mark 1 oifname "${SANDBOX_BRIDGE}" snat to ${own}
    ct status dnat ip saddr . ip daddr @self snat to ${own}
  }
${table.ingress ? meshChains(table) : ''}  chain input {
    type filter hook input priority filter; policy accept
    ip daddr @known_vips ip protocol icmp accept
    ip daddr @known_vips ip protocol tcp reject with tcp reset
    ip daddr @known_vips reject
  }
}
${table.ingress ? [table.subnet, ...nearSources].map(addNearSource).join('') : ''}${changeRules(undefined, table)}`
}

export function addNearSource(subnet: string): string { return `add element ${SANDBOX_TABLE} near_sources { ${subnet} }\n` }

/**
 * Clients keep their addresses (D-268), so one that calls two hosts from one port would be one connection to a host that only bridges
 * the frames: it does not track what other hosts have translated. Segments must fit the tunnel: containers tell of another interface's.
 */
function meshChains(table: OverlayTable): string {
  const mac = macOf(ownAddress(table))
  return `  chain bridged {
    type filter hook prerouting priority raw; policy accept
    iifname "${SANDBOX_BRIDGE}" ip saddr != ${table.subnet} ether saddr != ${mac} notrack
    iifname "${SANDBOX_BRIDGE}" ip daddr != ${table.subnet} ether daddr != ${mac} notrack
  }
  chain segments {
    type filter hook forward priority mangle; policy accept
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
  }
`
}

/** Commands that turn the rules of one table into those of the next; empty when nothing changes. */
export function changeRules(from: OverlayTable | undefined, to: OverlayTable): string {
  const before = new Map((from === undefined ? [] : balancers(from)).map(each => [each.chain, each]))
  const after = new Map(balancers(to).map(each => [each.chain, each]))
  const commands: string[] = []
  for (const [chain, old] of before) {
    if (!after.has(chain)) commands.push(`delete element ${SANDBOX_TABLE} ${old.map} { ${old.element} }`, `flush chain ${SANDBOX_TABLE} ${chain}`, `delete chain ${SANDBOX_TABLE} ${chain}`)
  }
  for (const [chain, next] of after) {
    const old = before.get(chain)
    if (old === undefined) {
      commands.push(`add chain ${SANDBOX_TABLE} ${chain}`, `add rule ${SANDBOX_TABLE} ${chain} ${next.rule}`, `add element ${SANDBOX_TABLE} ${next.map} { ${next.element} : goto ${chain} }`)
    } else if (old.rule !== next.rule) {
      commands.push(`flush chain ${SANDBOX_TABLE} ${chain}`, `add rule ${SANDBOX_TABLE} ${chain} ${next.rule}`)
    }
  }
  commands.push(...changeSet('hiding_ports', hidingPorts(from), hidingPorts(to)))
  commands.push(...changeSet('known_vips', virtualIps(from), virtualIps(to)), ...changeSet('self', selfPairs(from), selfPairs(to)))
  return commands.map(command => `${command}\n`).join('')
}

/** Backends that nothing is sent to any more. */
export function removedBackends(from: OverlayTable | undefined, to: OverlayTable): ReadonlySet<string> {
  const kept = new Set(to.services.flatMap(service => service.backends))
  return new Set((from?.services ?? []).flatMap(service => service.backends).filter(ip => !kept.has(ip)))
}

export function virtualIps(table: OverlayTable | undefined): readonly string[] {
  return [...new Set((table?.services ?? []).map(service => service.virtualIp).filter(ip => ip !== ''))]
}

/** This host's address on the network: what hairpin and ingress traffic comes from. */
export function ownAddress(table: OverlayTable): string {
  return table.nodeAddress === '' ? table.gateway : table.nodeAddress.split('/')[0] ?? table.gateway
}

function balancers(table: OverlayTable): Balancer[] {
  const live = table.services.filter(service => service.backends.length > 0)
  const vips = live.filter(service => service.virtualIp !== '').map((service): Balancer => ({
    chain: `vip_${service.virtualIp.replaceAll('.', '_')}`, element: service.virtualIp, map: 'vips', rule: `dnat to ${pick(service)}`,
  }))
  const ports = table.ingress ? live.flatMap(service => service.ports.filter(isBalanced).map(port => ingressBalancer(service, port))) : []
  return [...vips, ...ports]
}

function ingressBalancer(service: OverlayService, port: OverlayPort): Balancer {
  return {
    chain: `port_${port.protocol}_${port.publishedPort}`, element: `${port.protocol} . ${port.publishedPort}`, map: 'ingress',
    rule: `meta l4proto ${port.protocol} dnat to ${pick(service)} : ${port.targetPort}`,
  }
}

/** Published on every host. */
export function isIngressPort(port: OverlayPort): boolean { return port.publishedPort > 0 && port.publishMode !== 'host' }

/** sctp is not published: conntrack and numgen would do, but nothing here tests it. */
export function isBalanced(port: OverlayPort): boolean { return (port.protocol === 'tcp' || port.protocol === 'udp') && isIngressPort(port) }

/** UDP ports that are published in host mode too: the way of their replies depends on the port alone, so the mesh must hide the client (D-268). */
export function clientHidingPorts(service: OverlayService): readonly OverlayPort[] {
  const inHostMode = new Set(service.ports.filter(port => port.protocol === 'udp' && port.publishMode === 'host').map(port => port.targetPort))
  return service.ports.filter(port => port.protocol === 'udp' && isIngressPort(port) && inHostMode.has(port.targetPort))
}

function hidingPorts(table: OverlayTable | undefined): readonly string[] {
  const services = table?.ingress === true ? table.services : []
  return [...new Set(services.flatMap(clientHidingPorts).map(port => `${port.protocol} . ${port.publishedPort}`))]
}

/** One backend after the other, for each new connection. */
function pick(service: OverlayService): string {
  const [only] = service.backends
  if (service.backends.length === 1) return only ?? ''
  return `numgen inc mod ${service.backends.length} map { ${service.backends.map((ip, at) => `${at} : ${ip}`).join(', ')} }`
}

/** A backend that is sent its own request must not see itself as the peer: the reply would never pass here. */
function selfPairs(table: OverlayTable | undefined): readonly string[] {
  return [...new Set((table?.services ?? []).flatMap(service => service.backends).map(ip => `${ip} . ${ip}`))]
}

function changeSet(set: string, from: readonly string[], to: readonly string[]): string[] {
  const before = new Set(from)
  const after = new Set(to)
  const gone = from.filter(each => !after.has(each))
  const added = to.filter(each => !before.has(each))
  return [
    ...(gone.length > 0 ? [`delete element ${SANDBOX_TABLE} ${set} { ${gone.join(', ')} }`] : []),
    ...(added.length > 0 ? [`add element ${SANDBOX_TABLE} ${set} { ${added.join(', ')} }`] : []),
  ]
}
