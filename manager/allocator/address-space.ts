import { strict as assert } from 'node:assert'
import { formatIpv4, isInIpv4Block, parseIpv4, parseIpv4Block, withoutMask, type Ipv4Block } from '../../src/base/ipv4.ts'
import type { Network } from '../../src/api/swarm/objects.ts'

/**
 * The addresses of one network during one decision. Given out serially, after the last one given out, so that an
 * address that was just freed rests as long as possible (L05); the place is kept in Network.state.lastOffset.
 */
export class AddressSpace {
  readonly networkId: string
  readonly #subnet: Ipv4Block
  readonly #range: Ipv4Block
  readonly #used = new Set<number>()
  #lastOffset: number

  /** @param network with its subnet in force; see isAddressed */
  constructor(network: Network) {
    const config = network.state?.ipam?.configs[0]
    const subnet = parseIpv4Block(config?.subnet ?? '')
    assert(subnet !== undefined, `network ${network.id} has no subnet in force`)
    this.networkId = network.id
    this.#subnet = subnet
    this.#range = parseIpv4Block(config?.range ?? '') ?? subnet
    this.#lastOffset = network.state?.lastOffset ?? 0
    this.#used.add(subnet.first).add(subnet.first + subnet.size - 1)
    this.reserve(config?.gateway ?? '')
    for (const address of Object.values(config?.reserved ?? {})) this.reserve(address)
  }

  /** Where the next decision goes on; changed when take() gave something out. */
  get lastOffset(): number { return this.#lastOffset }

  /** Marks "address" or "address/mask" as taken. */
  reserve(cidr: string): void {
    const address = parseIpv4(withoutMask(cidr))
    if (address !== undefined && isInIpv4Block(this.#subnet, address)) this.#used.add(address)
  }

  /** The next free address as CIDR, or undefined when the network is full. */
  take(): string | undefined {
    const { first, size } = this.#range
    const last = this.#subnet.first + this.#lastOffset
    const start = isInIpv4Block(this.#range, last) ? last - first + 1 : 0
    for (let step = 0; step < size; step++) {
      const address = first + ((start + step) % size)
      if (this.#used.has(address)) continue
      this.#used.add(address)
      this.#lastOffset = address - this.#subnet.first
      return `${formatIpv4(address)}/${this.#subnet.prefixLength}`
    }
    return undefined
  }

  /** One address as CIDR, or undefined when it is taken or none of the subnet's. */
  takeWanted(text: string): string | undefined {
    const address = parseIpv4(withoutMask(text))
    if (address === undefined || !isInIpv4Block(this.#subnet, address) || this.#used.has(address)) return undefined
    this.#used.add(address)
    return `${formatIpv4(address)}/${this.#subnet.prefixLength}`
  }

  /** Gives back an address of an allocation that could not be completed. */
  release(cidr: string): void {
    const address = parseIpv4(withoutMask(cidr))
    if (address !== undefined) this.#used.delete(address)
  }
}
