import type { BridgeSettings, PublishedPort } from './network-records.ts'

/** The host's own table. Nothing outside of it is ever touched, so other firewalls on the host stay as they are. */
export const HOST_TABLE = 'ip shoal'

/** A port published on every host for services; `address` is this host's ingress sandbox. */
export interface IngressPort { readonly protocol: string; readonly port: number; readonly address: string }

export interface HostRules {
  readonly bridges: readonly BridgeSettings[]
  readonly ports: readonly PublishedPort[]
  readonly ingress: readonly IngressPort[]
}

/**
 * The whole table in one transaction. What it does: nothing new comes into a bridge from outside of it but to a published port; internal
 * networks reach nobody else; containers leave masqueraded; published ports work from outside, from the host's own addresses and
 * 127.0.0.1, and from containers, also from the one that publishes (whose own source would otherwise make the reply go astray).
 */
export function hostTable(rules: HostRules): string {
  return `table ${HOST_TABLE}
delete table ${HOST_TABLE}
table ${HOST_TABLE} {
  set bridges {
    type ifname
  }
  set internal {
    type ifname
  }
  set within {
    type ifname . ifname
  }
  set outgoing {
    type ipv4_addr
    flags interval
  }
  set own {
    type ifname . ipv4_addr
    flags interval
  }
  map published {
    typeof meta l4proto . th dport : ip daddr . th dport
  }
  map published_on {
    typeof ip daddr . meta l4proto . th dport : ip daddr . th dport
  }
  map ingress {
    typeof meta l4proto . th dport : ip daddr . th dport
  }
  chain guard {
    type filter hook prerouting priority raw; policy accept
    iifname @bridges ip daddr 127.0.0.0/8 drop
  }
  chain to_published {
    dnat ip to ip daddr . meta l4proto . th dport map @published_on
    fib daddr type local dnat ip to meta l4proto . th dport map @published
    fib daddr type local dnat ip to meta l4proto . th dport map @ingress
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept
    jump to_published
  }
  chain output {
    type nat hook output priority -100; policy accept
    jump to_published
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    ct status dnat oifname . ip saddr @own masquerade
    ip saddr @outgoing oifname != @bridges masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept
    ct state established,related accept
    iifname . oifname @within accept
    iifname @internal drop
    oifname @internal drop
    oifname @bridges ct status dnat accept
    oifname @bridges drop
  }
}
${rules.bridges.map(addBridge).join('')}${rules.ports.map(addPort).join('')}${rules.ingress.map(addIngressPort).join('')}`
}

export function addBridge(bridge: BridgeSettings): string { return bridgeElements('add', bridge) }
export function removeBridge(bridge: BridgeSettings): string { return bridgeElements('delete', bridge) }
export function addPort(port: PublishedPort): string {
  return `add element ${HOST_TABLE} ${portMap(port)} { ${portKey(port)} : ${port.containerIp} . ${port.containerPort} }\n`
}
export function removePort(port: PublishedPort): string { return `delete element ${HOST_TABLE} ${portMap(port)} { ${portKey(port)} }\n` }
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

function bridgeElements(verb: 'add' | 'delete', bridge: BridgeSettings): string {
  const name = `"${bridge.name}"`
  const element = (set: string, value: string): string => `${verb} element ${HOST_TABLE} ${set} { ${value} }\n`
  return element('bridges', name) + element('own', `${name} . ${bridge.subnet}`)
    + (bridge.icc ? element('within', `${name} . ${name}`) : '')
    + (bridge.internal ? element('internal', name) : '')
    + (bridge.masquerade && !bridge.internal ? element('outgoing', bridge.subnet) : '')
}

function portMap(port: PublishedPort): string { return port.hostIp === '0.0.0.0' ? 'published' : 'published_on' }
function portKey(port: PublishedPort): string {
  return `${port.hostIp === '0.0.0.0' ? '' : `${port.hostIp} . `}${port.protocol} . ${port.hostPort}`
}
