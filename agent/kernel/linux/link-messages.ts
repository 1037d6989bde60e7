import { ipBytes } from '../../../src/base/ip-address.ts'
import type { LinkOperation } from '../links.ts'
import { attribute, ipv4, mac, nested, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, text, u16, u16be, u32, u8 } from './netlink-message.ts'

/** rtnetlink requests (linux/rtnetlink.h, if_link.h, if_addr.h, neighbour.h) for link operations. Pure. */
export interface LinkRequest { readonly type: number; readonly flags: number; readonly parts: readonly Uint8Array[] }
export interface Lookups {
  /** Interface index in the namespace of the request. */
  index(name: string): number
  /** An open descriptor of the namespace. */
  netnsFd(path: string): number
}

const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_SETLINK = 19
const RTM_NEWADDR = 20
const RTM_DELADDR = 21
const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25
const RTM_NEWNEIGH = 28
const RTM_DELNEIGH = 29
const RTM_NEWRULE = 32
const RTM_DELRULE = 33
const AF_INET = 2
const AF_INET6 = 10
const IFA_F_NODAD = 2
const AF_BRIDGE = 7
const IFLA = { address: 1, name: 3, mtu: 4, link: 5, master: 10, portInfo: 12, linkInfo: 18, group: 27, netnsFd: 28 }
const INFO = { kind: 1, data: 2 }
const VETH_INFO_PEER = 1
const BRIDGE = { multicastSnooping: 23, callIptables: 36, callIp6tables: 37 }
const PORT = { hairpin: 4 }
const VXLAN = { id: 1, learning: 7, proxy: 11, port: 15 }
const VLAN_ID = 1
/** linux/if_link.h: enum macvlan_mode, and IFLA_MACVLAN_MODE, IFLA_IPVLAN_MODE, IFLA_IPVLAN_FLAGS */
const MACVLAN_MODE = { private: 1, vepa: 2, bridge: 4, passthru: 8 }
const IPVLAN_MODE = { l2: 0, l3: 1, l3s: 2 }
const IPVLAN_FLAG = { bridge: 0, private: 1, vepa: 2 }
const SHARED_MODE = 1
const SHARED_FLAGS = 2
const IFF_UP = 1
const NEW = NLM_F_CREATE | NLM_F_EXCL
const REPLACE = NLM_F_CREATE | NLM_F_REPLACE
/** linux/fib_rules.h */
const RULE = { priority: 6, mark: 10, suppressPrefixLength: 14, table: 15, protocol: 22, sourcePorts: 23 }
const RULE_TO_TABLE = 1
const IPPROTO_UDP = 17
/** linux/rtnetlink.h: RTA_* */
const ROUTE = { destination: 1, link: 4, gateway: 5, source: 7, table: 15 }
const SCOPE_LINK = 253
const TABLE_MAIN = 254
const PROTOCOL_STATIC = 4
const NUD_PERMANENT = 0x80
const NUD_STATIC = 0x40
const NTF_SELF = 2
const NTF_MASTER = 4

export function linkRequest(operation: LinkOperation, lookups: Lookups): LinkRequest {
  switch (operation.kind) {
    case 'add-bridge': return newLink([
      attribute(IFLA.name, text(operation.name)), ...common(operation),
      nested(IFLA.linkInfo, attribute(INFO.kind, text('bridge')), nested(INFO.data,
        attribute(BRIDGE.multicastSnooping, u8(0)), ...(operation.isFiltered === true ? [attribute(BRIDGE.callIptables, u8(1)), attribute(BRIDGE.callIp6tables, u8(1))] : []))),
    ])
    case 'add-veth': return newLink([
      attribute(IFLA.name, text(operation.name)), ...common({ mtu: operation.mtu }),
      nested(IFLA.linkInfo, attribute(INFO.kind, text('veth')), nested(INFO.data, nested(VETH_INFO_PEER, ...vethPeer(operation, lookups)))),
    ])
    case 'add-vxlan': return newLink([
      attribute(IFLA.name, text(operation.name)), ...common({ mtu: operation.mtu }), attribute(IFLA.netnsFd, u32(lookups.netnsFd(operation.into))),
      nested(IFLA.linkInfo, attribute(INFO.kind, text('vxlan')), nested(INFO.data,
        attribute(VXLAN.id, u32(operation.vni)), attribute(VXLAN.learning, u8(0)), attribute(VXLAN.proxy, u8(1)), attribute(VXLAN.port, u16be(operation.port)))),
    ])
    case 'add-macvlan': return sharedLink(operation, lookups, 'macvlan', attribute(SHARED_MODE, u32(MACVLAN_MODE[operation.mode])))
    case 'add-ipvlan': return sharedLink(operation, lookups, 'ipvlan', attribute(SHARED_MODE, u16(IPVLAN_MODE[operation.mode])), attribute(SHARED_FLAGS, u16(IPVLAN_FLAG[operation.flag])))
    case 'add-vlan': return newLink([
      attribute(IFLA.name, text(operation.name)), attribute(IFLA.link, u32(lookups.index(operation.parent))),
      nested(IFLA.linkInfo, attribute(INFO.kind, text('vlan')), nested(INFO.data, attribute(VLAN_ID, u16(operation.id)))),
    ])
    case 'add-dummy': return newLink([attribute(IFLA.name, text(operation.name)), nested(IFLA.linkInfo, attribute(INFO.kind, text('dummy')))])
    case 'set-link': return setLink(operation, lookups)
    case 'set-port': return {
      type: RTM_SETLINK, flags: 0,
      parts: [linkHeader(lookups.index(operation.name), { family: AF_BRIDGE }), nested(IFLA.portInfo,
        attribute(PORT.hairpin, u8(Number(operation.hairpin))))],
    }
    case 'add-address': return { type: RTM_NEWADDR, flags: NEW, parts: addressParts(operation, lookups) }
    case 'delete-address': return { type: RTM_DELADDR, flags: 0, parts: addressParts(operation, lookups) }
    case 'add-route': return { type: RTM_NEWROUTE, flags: REPLACE, parts: routeParts(operation, lookups) }
    case 'delete-route': return { type: RTM_DELROUTE, flags: 0, parts: routeParts(operation, lookups) }
    case 'add-rule': return { type: RTM_NEWRULE, flags: NEW, parts: ruleParts(operation) }
    case 'delete-rule': return { type: RTM_DELRULE, flags: 0, parts: ruleParts(operation) }
    case 'add-neighbour': return { type: RTM_NEWNEIGH, flags: REPLACE, parts: neighbourParts(operation, lookups) }
    case 'delete-neighbour': return { type: RTM_DELNEIGH, flags: 0, parts: neighbourParts(operation, lookups) }
    case 'add-forwarding': return { type: RTM_NEWNEIGH, flags: REPLACE, parts: forwardingParts(operation, lookups) }
    case 'delete-forwarding': return { type: RTM_DELNEIGH, flags: 0, parts: forwardingParts(operation, lookups) }
  }
}

export function deleteLinkRequest(index: number): LinkRequest { return { type: RTM_DELLINK, flags: 0, parts: [linkHeader(index)] } }
/** Puts a link into a group. */
export function groupRequest(index: number, group: number): LinkRequest { return { type: RTM_NEWLINK, flags: 0, parts: [linkHeader(index), attribute(IFLA.group, u32(group))] } }
/** Deletes every link of a group. */
export function deleteGroupRequest(group: number): LinkRequest { return { type: RTM_DELLINK, flags: 0, parts: [linkHeader(0), attribute(IFLA.group, u32(group))] } }

type Of<K extends LinkOperation['kind']> = Extract<LinkOperation, { readonly kind: K }>

function newLink(attributes: readonly Uint8Array[]): LinkRequest {
  return { type: RTM_NEWLINK, flags: NEW, parts: [linkHeader(0), ...attributes] }
}

function setLink(operation: Of<'set-link'>, lookups: Lookups): LinkRequest {
  const up = operation.up === undefined ? {} : { flags: operation.up ? IFF_UP : 0, change: IFF_UP }
  return {
    type: RTM_NEWLINK, flags: 0,
    parts: [
      linkHeader(lookups.index(operation.name), up), ...common(operation),
      ...(operation.rename === undefined ? [] : [attribute(IFLA.name, text(operation.rename))]),
      ...(operation.master === undefined ? [] : [attribute(IFLA.master, u32(lookups.index(operation.master)))]),
    ],
  }
}

function sharedLink(operation: Of<'add-macvlan' | 'add-ipvlan'>, lookups: Lookups, kind: string, ...data: readonly Uint8Array[]): LinkRequest {
  return newLink([
    attribute(IFLA.name, text(operation.name)), ...common({ mac: 'mac' in operation ? operation.mac : undefined, mtu: operation.mtu }),
    attribute(IFLA.link, u32(lookups.index(operation.parent))), attribute(IFLA.netnsFd, u32(lookups.netnsFd(operation.into))),
    nested(IFLA.linkInfo, attribute(INFO.kind, text(kind)), nested(INFO.data, ...data)),
  ])
}

function common(operation: { readonly mac?: string | undefined; readonly mtu?: number | undefined }): Buffer[] {
  return [
    ...(operation.mac === undefined ? [] : [attribute(IFLA.address, mac(operation.mac))]),
    ...(operation.mtu === undefined ? [] : [attribute(IFLA.mtu, u32(operation.mtu))]),
  ]
}

function vethPeer({ peer, mtu }: Of<'add-veth'>, lookups: Lookups): Buffer[] {
  return [
    linkHeader(0), attribute(IFLA.name, text(peer.name)), ...common({ mac: peer.mac, mtu }),
    ...(peer.netns === undefined ? [] : [attribute(IFLA.netnsFd, u32(lookups.netnsFd(peer.netns)))]),
  ]
}

/** struct ifinfomsg */
function linkHeader(index: number, options: { readonly family?: number; readonly flags?: number; readonly change?: number } = {}): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt8(options.family ?? 0, 0)
  header.writeInt32LE(index, 4)
  header.writeUInt32LE(options.flags ?? 0, 8)
  header.writeUInt32LE(options.change ?? 0, 12)
  return header
}

/** struct ifaddrmsg */
function addressParts(operation: Of<'add-address' | 'delete-address'>, lookups: Lookups): Buffer[] {
  const [ip, prefix] = splitCidr(operation.cidr)
  const isIpv6 = ip.includes(':')
  const header = Buffer.of(isIpv6 ? AF_INET6 : AF_INET, prefix, isIpv6 && operation.kind === 'add-address' ? IFA_F_NODAD : 0, ip.startsWith('127.') ? 254 : 0, 0, 0, 0, 0)
  header.writeUInt32LE(lookups.index(operation.link), 4)
  const hasBroadcast = !isIpv6 && prefix < 31 && operation.kind === 'add-address' && !ip.startsWith('127.')
  return [header, attribute(2, ipBytes(ip)), attribute(1, ipBytes(ip)), ...(hasBroadcast ? [attribute(4, broadcastOf(ip, prefix))] : [])]
}

function broadcastOf(ip: string, prefix: number): Buffer {
  const last = Buffer.alloc(4)
  last.writeUInt32BE((ipBytes(ip).readUInt32BE() | (0xffffffff >>> prefix)) >>> 0)
  return last
}

/** struct rtmsg */
function routeParts(operation: Of<'add-route' | 'delete-route'>, lookups: Lookups): Buffer[] {
  const isIpv6 = operation.to.includes(':') || operation.to === 'default6' || operation.via?.includes(':') === true
  const [ip, prefix] = operation.to.startsWith('default') ? ['', 0] as const : splitCidr(operation.to)
  const scope = operation.via === undefined && !isIpv6 ? SCOPE_LINK : 0
  return [
    Buffer.of(isIpv6 ? AF_INET6 : AF_INET, prefix, 0, 0, operation.table === undefined ? TABLE_MAIN : 0, PROTOCOL_STATIC, scope, 1, 0, 0, 0, 0),
    ...(prefix === 0 ? [] : [attribute(ROUTE.destination, ipBytes(ip))]),
    ...(operation.via === undefined ? [] : [attribute(ROUTE.gateway, ipBytes(operation.via))]),
    ...(operation.link === undefined ? [] : [attribute(ROUTE.link, u32(lookups.index(operation.link)))]),
    ...(operation.source === undefined ? [] : [attribute(ROUTE.source, ipBytes(operation.source))]),
    ...(operation.table === undefined ? [] : [attribute(ROUTE.table, u32(operation.table))]),
  ]
}

/** struct fib_rule_hdr */
function ruleParts(operation: Of<'add-rule' | 'delete-rule'>): Buffer[] {
  const { priority, table, mark, udpSourcePort, isDefaultIgnored } = operation
  return [
    Buffer.of(AF_INET, 0, 0, 0, 0, 0, 0, RULE_TO_TABLE, 0, 0, 0, 0),
    attribute(RULE.priority, u32(priority)), attribute(RULE.table, u32(table)),
    ...(mark === undefined ? [] : [attribute(RULE.mark, u32(mark))]),
    ...(udpSourcePort === undefined ? [] : [attribute(RULE.protocol, u8(IPPROTO_UDP)), attribute(RULE.sourcePorts, portRange(udpSourcePort))]),
    ...(isDefaultIgnored === true ? [attribute(RULE.suppressPrefixLength, u32(0))] : []),
  ]
}

function portRange(port: number): Buffer {
  const range = Buffer.alloc(4)
  range.writeUInt16LE(port, 0)
  range.writeUInt16LE(port, 2)
  return range
}

function neighbourParts(operation: Of<'add-neighbour' | 'delete-neighbour'>, lookups: Lookups): Buffer[] {
  return [neighbourHeader(AF_INET, lookups.index(operation.link), NUD_PERMANENT, 0), attribute(1, ipv4(operation.ip)), attribute(2, mac(operation.mac))]
}

function forwardingParts(operation: Of<'add-forwarding' | 'delete-forwarding'>, lookups: Lookups): Buffer[] {
  const index = lookups.index(operation.link)
  if (operation.host === undefined) return [neighbourHeader(AF_BRIDGE, index, NUD_STATIC, NTF_MASTER), attribute(2, mac(operation.mac))]
  return [neighbourHeader(AF_BRIDGE, index, NUD_PERMANENT, NTF_SELF), attribute(2, mac(operation.mac)), attribute(1, ipv4(operation.host))]
}

/** struct ndmsg */
function neighbourHeader(family: number, index: number, state: number, flags: number): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt8(family, 0)
  header.writeInt32LE(index, 4)
  header.writeUInt16LE(state, 8)
  header.writeUInt8(flags, 10)
  return header
}

function splitCidr(cidr: string): readonly [ip: string, prefix: number] {
  const [ip = '', prefix = '32'] = cidr.split('/')
  return [ip, Number(prefix)]
}
