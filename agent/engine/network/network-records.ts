import type { IPAM } from '../../../src/api/engine/engine-json.ts'
import type { OverlayTable } from '../../../src/api/engine/overlay.ts'
import type { NetworkedContainer } from './container-networks.ts'

/** A network of this host as it is kept on disk. */
export interface NetworkRecord {
  readonly id: string
  readonly name: string
  readonly driver: 'bridge' | 'host' | 'null'
  /** RFC 3339. */
  readonly created: string
  readonly internal: boolean
  readonly attachable: boolean
  readonly options: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  readonly ipam: IPAM
  /** Absent for host and null. */
  readonly bridge?: BridgeSettings
}

export interface BridgeSettings {
  /** Name of the interface. */
  readonly name: string
  readonly subnet: string
  readonly gateway: string
  readonly range?: string | undefined
  readonly auxiliary: readonly string[]
  /** False: containers on it do not reach each other. */
  readonly icc: boolean
  readonly masquerade: boolean
  readonly mtu: number
  /** For published ports that name no host address. */
  readonly hostIp: string
  readonly internal: boolean
}

/** One interface of a container. */
export interface EndpointRecord {
  readonly id: string
  readonly networkId: string
  readonly networkName: string
  readonly driver: 'bridge' | 'overlay'
  /** docker_gwbridge, added for outside traffic: not shown in the container's networks. */
  readonly isHidden: boolean
  readonly address: string
  readonly prefix: number
  /** Empty when there is none. */
  readonly gateway: string
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

export interface PublishedPort {
  readonly protocol: 'tcp' | 'udp'
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
