import { ShoalError } from '../../../src/base/errors.ts'
import { bitsOf, formatIp, formatIpSubnet, parseIp, parseIpSubnet, subnetHas, subnetSize, subnetsOverlap, type IpSubnet } from '../../../src/base/ip-address.ts'

/** Where subnets of new networks come from: pieces of /`size` out of `base`, in order. Both families. */
export interface AddressPoolOption { readonly base: string; readonly size: number }

/** Docker's defaults: 172.17.0.0/16 … 172.31.0.0/16, then /20 pieces of 192.168.0.0/16. */
export const DEFAULT_ADDRESS_POOLS: readonly AddressPoolOption[] = [{ base: '172.17.0.0/16', size: 16 }, { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 }, { base: '172.20.0.0/14', size: 16 }, { base: '172.24.0.0/14', size: 16 }, { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 }]

/** The first piece of the pools that overlaps none of `taken` (other networks, and what the host itself has addresses in). @throws `no-free-subnet` */
export function pickSubnet(pools: readonly AddressPoolOption[], taken: readonly string[]): string {
  const used = taken.map(parseIpSubnet)
  for (const pool of pools) {
    for (const subnet of pieces(parseIpSubnet(pool.base), pool.size)) {
      if (!used.some(other => subnetsOverlap(subnet, other))) return formatIpSubnet(subnet)
    }
  }
  throw new ShoalError('resource-exhausted', 'no-free-subnet', 'all predefined address pools have been fully subnetted; remove unused networks, give --subnet, or widen default-address-pools')
}

function* pieces(base: IpSubnet, size: number): Generator<IpSubnet> {
  const step = 1n << BigInt(bitsOf(base.family) - size)
  for (let at = base.base; at < base.base + subnetSize(base); at += step) yield { family: base.family, base: at, prefix: size }
}

/** Addresses of one subnet. Hands them out in order and comes back to a freed one as late as possible. */
export class AddressPool {
  readonly #subnet: IpSubnet
  readonly #range: IpSubnet
  readonly #used = new Set<bigint>()
  #last: bigint

  /** @param reserved never handed out unless asked for: the gateway and auxiliary addresses */
  constructor(subnet: string, options: { readonly range?: string | undefined; readonly reserved: readonly string[] }) {
    this.#subnet = parseIpSubnet(subnet)
    this.#range = options.range === undefined || options.range === '' ? this.#subnet : parseIpSubnet(options.range)
    this.#last = this.#range.base - 1n
    for (const ip of options.reserved) this.claim(ip)
  }

  has(address: string): boolean {
    const ip = parseIp(address)
    return ip !== undefined && subnetHas(this.#subnet, ip)
  }

  /** @throws `address-in-use` (conflict), `address-outside-subnet` (invalid-argument), `no-free-address` (resource-exhausted) */
  allocate(wanted?: string): string {
    if (wanted === undefined || wanted === '') return this.#next()
    const ip = parseIp(wanted)
    if (ip === undefined || !subnetHas(this.#subnet, ip)) {
      throw new ShoalError('invalid-argument', 'address-outside-subnet', `Invalid address ${wanted}: It does not belong to any of this network's subnets`)
    }
    if (this.#used.has(ip.value)) throw new ShoalError('conflict', 'address-in-use', 'Address already in use')
    this.#used.add(ip.value)
    return formatIp(ip)
  }

  /** Marks an address as taken that a record says is in use. */
  claim(address: string): void {
    const ip = parseIp(address)
    if (ip !== undefined) this.#used.add(ip.value)
  }

  release(address: string): void {
    const ip = parseIp(address)
    if (ip !== undefined) this.#used.delete(ip.value)
  }

  #next(): string {
    const size = subnetSize(this.#range)
    // As many steps as addresses that may be in the way find a free one, if there is one.
    const steps = BigInt(this.#used.size) + 3n
    for (let step = 1n; step <= (steps < size ? steps : size); step += 1n) {
      const address = this.#range.base + ((this.#last - this.#range.base + step) % size)
      if (this.#used.has(address) || this.#isEdge(address)) continue
      this.#used.add(address)
      this.#last = address
      return formatIp({ family: this.#subnet.family, value: address })
    }
    throw new ShoalError('resource-exhausted', 'no-free-address', `no available IPv${this.#subnet.family} addresses on this network's address pools`)
  }

  /** The network's own and its broadcast address. */
  #isEdge(address: bigint): boolean {
    const { base, prefix, family } = this.#subnet
    return bitsOf(family) - prefix > 1 && (address === base || (family === 4 && address === base + subnetSize(this.#subnet) - 1n))
  }
}
