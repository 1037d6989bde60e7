import type { NetnsPath } from './netns.ts'

/** The connection tracking table of one namespace. */
export interface Conntrack {
  /** Forgets connections whose replies come from one of these IPv4 addresses; resolves to how many. For backends that were taken away. */
  deleteByReplySource(netns: NetnsPath, addresses: { readonly tcp: ReadonlySet<string>; readonly udp: ReadonlySet<string> }): Promise<number>
  /** Forgets UDP connections that were first sent to one of these ports; resolves to how many. For published ports that appear or go. */
  deleteUdpByDestinationPort(netns: NetnsPath, ports: ReadonlySet<number>): Promise<number>
}
