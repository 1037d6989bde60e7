import type { IPAM } from '../../../src/api/engine/engine-json.ts'
import type { OverlayTable } from '../../../src/api/engine/overlay.ts'
import type { NetworkedContainer } from './container-networks.ts'
import type { SubnetSettings } from './network-pools.ts'

/** A network of this host as it is kept on disk. */
export interface NetworkRecord {
  readonly id: string
  readonly name: string
  readonly driver: 'bridge' | 'host' | 'null' | 'macvlan' | 'ipvlan'
  /** RFC 3339. */
  readonly created: string
  readonly internal: boolean
  readonly attachable: boolean
  /** Only settings for others to be made from. */
  readonly configOnly?: boolean
  /** Name of the network that its settings come from. */
  readonly configFrom?: string
  /** Absent in records of before: IPv4 alone. */
  readonly hasIpv4?: boolean
  readonly hasIpv6?: boolean
  /** Families whose subnets the user gave; absent in records of before: not known. */
  readonly hasOwnSubnets?: readonly (4 | 6)[]
  readonly options: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  readonly ipam: IPAM
  readonly bridge?: BridgeSettings
  /** Of macvlan and ipvlan. */
  readonly shared?: SharedLinkSettings
}

/** What the outside sees of containers: nat hides them behind the host's addresses; routed shows their own, published ports alone are open; nat-unprotected leaves all ports open; isolated gives the host no address. */
export type GatewayMode = 'nat' | 'routed' | 'isolated' | 'nat-unprotected'

/** The subnet members are those of IPv4, empty when there is none. */
export interface BridgeSettings extends SubnetSettings {
  /** Name of the interface. */
  readonly name: string
  readonly ipv6?: SubnetSettings
  /** False: containers on it do not reach each other. */
  readonly icc: boolean
  readonly masquerade: boolean
  readonly mtu: number
  /** For published ports that name no host address. */
  readonly hostIp: string
  readonly internal: boolean
  // Absent in records of before.
  readonly gatewayMode?: GatewayMode
  readonly gatewayMode6?: GatewayMode
  /** The bridge has no IPv4 address: its gateway is elsewhere. */
  readonly hasNoAddress?: boolean
  /** Of interfaces in containers: "eth" for eth0, eth1, … */
  readonly linkPrefix?: string
  /** Host interfaces from which containers may be reached directly. */
  readonly trusted?: readonly string[]
  /** The interface was there before us and stays after us. */
  readonly isForeign?: boolean
}

/** Interfaces that share one of the host's. */
export interface SharedLinkSettings {
  readonly parent: string
  /** The parent was made for this network: a VLAN of another link, or a link that leads nowhere. */
  readonly isParentOurs: boolean
  readonly mode: string
  readonly flag: string
  readonly mtu: number | undefined
  readonly subnets: readonly SubnetSettings[]
}

/** One interface of a container. */
export interface EndpointRecord {
  readonly id: string
  readonly networkId: string
  readonly networkName: string
  readonly driver: 'bridge' | 'overlay' | 'macvlan' | 'ipvlan'
  /** docker_gwbridge, added for outside traffic: not shown in the container's networks. */
  readonly isHidden: boolean
  /** Empty when there is none; so are gateways. */
  readonly address: string
  readonly prefix: number
  readonly gateway: string
  // Absent in records of before.
  readonly address6?: string
  readonly prefix6?: number
  readonly gateway6?: string
  readonly wantedAddress6?: string
  readonly linkLocals?: readonly string[]
  /** Everything goes out through the interface, without a gateway (ipvlan l3). */
  readonly isDirect?: boolean
  readonly mac: string
  /** Interface in the container. */
  readonly link: string
  /** The other end, in the daemon's namespace or the overlay's sandbox. */
  readonly hostLink: string
  readonly aliases: readonly string[]
  readonly links: readonly string[]
  readonly wantedAddress: string
  readonly priority: number
  readonly driverOpts: Readonly<Record<string, string>>
}

export type PortProtocol = 'tcp' | 'udp' | 'sctp'

export interface PublishedPort {
  readonly protocol: PortProtocol
  /** The host side is empty and 0 in a network whose containers are reached directly. */
  readonly hostIp: string
  readonly hostPort: number
  readonly containerIp: string
  readonly containerPort: number
}

/** The namespace of a container with all that was set up for it. */
export interface SandboxRecord {
  readonly container: NetworkedContainer
  readonly netnsPath: string
  readonly endpoints: readonly EndpointRecord[]
  readonly ports: readonly PublishedPort[]
}

export interface OverlayRecord {
  readonly table: OverlayTable
  /** The table before: after a crash, entries of both may be in the kernel. */
  readonly previous?: OverlayTable
}
