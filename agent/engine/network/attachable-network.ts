import type { AddressSource } from './network-pools.ts'
import type { EndpointRecord } from './network-records.ts'

/** What containers can be plugged into. */
export interface AttachableNetwork {
  readonly id: string
  readonly name: string
  readonly driver: 'bridge' | 'overlay' | 'macvlan' | 'ipvlan'
  readonly isInternal: boolean
  /** It leads outside by itself. */
  readonly hasWayOut: boolean
  /** Host address of published ports that name none. */
  readonly defaultHostIp: string
  /** Names of interfaces in containers begin with this. */
  readonly linkPrefix: string
  /** Endpoints send through the interface without a gateway. */
  readonly isDirect: boolean
  /** Its containers are reached at their own addresses: ports are opened rather than published. */
  isRouted(family: 4 | 6): boolean
  readonly addresses: AddressSource
  /** Puts the interface into `netns`, up and with its addresses; routes are the caller's business. */
  plug(netns: string, endpoint: EndpointRecord): void
  /** Takes the interface away. Gone: nothing happens. */
  unplug(netns: string, endpoint: EndpointRecord): Promise<void>
}
