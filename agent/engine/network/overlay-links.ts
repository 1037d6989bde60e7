import type { OverlayTable } from '../../../src/api/engine/overlay.ts'
import type { LinkOperation } from '../../kernel/links.ts'
import { macOf } from './ipv4.ts'
import { ownAddress, SANDBOX_BRIDGE, SANDBOX_TUNNEL, virtualIps } from './overlay-rules.ts'

/** VXLAN takes 50 bytes of an underlay packet of 1500. */
export const OVERLAY_MTU = 1450

/** What a sandbox's links have to hold: addresses of the bridge, and where remote addresses live. Pure. */
export interface OverlayLinks {
  /** CIDRs of the bridge. */
  readonly addresses: readonly string[]
  /** Address on the network -> IP of the host that has it. */
  readonly remotes: ReadonlyMap<string, string>
}

/** @param hostAddresses the daemon's own IPs: what lives there is reached without the tunnel */
export function overlayLinks(table: OverlayTable, hostAddresses: ReadonlySet<string>): OverlayLinks {
  const own = ownAddress(table)
  const prefix = table.subnet.split('/')[1] ?? '24'
  const remotes = new Map<string, string>()
  for (const { address, dataAddress } of [...table.nodes, ...table.endpoints]) {
    const ip = address.split('/')[0] ?? address
    if (ip !== '' && ip !== own && dataAddress !== '' && !hostAddresses.has(dataAddress)) remotes.set(ip, dataAddress)
  }
  const single = [...(table.gateway === own || table.gateway === '' ? [] : [table.gateway]), ...virtualIps(table)]
  return { addresses: [`${own}/${prefix}`, ...single.map(ip => `${ip}/32`)], remotes }
}

/** Operations that turn one state into the next. Adding what is there is harmless, so `from` may be less than what the kernel has. */
export function changeLinks(from: OverlayLinks | undefined, to: OverlayLinks): LinkOperation[] {
  const operations: LinkOperation[] = []
  const before = new Set(from?.addresses)
  const after = new Set(to.addresses)
  for (const cidr of before) if (!after.has(cidr)) operations.push({ kind: 'delete-address', link: SANDBOX_BRIDGE, cidr })
  for (const cidr of after) if (!before.has(cidr)) operations.push({ kind: 'add-address', link: SANDBOX_BRIDGE, cidr })
  for (const [ip, host] of from?.remotes ?? []) {
    const next = to.remotes.get(ip)
    if (next === undefined) operations.push(...remote('delete', ip, host))
    else if (next !== host) operations.push({ kind: 'delete-forwarding', link: SANDBOX_TUNNEL, mac: macOf(ip), host })
  }
  for (const [ip, host] of to.remotes) if (from?.remotes.get(ip) !== host) operations.push(...remote('add', ip, host))
  return operations
}

/** The tunnel answers ARP for the address, the bridge sends its frames to the tunnel, the tunnel to the host. */
function remote(verb: 'add' | 'delete', ip: string, host: string): LinkOperation[] {
  const mac = macOf(ip)
  return [
    { kind: `${verb}-forwarding`, link: SANDBOX_TUNNEL, mac, host },
    { kind: `${verb}-forwarding`, link: SANDBOX_TUNNEL, mac },
    { kind: `${verb}-neighbour`, link: SANDBOX_TUNNEL, ip, mac },
  ]
}
