import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import type { AttachableNetwork } from './attachable-network.ts'
import { bringEndpointUp } from './endpoint-links.ts'
import { NetworkPools } from './network-pools.ts'
import type { EndpointRecord, NetworkRecord, SharedLinkSettings } from './network-records.ts'

type MacvlanMode = 'bridge' | 'private' | 'vepa' | 'passthru'
type IpvlanMode = 'l2' | 'l3' | 'l3s'
type IpvlanFlag = 'bridge' | 'private' | 'vepa'

/** Containers with interfaces of their own on a link of the host (macvlan), or with addresses of their own on it (ipvlan). */
export class SharedLinkNetwork implements AttachableNetwork {
  readonly id: string
  readonly name: string
  readonly driver: 'macvlan' | 'ipvlan'
  readonly isInternal: boolean
  readonly defaultHostIp = '0.0.0.0'
  readonly linkPrefix = 'eth'
  readonly settings: SharedLinkSettings
  readonly addresses: NetworkPools
  readonly #kernel: NetworkKernel

  constructor(kernel: NetworkKernel, record: NetworkRecord & { readonly shared: SharedLinkSettings }) {
    this.#kernel = kernel
    this.id = record.id
    this.name = record.name
    this.driver = record.driver === 'ipvlan' ? 'ipvlan' : 'macvlan'
    // A link that leads nowhere is what Docker gives a network without a parent.
    this.isInternal = record.internal || (record.shared.isParentOurs && !/\.\d+$/.test(record.shared.parent))
    this.settings = record.shared
    this.addresses = new NetworkPools(record.shared.subnets, { hasGateways: !this.isInternal && !this.isDirect })
  }

  get hasWayOut(): boolean { return !this.isInternal }
  get isDirect(): boolean { return this.driver === 'ipvlan' && this.settings.mode !== 'l2' && !this.isInternal }

  isRouted(): boolean { return false }

  /** Makes the parent if it is ours to make. @throws `rtnetlink-failed` when the kernel lacks its kind, `no-such-link` */
  up(): void {
    const { parent, isParentOurs } = this.settings
    if (isParentOurs && !this.#kernel.links.list(undefined).some(link => link.name === parent)) {
      const [, base = '', id = ''] = /^(.+)\.(\d+)$/.exec(parent) ?? []
      this.#kernel.links.apply(undefined, [base === '' ? { kind: 'add-dummy', name: parent } : { kind: 'add-vlan', name: parent, parent: base, id: Number(id) }])
    }
    if (isParentOurs) this.#kernel.links.apply(undefined, [{ kind: 'set-link', name: parent, up: true }])
  }

  async down(): Promise<void> {
    if (this.settings.isParentOurs) await this.#kernel.links.remove(undefined, this.settings.parent)
  }

  plug(netns: string, endpoint: EndpointRecord): void {
    const { parent, mode, flag, mtu } = this.settings
    const common = { name: endpoint.link, parent, into: netns, ...(mtu === undefined ? {} : { mtu }) }
    this.#kernel.links.apply(undefined, [this.driver === 'macvlan'
      ? { kind: 'add-macvlan', ...common, mode: mode as MacvlanMode, mac: endpoint.mac }
      : { kind: 'add-ipvlan', ...common, mode: mode as IpvlanMode, flag: flag as IpvlanFlag }])
    bringEndpointUp(this.#kernel, netns, endpoint)
  }

  async unplug(netns: string, endpoint: EndpointRecord): Promise<void> {
    if (this.#kernel.netns.exists(netns)) await this.#kernel.links.remove(netns, endpoint.link)
  }
}
