import type { NetnsPath } from './netns.ts'

/** The connection tracking table of one namespace. */
export interface Conntrack {
  /** Forgets connections whose replies come from one of these IPv4 addresses; returns how many. For backends that were taken away. */
  deleteByReplySource(netns: NetnsPath, addresses: ReadonlySet<string>, protocol: 'tcp' | 'udp'): number
  /** Forgets UDP connections that were first sent to one of these ports; returns how many. For published ports that appear or go. */
  deleteUdpByDestinationPort(netns: NetnsPath, ports: ReadonlySet<number>): number
}
