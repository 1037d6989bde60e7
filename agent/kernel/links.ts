import type { NetnsPath } from './netns.ts'

/** Interfaces, addresses, routes and forwarding entries of one namespace (rtnetlink). */
export interface Links {
  /**
   * Applies in order, stopping at the first failure. Adding what is there and deleting what is gone count as done, except adding a link.
   * @throws `link-exists` (already-exists), `no-such-link` (not-found), `rtnetlink-failed` (internal)
   */
  apply(netns: NetnsPath, operations: readonly LinkOperation[]): void
  /** Deletes a link (a veth with its other end) without blocking: that takes the kernel 20 ms, for many at once as for one. Absent: nothing happens. */
  remove(netns: NetnsPath, name: string): Promise<void>
  list(netns: NetnsPath): readonly LinkInfo[]
  /** Addresses with prefix length, e.g. 10.0.0.1/24, of both families, without link-local ones of IPv6. */
  addresses(netns: NetnsPath): readonly { readonly link: string; readonly cidr: string }[]
}

export type LinkOperation =
  /** isFiltered: packets between its ports pass the rules of the IP layer, whatever the namespace's default is (needs br_netfilter). */
  | { readonly kind: 'add-bridge'; readonly name: string; readonly mac?: string; readonly mtu?: number; readonly isFiltered?: boolean }
  /** A pair: `name` here, `peer` in another namespace (or here when absent). */
  | { readonly kind: 'add-veth'; readonly name: string; readonly mtu?: number; readonly peer: { readonly name: string; readonly netns?: string; readonly mac?: string } }
  /** Created in `into` while its UDP socket stays in the namespace of the call. No learning; answers ARP for known neighbours. */
  | { readonly kind: 'add-vxlan'; readonly name: string; readonly vni: number; readonly port: number; readonly mtu: number; readonly into: string }
  /** Shares the link `parent` of the namespace of the call with others; made in `into`. */
  | { readonly kind: 'add-macvlan'; readonly name: string; readonly parent: string; readonly mode: 'bridge' | 'private' | 'vepa' | 'passthru'; readonly into: string; readonly mac?: string; readonly mtu?: number }
  | { readonly kind: 'add-ipvlan'; readonly name: string; readonly parent: string; readonly mode: 'l2' | 'l3' | 'l3s'; readonly flag: 'bridge' | 'private' | 'vepa'; readonly into: string; readonly mtu?: number }
  | { readonly kind: 'add-vlan'; readonly name: string; readonly parent: string; readonly id: number }
  | { readonly kind: 'add-dummy'; readonly name: string }
  | { readonly kind: 'set-link'; readonly name: string; readonly rename?: string; readonly up?: boolean; readonly mac?: string; readonly mtu?: number; readonly master?: string }
  /** A bridge port with hairpin lets frames leave where they came in. */
  | { readonly kind: 'set-port'; readonly name: string; readonly hairpin: boolean }
  /** IPv6 addresses are there at once: nobody else can have them, so they are not asked for first. */
  | { readonly kind: 'add-address' | 'delete-address'; readonly link: string; readonly cidr: string }
  /** `to` is a CIDR, "default" (of the family of `via`, else IPv4) or "default6"; `table` is the main one when absent; `source` is preferred for packets that have none yet. */
  | { readonly kind: 'add-route' | 'delete-route'; readonly to: string; readonly via?: string; readonly link?: string; readonly table?: number; readonly source?: string }
  /** Which routing table to look into, lowest priority number first, for which packets; isDefaultIgnored: its default routes do not count. */
  | { readonly kind: 'add-rule' | 'delete-rule'; readonly priority: number; readonly table: number; readonly mark?: number; readonly udpSourcePort?: number; readonly isDefaultIgnored?: boolean }
  | { readonly kind: 'add-neighbour' | 'delete-neighbour'; readonly link: string; readonly ip: string; readonly mac: string }
  /** With `host`: the VXLAN device sends frames for `mac` to that host. Without: the bridge sends them to this port. */
  | { readonly kind: 'add-forwarding' | 'delete-forwarding'; readonly link: string; readonly mac: string; readonly host?: string }

export interface LinkInfo {
  readonly index: number
  readonly name: string
  /** bridge, veth, vxlan, …; empty for physical links and lo. */
  readonly kind: string
  readonly mac: string
  readonly mtu: number
  readonly up: boolean
  /** Index of the bridge it is a port of. */
  readonly master: number | undefined
}
