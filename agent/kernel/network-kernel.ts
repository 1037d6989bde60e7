import type { Conntrack } from './conntrack.ts'
import type { NetnsSockets } from './dns-sockets.ts'
import type { Links } from './links.ts'
import type { Modules } from './modules.ts'
import type { Netns } from './netns.ts'
import type { Nft } from './nft.ts'

/** Every question the network side asks of Linux. Real: linux/linux-network-kernel.ts; twin: fake-network-kernel.ts. */
export interface NetworkKernel {
  readonly netns: Netns
  readonly links: Links
  readonly nft: Nft
  readonly conntrack: Conntrack
  readonly sockets: NetnsSockets
  readonly modules: Modules
  /** This kernel knows IPv6. */
  readonly hasIpv6: boolean
}
