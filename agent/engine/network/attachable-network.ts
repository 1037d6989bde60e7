import type { EndpointRecord } from './network-records.ts'

/** What containers can be plugged into: a bridge or an overlay.  */
export interface AttachableNetwork {
  readonly id: string
  readonly name: string
  readonly driver: 'bridge' | 'overlay'
  readonly isInternal: boolean
  /** Length of the subnet's prefix. */
  readonly prefix: number
  /** The address that leads outside; empty when none does. */
  readonly gateway: string
  /** Host address of published ports that name none. */
  readonly defaultHostIp: string
  /** Takes an address. @throws `address-in-use`, `address-outside-subnet`, `no-free-address`, `overlay-address-missing` */
  allocate(wanted: string): string
  /** Marks the address of an endpoint that was there before a restart as taken. */
  claim(address: string): void
  release(address: string): void
  /** Puts the interface into `netns`, up and with its address; routes are the caller's business. */
  plug(netns: string, endpoint: EndpointRecord): void
  /** Takes the interface away. Gone: nothing happens. */
  unplug(endpoint: EndpointRecord): Promise<void>
}
