import type { OverlayTable } from '../../../src/api/engine/overlay.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import type { AttachableNetwork } from './attachable-network.ts'
import { contains, formatCidr, macOf, parseCidr, parseIpv4 } from './ipv4.ts'
import type { AddressSource, Allocation, WantedAddresses } from './network-pools.ts'
import type { EndpointRecord } from './network-records.ts'
import { changeLinks, OVERLAY_MTU, overlayLinks, type OverlayLinks } from './overlay-links.ts'
import { addNearSource, changeRules, ownAddress, removedBackends, SANDBOX_BRIDGE, SANDBOX_GATEWAY, SANDBOX_TUNNEL, sandboxTable } from './overlay-rules.ts'

/** Registered with IANA; what a cluster that says nothing else uses. */
const VXLAN_PORT = 4789

/** One overlay network on this host: a namespace with a bridge and a tunnel, that containers are plugged straight into. */
export class OverlayNetwork implements AttachableNetwork, AddressSource {
  readonly driver = 'overlay'
  readonly prefix: number
  /** Outside traffic leaves by a bridge of the host. */
  readonly gateway = ''
  readonly hasWayOut = false
  readonly isDirect = false
  readonly linkPrefix = 'eth'
  readonly defaultHostIp = '0.0.0.0'
  readonly sandboxPath: string
  readonly #kernel: NetworkKernel
  readonly #used = new Set<string>()
  #table: OverlayTable
  #links: OverlayLinks | undefined
  readonly #hostAddresses: ReadonlySet<string>
  /** A change failed half way: the next one writes all rules anew. */
  #isDirty = false

  /** Call build() next. */
  constructor(kernel: NetworkKernel, table: OverlayTable, options: { readonly sandboxPath: string; readonly hostAddresses: ReadonlySet<string> }) {
    this.#kernel = kernel
    this.#table = table
    this.#hostAddresses = options.hostAddresses
    this.sandboxPath = options.sandboxPath
    this.prefix = parseCidr(table.subnet).prefix
  }

  /** Makes the sandbox or sets one right that is there. `previous`: a table whose entries may be in the kernel too. */
  async build(previous: OverlayTable | undefined): Promise<void> {
    this.#build()
    const old = previous === undefined ? undefined : overlayLinks(previous, this.#hostAddresses)
    const wanted = overlayLinks(this.#table, this.#hostAddresses)
    this.#links = wanted
    this.#kernel.links.apply(this.sandboxPath, [...removals(old, wanted), ...changeLinks(undefined, wanted)])
    await this.#kernel.nft.run(this.sandboxPath, sandboxTable(this.#table, this.#nearSources()))
  }

  /** The mesh hides clients of this subnet from now on: containers may be in it themselves. */
  async hideNear(subnet: string): Promise<void> { await this.#kernel.nft.run(this.sandboxPath, addNearSource(subnet)) }

  get addresses(): AddressSource { return this }
  get id(): string { return this.#table.networkId }
  get name(): string { return this.#table.name }
  get table(): OverlayTable { return this.#table }
  get isInternal(): boolean { return this.#table.internal }

  /** Programs what differs. Rules change before the addresses they need go, and after the ones they need came. */
  async change(next: OverlayTable, hostAddresses: ReadonlySet<string>): Promise<void> {
    const links = overlayLinks(next, hostAddresses)
    const operations = changeLinks(this.#links, links)
    const isRemoval = (operation: { readonly kind: string }): boolean => operation.kind.startsWith('delete-')
    const isWhole = this.#isDirty || ownAddress(this.#table) !== ownAddress(next)
    this.#isDirty = true
    if (isWhole) this.#kernel.links.apply(this.sandboxPath, [{ kind: 'set-link', name: SANDBOX_BRIDGE, mac: macOf(ownAddress(next)) }])
    this.#kernel.links.apply(this.sandboxPath, operations.filter(operation => !isRemoval(operation)))
    const rules = !isWhole ? changeRules(this.#table, next) : sandboxTable(next, this.#nearSources())
    if (rules !== '') await this.#kernel.nft.run(this.sandboxPath, rules)
    this.#kernel.links.apply(this.sandboxPath, operations.filter(isRemoval))
    await this.#forgetConnections(next)
    this.#table = next
    this.#links = links
    this.#isDirty = false
  }

  /** @throws `overlay-address-missing` (failed-precondition), `address-in-use` (conflict), `address-outside-subnet` */
  allocate({ address, address6 }: WantedAddresses): Allocation {
    if (address6 !== '') throw new ShoalError('invalid-argument', 'address-outside-subnet', `network ${this.name} has no IPv6 addresses`)
    return { address: this.#take(address), prefix: this.prefix, gateway: this.gateway, address6: '', prefix6: 0, gateway6: '' }
  }

  #take(wanted: string): string {
    if (wanted === '') throw new ShoalError('failed-precondition', 'overlay-address-missing', `network ${this.name} gives its addresses cluster-wide: the attachment must say which one`)
    const ip = wanted.split('/')[0] ?? wanted
    const address = parseIpv4(ip)
    if (address === undefined || !contains(parseCidr(this.#table.subnet), address)) {
      throw new ShoalError('invalid-argument', 'address-outside-subnet', `invalid address ${ip}: it does not belong to the network's subnet ${this.#table.subnet}`)
    }
    if (this.#used.has(ip)) throw new ShoalError('conflict', 'address-in-use', `address ${ip} of network ${this.name} is in use on this host`)
    this.#used.add(ip)
    return ip
  }

  isRouted(): boolean { return false }
  claim({ address }: { readonly address: string }): void { this.#used.add(address) }
  release({ address }: { readonly address: string }): void { this.#used.delete(address) }

  plug(netns: string, endpoint: EndpointRecord): void {
    this.#kernel.links.apply(this.sandboxPath, [
      { kind: 'add-veth', name: endpoint.hostLink, mtu: this.#mtu, peer: { name: endpoint.link, netns, mac: endpoint.mac } },
      { kind: 'set-link', name: endpoint.hostLink, master: SANDBOX_BRIDGE, up: true },
      { kind: 'set-port', name: endpoint.hostLink, hairpin: true },
    ])
    this.#kernel.links.apply(netns, [
      { kind: 'add-address', link: endpoint.link, cidr: `${endpoint.address}/${endpoint.prefix}` },
      { kind: 'set-link', name: endpoint.link, up: true },
    ])
  }

  async unplug(_netns: string, endpoint: EndpointRecord): Promise<void> {
    if (this.#kernel.netns.exists(this.sandboxPath)) await this.#kernel.links.remove(this.sandboxPath, endpoint.hostLink)
  }

  /** Ends the sandbox with all that is in it. */
  async down(): Promise<void> {
    // The devices first: a namespace is torn down by the kernel at leisure, and its tunnel would block the next one of the same id until then.
    if (this.#kernel.netns.exists(this.sandboxPath)) {
      for (const name of [SANDBOX_TUNNEL, SANDBOX_BRIDGE]) await this.#kernel.links.remove(this.sandboxPath, name)
    }
    this.#kernel.netns.remove(this.sandboxPath)
  }

  get #mtu(): number { return this.#table.mtu === 0 ? OVERLAY_MTU : this.#table.mtu }

  /** The subnet of the bridge that the ingress sandbox is plugged into, if it is. */
  #nearSources(): readonly string[] {
    return this.#kernel.links.addresses(this.sandboxPath).filter(({ link, cidr }) => link === SANDBOX_GATEWAY && !cidr.includes(':')).map(({ cidr }) => formatCidr(parseCidr(cidr)))
  }

  #build(): void {
    const { netns, links } = this.#kernel
    if (!netns.exists(this.sandboxPath)) {
      netns.remove(this.sandboxPath)
      netns.create(this.sandboxPath)
    }
    // Bridged packets must pass the rules; VIPs are answered by the bridge; nobody is to be told of a better way.
    const sysctls = { 'ipv6/conf/default/disable_ipv6': '1', 'bridge/bridge-nf-call-iptables': '1', 'ipv4/ip_forward': '1', 'ipv4/conf/all/send_redirects': '0', 'ipv4/conf/default/send_redirects': '0' }
    for (const [key, value] of Object.entries(sysctls)) netns.writeSysctl(this.sandboxPath, key, value)
    const there = new Set(links.list(this.sandboxPath).map(link => link.name))
    const mtu = this.#mtu
    if (!there.has(SANDBOX_BRIDGE)) links.apply(this.sandboxPath, [{ kind: 'add-bridge', name: SANDBOX_BRIDGE, mac: macOf(ownAddress(this.#table)), mtu }])
    if (!there.has(SANDBOX_TUNNEL)) links.apply(undefined, [{ kind: 'add-vxlan', name: SANDBOX_TUNNEL, vni: this.#table.vni, port: this.#table.vxlanPort === 0 ? VXLAN_PORT : this.#table.vxlanPort, mtu, into: this.sandboxPath }])
    links.apply(this.sandboxPath, [
      { kind: 'set-link', name: SANDBOX_BRIDGE, mac: macOf(ownAddress(this.#table)), up: true },
      { kind: 'set-link', name: SANDBOX_TUNNEL, master: SANDBOX_BRIDGE, up: true },
    ])
  }

  /**
   * UDP has no end, so its flows leave a removed backend at once. TCP connections may finish while the container winds down; once it is
   * gone, the next packet of a connection is to be refused by a live backend rather than lost.
   */
  async #forgetConnections(next: OverlayTable): Promise<void> {
    const removed = removedBackends(this.#table, next)
    const here = new Set(next.endpoints.map(endpoint => endpoint.address))
    const gone = this.#table.endpoints.map(endpoint => endpoint.address).filter(ip => !here.has(ip))
    const dead = new Set([...gone, ...[...removed].filter(ip => !here.has(ip))])
    await this.#kernel.conntrack.deleteByReplySource(this.sandboxPath, { tcp: dead, udp: removed })
  }
}

/** Deletions only, of what an older table had and the new one has not. */
function removals(old: ReturnType<typeof overlayLinks> | undefined, wanted: ReturnType<typeof overlayLinks>): ReturnType<typeof changeLinks> {
  return changeLinks(old, wanted).filter(operation => operation.kind.startsWith('delete-'))
}
