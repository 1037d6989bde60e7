import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import type { AttachableNetwork } from './attachable-network.ts'
import { AddressPool } from './ipam.ts'
import { macOf } from './ipv4.ts'
import type { BridgeSettings, EndpointRecord, NetworkRecord } from './network-records.ts'

/** One bridge in the daemon's namespace and the addresses of its subnet. */
export class BridgeNetwork implements AttachableNetwork {
  readonly id: string
  readonly name: string
  readonly driver = 'bridge'
  readonly settings: BridgeSettings
  readonly #addresses: AddressPool
  readonly #kernel: NetworkKernel

  constructor(kernel: NetworkKernel, record: NetworkRecord & { readonly bridge: BridgeSettings }) {
    this.#kernel = kernel
    this.id = record.id
    this.name = record.name
    this.settings = record.bridge
    this.#addresses = new AddressPool(this.settings.subnet, { range: this.settings.range, reserved: [this.settings.gateway, ...this.settings.auxiliary] })
  }

  get prefix(): number { return Number(this.settings.subnet.split('/')[1]) }
  get isInternal(): boolean { return this.settings.internal }
  get gateway(): string { return this.isInternal ? '' : this.settings.gateway }
  get defaultHostIp(): string { return this.settings.hostIp }
  allocate(wanted: string): string { return this.#addresses.allocate(wanted) }
  claim(address: string): void { this.#addresses.claim(address) }
  release(address: string): void { this.#addresses.release(address) }

  /** Makes the bridge or sets one right that is there, e.g. after a restart of the daemon. */
  up(): void {
    const { name, gateway, mtu, icc } = this.settings
    const isThere = this.#kernel.links.list(undefined).some(link => link.name === name)
    const wanted = `${gateway}/${this.prefix}`
    const stale = isThere ? this.#kernel.links.addresses(undefined).filter(({ link, cidr }) => link === name && cidr !== wanted) : []
    this.#kernel.links.apply(undefined, [
      // A MAC of its own, or the bridge would change it as ports come and go.
      ...(isThere ? [] : [{ kind: 'add-bridge', name, mac: macOf(gateway), mtu, isFiltered: !icc } as const]),
      ...stale.map(({ cidr }) => ({ kind: 'delete-address', link: name, cidr } as const)),
      { kind: 'add-address', link: name, cidr: wanted },
      { kind: 'set-link', name, up: true },
    ])
    // So that 127.0.0.1:port of the host can be sent into the bridge; the firewall keeps containers from using it the other way.
    this.#kernel.netns.writeSysctl(undefined, `ipv4/conf/${name}/route_localnet`, '1')
  }

  async down(): Promise<void> {
    await this.#kernel.links.remove(undefined, this.settings.name)
  }

  plug(netns: string, endpoint: EndpointRecord): void {
    const { name, mtu } = this.settings
    this.#kernel.links.apply(undefined, [
      { kind: 'add-veth', name: endpoint.hostLink, mtu, peer: { name: endpoint.link, netns, mac: endpoint.mac } },
      { kind: 'set-link', name: endpoint.hostLink, master: name, up: true },
      // Hairpin: where the host has br_netfilter, a container's call to its own published port is turned round on the bridge.
      { kind: 'set-port', name: endpoint.hostLink, hairpin: true },
    ])
    this.#kernel.links.apply(netns, [
      { kind: 'add-address', link: endpoint.link, cidr: `${endpoint.address}/${endpoint.prefix}` },
      { kind: 'set-link', name: endpoint.link, up: true },
    ])
  }

  async unplug(endpoint: EndpointRecord): Promise<void> {
    await this.#kernel.links.remove(undefined, endpoint.hostLink)
  }
}
