import { familyOf } from '../../../src/base/ip-address.ts'
import type { LinkOperation } from '../../kernel/links.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import type { AttachableNetwork } from './attachable-network.ts'
import { bringEndpointUp } from './endpoint-links.ts'
import { macOf } from './ipv4.ts'
import { NetworkPools } from './network-pools.ts'
import type { BridgeSettings, EndpointRecord, NetworkRecord } from './network-records.ts'

/** One bridge in the daemon's namespace and the addresses of its subnets. */
export class BridgeNetwork implements AttachableNetwork {
  readonly id: string
  readonly name: string
  readonly driver = 'bridge'
  readonly isDirect = false
  readonly settings: BridgeSettings
  readonly addresses: NetworkPools
  readonly #kernel: NetworkKernel

  constructor(kernel: NetworkKernel, record: NetworkRecord & { readonly bridge: BridgeSettings }) {
    this.#kernel = kernel
    this.id = record.id
    this.name = record.name
    this.settings = record.bridge
    const { subnet, ipv6 } = this.settings
    this.addresses = new NetworkPools([...(subnet === '' ? [] : [this.settings]), ...(ipv6 === undefined ? [] : [ipv6])], { hasGateways: !this.isInternal })
  }

  /** Of its IPv4 subnet. */
  get prefix(): number { return Number(this.settings.subnet.split('/')[1]) }
  get gateway(): string { return this.isInternal ? '' : this.settings.gateway }
  get isInternal(): boolean { return this.settings.internal }
  get hasWayOut(): boolean { return !this.isInternal }
  get defaultHostIp(): string { return this.settings.hostIp }
  get linkPrefix(): string { return this.settings.linkPrefix ?? 'eth' }

  isRouted(family: 4 | 6): boolean { return (family === 4 ? this.settings.gatewayMode : this.settings.gatewayMode6) === 'routed' }

  /** Makes the bridge or sets one right that is there, e.g. after a restart of the daemon. */
  up(): void {
    const { name, mtu, icc, ipv6, isForeign } = this.settings
    const isThere = this.#kernel.links.list(undefined).some(link => link.name === name)
    if (!isThere) this.#kernel.links.apply(undefined, [{ kind: 'add-bridge', name, mac: macOf(this.settings.gateway === '' ? ipv6?.gateway ?? '' : this.settings.gateway), mtu, isFiltered: !icc }])
    if (ipv6 !== undefined) this.#enableIpv6()
    else if (this.#kernel.hasIpv6 && isForeign !== true) this.#kernel.netns.writeSysctl(undefined, `ipv6/conf/${name}/disable_ipv6`, '1')
    const wanted = this.#ownAddresses()
    const families = new Set(wanted.map(familyOf))
    const stale = isThere ? this.#kernel.links.addresses(undefined).filter(({ link, cidr }) => link === name && families.has(familyOf(cidr)) && !wanted.includes(cidr)) : []
    this.#kernel.links.apply(undefined, [
      ...(isForeign === true ? [] : stale.map(({ cidr }): LinkOperation => ({ kind: 'delete-address', link: name, cidr }))),
      ...wanted.map((cidr): LinkOperation => ({ kind: 'add-address', link: name, cidr })),
      { kind: 'set-link', name, up: true },
    ])
    // So that 127.0.0.1:port of the host can be sent into the bridge; the firewall keeps containers from using it the other way.
    this.#kernel.netns.writeSysctl(undefined, `ipv4/conf/${name}/route_localnet`, '1')
  }

  async down(): Promise<void> {
    if (this.settings.isForeign !== true) await this.#kernel.links.remove(undefined, this.settings.name)
  }

  plug(netns: string, endpoint: EndpointRecord): void {
    const { name, mtu } = this.settings
    this.#kernel.links.apply(undefined, [
      { kind: 'add-veth', name: endpoint.hostLink, mtu, peer: { name: endpoint.link, netns, mac: endpoint.mac } },
      { kind: 'set-link', name: endpoint.hostLink, master: name, up: true },
      // Hairpin: where the host has br_netfilter, a container's call to its own published port is turned round on the bridge.
      { kind: 'set-port', name: endpoint.hostLink, hairpin: true },
    ])
    bringEndpointUp(this.#kernel, netns, endpoint)
  }

  async unplug(_netns: string, endpoint: EndpointRecord): Promise<void> {
    await this.#kernel.links.remove(undefined, endpoint.hostLink)
  }

  /** What the bridge itself has; an isolated one keeps the host out. */
  #ownAddresses(): readonly string[] {
    const { subnet, gateway, ipv6, gatewayMode, gatewayMode6, hasNoAddress } = this.settings
    return [
      ...(subnet === '' || hasNoAddress === true || gatewayMode === 'isolated' ? [] : [`${gateway}/${this.prefix}`]),
      ...(ipv6 === undefined || gatewayMode6 === 'isolated' ? [] : [`${ipv6.gateway}/${ipv6.subnet.split('/')[1] ?? ''}`]),
    ]
  }

  #enableIpv6(): void {
    const { name } = this.settings
    for (const [key, value] of [['disable_ipv6', '0'], ['accept_ra', '0'], ['accept_dad', '0']] as const) this.#kernel.netns.writeSysctl(undefined, `ipv6/conf/${name}/${key}`, value)
  }
}
