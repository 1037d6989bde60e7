import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import type { BridgeSettings, PublishedPort } from './network-records.ts'
import { addBridge, addIngressPort, addPort, hostTable, removeBridge, removeIngressPort, removePort, type HostRules, type IngressPort } from './nft-rules.ts'

/** The rules in the daemon's own namespace, changed one element at a time. */
export class HostFirewall {
  readonly #kernel: NetworkKernel
  /** Until the first replace() changes do nothing: it will be given everything, and until then the rules of before a restart stand. */
  #isReady = false

  constructor(kernel: NetworkKernel) { this.#kernel = kernel }

  /** Replaces the table with exactly this, in one transaction: traffic under way does not notice. */
  async replace(rules: HostRules): Promise<void> {
    this.#kernel.netns.writeSysctl(undefined, 'ipv4/ip_forward', '1')
    await this.#kernel.nft.run(undefined, hostTable(rules))
    this.#isReady = true
  }

  async addBridge(bridge: BridgeSettings): Promise<void> { await this.#run([addBridge(bridge)]) }
  async removeBridge(bridge: BridgeSettings): Promise<void> { await this.#run([removeBridge(bridge)]) }

  async changePorts(change: { readonly add: readonly PublishedPort[]; readonly remove: readonly PublishedPort[] }): Promise<void> {
    await this.#run([...change.remove.map(removePort), ...change.add.map(addPort)])
    await this.#forgetUdp([...change.remove, ...change.add].filter(port => port.protocol === 'udp').map(port => port.hostPort))
  }

  async changeIngress(change: { readonly add: readonly IngressPort[]; readonly remove: readonly IngressPort[] }): Promise<void> {
    await this.#run([...change.remove.map(removeIngressPort), ...change.add.map(addIngressPort)])
    await this.#forgetUdp([...change.remove, ...change.add].filter(port => port.protocol === 'udp').map(port => port.port))
  }

  async #run(commands: readonly string[]): Promise<void> {
    if (this.#isReady && commands.length > 0) await this.#kernel.nft.run(undefined, commands.join(''))
  }

  /** A UDP client that keeps sending would stay with what the port meant when it began. */
  async #forgetUdp(ports: readonly number[]): Promise<void> {
    await this.#kernel.conntrack.deleteUdpByDestinationPort(undefined, new Set(ports))
  }
}
