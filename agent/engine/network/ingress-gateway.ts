import type { Logger } from '../../../src/base/logger.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import type { BridgeNetwork } from './bridge-network.ts'
import type { HostFirewall } from './host-firewall.ts'
import { formatCidr, macOf, parseCidr } from './ipv4.ts'
import type { EndpointRecord } from './network-records.ts'
import type { IngressPort } from './nft-rules.ts'
import type { OverlayNetwork } from './overlay-network.ts'
import { isBalanced, SANDBOX_GATEWAY } from './overlay-rules.ts'
import type { PortPublisher } from './port-publisher.ts'

const HOST_LINK = 'shvingress'

/**
 * Joins the ingress network's sandbox to this host: a published port of any address of the host leads into the sandbox, which balances
 * it over all backends of the cluster. Their containers see the client's own address and send replies back here (reply-paths.ts); only clients
 * whose address is not unique, such as 127.0.0.1, are replaced by this host's ingress address.
 */
export class IngressGateway {
  readonly #kernel: NetworkKernel
  readonly #firewall: HostFirewall
  readonly #publisher: PortPublisher
  readonly #bridge: () => Promise<BridgeNetwork>
  readonly #logger: Logger
  #address: string | undefined
  #bridgeId: string | undefined
  #ports: readonly IngressPort[] = []

  /** @param options.bridge the host's gateway bridge, made when first asked for */
  constructor(options: { readonly kernel: NetworkKernel; readonly firewall: HostFirewall; readonly publisher: PortPublisher; readonly bridge: () => Promise<BridgeNetwork>; readonly logger: Logger }) {
    this.#kernel = options.kernel
    this.#firewall = options.firewall
    this.#publisher = options.publisher
    this.#bridge = options.bridge
    this.#logger = options.logger
  }

  /** True for the bridge that the sandbox is plugged into: it must not be removed. */
  isUsing(networkId: string): boolean { return this.#bridgeId === networkId }
  ports(): readonly IngressPort[] { return this.#ports }

  /** Plugs the sandbox in if need be and publishes exactly the ports of its table. */
  async apply(network: OverlayNetwork): Promise<void> {
    const address = this.#address ?? await this.#plug(network)
    const wanted = network.table.services.flatMap(service => service.ports)
      .filter(isBalanced)
      .map((port): IngressPort => ({ protocol: port.protocol, port: port.publishedPort, address }))
    await this.#change(uniquePorts(wanted))
  }

  async remove(network: OverlayNetwork): Promise<void> {
    await this.#change([])
    const bridge = await this.#bridge()
    await bridge.unplug(network.sandboxPath, endpointOf(network, this.#address ?? ''))
    if (this.#address !== undefined) bridge.addresses.release({ address: this.#address })
    this.#address = undefined
    this.#bridgeId = undefined
  }

  /** A sandbox that a restart found keeps its interface, and with it its address: connections go on. */
  async #plug(network: OverlayNetwork): Promise<string> {
    const bridge = await this.#bridge()
    const found = this.#kernel.links.addresses(network.sandboxPath).find(({ link, cidr }) => link === SANDBOX_GATEWAY && !cidr.includes(':'))?.cidr.split('/')[0]
    if (found !== undefined) bridge.addresses.claim({ address: found })
    const address = found ?? bridge.addresses.allocate({ address: '', address6: '' }).address
    if (found === undefined) {
      await network.hideNear(formatCidr(parseCidr(`${address}/${bridge.prefix}`)))
      bridge.plug(network.sandboxPath, { ...endpointOf(network, address), prefix: bridge.prefix })
    }
    this.#kernel.links.apply(network.sandboxPath, [{ kind: 'add-route', to: 'default', via: bridge.gateway }])
    this.#address = address
    this.#bridgeId = bridge.id
    return address
  }

  async #change(wanted: readonly IngressPort[]): Promise<void> {
    const key = (port: IngressPort): string => `${port.protocol} ${port.port} ${port.address}`
    const before = new Set(this.#ports.map(key))
    const after = new Set(wanted.map(key))
    const add = wanted.filter(port => !before.has(key(port)))
    const remove = this.#ports.filter(port => !after.has(key(port)))
    await this.#firewall.changeIngress({ add, remove })
    for (const port of remove) this.#publisher.release(port.protocol, '0.0.0.0', port.port)
    for (const port of add) {
      const failure = this.#publisher.hold(port.protocol === 'udp' ? 'udp' : 'tcp', '0.0.0.0', port.port)
      if (failure !== undefined) this.#logger.warn('a port of the ingress network is used on this host already', { port: port.port, failure })
    }
    this.#ports = wanted
  }
}

function endpointOf(network: OverlayNetwork, address: string): EndpointRecord {
  return {
    id: network.id, networkId: '', networkName: '', driver: 'bridge', isHidden: true, address, prefix: 16, gateway: '', mac: macOf(address === '' ? '0.0.0.0' : address),
    link: SANDBOX_GATEWAY, hostLink: HOST_LINK, aliases: [], links: [], wantedAddress: '', priority: 0, driverOpts: {},
  }
}

function uniquePorts(ports: readonly IngressPort[]): readonly IngressPort[] {
  return [...new Map(ports.map(port => [`${port.protocol} ${port.port}`, port])).values()]
}
