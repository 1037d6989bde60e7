import { familyOf } from '../../../src/base/ip-address.ts'
import type { BridgeSettings, PublishedPort } from './network-records.ts'

/** The host's own tables, one for each family. Nothing outside of them is ever touched, so other firewalls on the host stay as they are. */
export const HOST_TABLE = 'ip shoal'
export const HOST_TABLE6 = 'ip6 shoal'

/** A port published on every host for services; `address` is this host's ingress sandbox. */
export interface IngressPort { readonly protocol: string; readonly port: number; readonly address: string }

export interface HostRules {
  readonly bridges: readonly BridgeSettings[]
  readonly ports: readonly PublishedPort[]
  readonly ingress: readonly IngressPort[]
}

type Family = 4 | 6

/** Takes away what was written when rules of these families were wanted. */
export function noTables(families: readonly Family[]): string { return families.map(family => `table ${tableOf(family)}\ndelete table ${tableOf(family)}\n`).join('') }

/**
 * The whole tables in one transaction. What they do: nothing new comes into a bridge from outside of it but to a published port; internal
 * networks reach nobody else; containers leave masqueraded; published ports work from outside, from the host's own addresses and
 * 127.0.0.1, and from containers, also from the one that publishes (whose own source would otherwise make the reply go astray).
 */
export function hostTables(rules: HostRules, families: readonly Family[]): string {
  return families.map(family => skeleton(family)).join('')
    + rules.bridges.map(bridge => addBridge(bridge, families)).join('') + rules.ports.map(port => addPort(port, families)).join('')
    + (families.includes(4) ? rules.ingress.map(addIngressPort).join('') : '')
}

function skeleton(family: Family): string {
  const ip = family === 4 ? 'ip' : 'ip6'
  const table = `${ip} shoal`
  return `table ${table}
delete table ${table}
table ${table} {
  set bridges {
    type ifname
  }
  set internal {
    type ifname
  }
  set within {
    type ifname . ifname
  }
  set unprotected {
    type ifname
  }
  set opened {
    typeof ${ip} daddr . meta l4proto . th dport
  }
  set outgoing {
    type ipv${family}_addr
    flags interval
  }
  set own {
    type ifname . ipv${family}_addr
    flags interval
  }
  map published {
    typeof meta l4proto . th dport : ${ip} daddr . th dport
  }
  map published_on {
    typeof ${ip} daddr . meta l4proto . th dport : ${ip} daddr . th dport
  }
  map ingress {
    typeof meta l4proto . th dport : ${ip} daddr . th dport
  }
${family === 6 ? '' : `  chain guard {
    type filter hook prerouting priority raw; policy accept
    iifname @bridges ip daddr 127.0.0.0/8 drop
  }
`}  chain to_published {
    dnat ${ip} to ${ip} daddr . meta l4proto . th dport map @published_on
    fib daddr type local dnat ${ip} to meta l4proto . th dport map @published
    fib daddr type local dnat ${ip} to meta l4proto . th dport map @ingress
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept
    jump to_published
  }
  chain output {
    type nat hook output priority -100; policy accept
    ${family === 6 ? 'ip6 daddr ::1 return\n    ' : ''}jump to_published
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept
    ${family === 6 ? '' : 'ip saddr 127.0.0.0/8 oifname @bridges masquerade\n    '}ct status dnat oifname . ${ip} saddr @own masquerade
    ${ip} saddr @outgoing oifname != @bridges masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept
    ct state established,related accept
    iifname . oifname @within accept
    iifname @internal drop
    oifname @internal drop
    oifname @bridges ct status dnat accept
    oifname @bridges ${ip} daddr . meta l4proto . th dport @opened accept
    oifname @unprotected iifname != @bridges accept
    oifname @bridges drop
  }
}
`
}

export function addBridge(bridge: BridgeSettings, families: readonly Family[]): string { return bridgeElements('add', bridge, families) }
export function removeBridge(bridge: BridgeSettings, families: readonly Family[]): string { return bridgeElements('delete', bridge, families) }
export function addPort(port: PublishedPort, families: readonly Family[]): string { return portElement('add', port, families) }
export function removePort(port: PublishedPort, families: readonly Family[]): string { return portElement('delete', port, families) }
export function addIngressPort({ protocol, port, address }: IngressPort): string {
  return `add element ${HOST_TABLE} ingress { ${protocol} . ${port} : ${address} . ${port} }\n`
}
export function removeIngressPort({ protocol, port }: IngressPort): string { return `delete element ${HOST_TABLE} ingress { ${protocol} . ${port} }\n` }

/** Queries to 127.0.0.11 go to the resolver's own ports, so a container may still run a DNS server on port 53 of its own. */
export function resolverTable(udpPort: number, tcpPort: number, isAgain: boolean): string {
  // Deleting makes the kernel wait, so a new namespace is spared it.
  return `${isAgain ? 'table ip shoal_dns\ndelete table ip shoal_dns\n' : ''}table ip shoal_dns {
  chain output {
    type nat hook output priority -100; policy accept
    ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:${udpPort}
    ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:${tcpPort}
  }
}
`
}

function tableOf(family: Family): string { return family === 4 ? HOST_TABLE : HOST_TABLE6 }

function bridgeElements(verb: 'add' | 'delete', bridge: BridgeSettings, families: readonly Family[]): string {
  const name = `"${bridge.name}"`
  return families.map(family => {
    const element = (set: string, value: string): string => `${verb} element ${tableOf(family)} ${set} { ${value} }\n`
    const subnet = family === 4 ? bridge.subnet : bridge.ipv6?.subnet ?? ''
    const mode = (family === 4 ? bridge.gatewayMode : bridge.gatewayMode6) ?? 'nat'
    const hides = subnet !== '' && bridge.masquerade && !bridge.internal && mode !== 'routed'
    return element('bridges', name) + (subnet === '' ? '' : element('own', `${name} . ${subnet}`))
      + (bridge.icc ? element('within', `${name} . ${name}`) : '')
      + (bridge.trusted ?? []).map(link => element('within', `"${link}" . ${name}`)).join('')
      + (bridge.internal ? element('internal', name) : '')
      + (mode === 'nat-unprotected' ? element('unprotected', name) : '')
      + (hides ? element('outgoing', subnet) : '')
  }).join('')
}

/** Nothing for a port that is passed on by the daemon, from one family to the other. */
function portElement(verb: 'add' | 'delete', port: PublishedPort, families: readonly Family[]): string {
  const family = familyOf(port.containerIp)
  if (!families.includes(family) || (port.hostIp !== '' && familyOf(port.hostIp) !== family)) return ''
  const table = tableOf(family)
  if (port.hostIp === '') return `${verb} element ${table} opened { ${port.containerIp} . ${port.protocol} . ${port.containerPort} }\n`
  const isAny = port.hostIp === '0.0.0.0' || port.hostIp === '::'
  const key = `${isAny ? '' : `${port.hostIp} . `}${port.protocol} . ${port.hostPort}`
  return `${verb} element ${table} ${isAny ? 'published' : 'published_on'} { ${key}${verb === 'add' ? ` : ${port.containerIp} . ${port.containerPort}` : ''} }\n`
}
