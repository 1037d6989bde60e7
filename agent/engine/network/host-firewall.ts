import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import type { BridgeSettings, PublishedPort } from './network-records.ts'
import { addBridge, addIngressPort, addPort, hostTables, noTables, removeBridge, removeIngressPort, removePort, type HostRules, type IngressPort } from './nft-rules.ts'

/** The rules in the daemon's own namespace, changed one element at a time. */
export class HostFirewall {
  readonly #kernel: NetworkKernel
  /** Until the first replace() changes do nothing: it will be given everything, and until then the rules of before a restart stand. */
  #isReady = false

  readonly #families: readonly (4 | 6)[]
  readonly #forwards: boolean

  /** @param options.families for which it writes rules; @param options.forwards whether it lets the host forward packets */
  constructor(kernel: NetworkKernel, options: { readonly families: readonly (4 | 6)[]; readonly forwards: boolean }) {
    this.#kernel = kernel
    this.#families = options.families
    this.#forwards = options.forwards
  }

  /** Replaces the table with exactly this, in one transaction: traffic under way does not notice. */
  async replace(rules: HostRules): Promise<void> {
    if (this.#forwards) this.#kernel.netns.writeSysctl(undefined, 'ipv4/ip_forward', '1')
    if (rules.bridges.some(bridge => bridge.ipv6 !== undefined)) this.#forwardIpv6()
    const others = ([4, 6] as const).filter(family => !this.#families.includes(family) && (family === 4 || this.#kernel.hasIpv6))
    await this.#kernel.nft.run(undefined, noTables(others) + hostTables(rules, this.#families))
    this.#isReady = true
  }

  async addBridge(bridge: BridgeSettings): Promise<void> {
    if (bridge.ipv6 !== undefined) this.#forwardIpv6()
    await this.#run([addBridge(bridge, this.#families)])
  }
  async removeBridge(bridge: BridgeSettings): Promise<void> { await this.#run([removeBridge(bridge, this.#families)]) }

  async changePorts(change: { readonly add: readonly PublishedPort[]; readonly remove: readonly PublishedPort[] }): Promise<void> {
    await this.#run([...change.remove.map(port => removePort(port, this.#families)), ...change.add.map(port => addPort(port, this.#families))])
    await this.#forgetUdp([...change.remove, ...change.add].filter(port => port.protocol === 'udp').map(port => port.hostPort))
  }

  async changeIngress(change: { readonly add: readonly IngressPort[]; readonly remove: readonly IngressPort[] }): Promise<void> {
    if (this.#families.includes(4)) await this.#run([...change.remove.map(removeIngressPort), ...change.add.map(addIngressPort)])
    await this.#forgetUdp([...change.remove, ...change.add].filter(port => port.protocol === 'udp').map(port => port.port))
  }

  /** Only once a network needs it: it changes what the host does with routers' advertisements. */
  #forwardIpv6(): void { if (this.#forwards) this.#kernel.netns.forwardIpv6(undefined) }

  async #run(commands: readonly string[]): Promise<void> {
    const text = commands.join('')
    if (this.#isReady && text !== '') await this.#kernel.nft.run(undefined, text)
  }

  /** A UDP client that keeps sending would stay with what the port meant when it began. */
  async #forgetUdp(ports: readonly number[]): Promise<void> {
    await this.#kernel.conntrack.deleteUdpByDestinationPort(undefined, new Set(ports))
  }
}
