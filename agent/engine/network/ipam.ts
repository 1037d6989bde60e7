import { ShoalError } from '../../../src/base/errors.ts'
import { contains, formatCidr, formatIpv4, overlaps, parseCidr, parseIpv4, sizeOf, type Subnet } from './ipv4.ts'

/** Where subnets of new networks come from: pieces of /`size` out of `base`, in order. */
export interface AddressPoolOption { readonly base: string; readonly size: number }

/** Docker's defaults: 172.17.0.0/16 … 172.31.0.0/16, then /20 pieces of 192.168.0.0/16. */
export const DEFAULT_ADDRESS_POOLS: readonly AddressPoolOption[] = [{ base: '172.17.0.0/16', size: 16 }, { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 }, { base: '172.20.0.0/14', size: 16 }, { base: '172.24.0.0/14', size: 16 }, { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 }]

/** The first piece of the pools that overlaps none of `taken` (other networks, and what the host itself has addresses in). @throws `no-free-subnet` */
export function pickSubnet(pools: readonly AddressPoolOption[], taken: readonly string[]): string {
  const used = taken.map(parseCidr)
  for (const pool of pools) {
    for (const subnet of pieces(parseCidr(pool.base), pool.size)) {
      if (!used.some(other => overlaps(subnet, other))) return formatCidr(subnet)
    }
  }
  throw new ShoalError('resource-exhausted', 'no-free-subnet', 'all predefined address pools have been fully subnetted; remove unused networks, give --subnet, or widen default-address-pools')
}

function* pieces(base: Subnet, size: number): Generator<Subnet> {
  const step = 2 ** (32 - size)
  for (let at = base.base; at < base.base + sizeOf(base); at += step) yield { base: at, prefix: size }
}

/** Addresses of one network. Hands them out in order and comes back to a freed one as late as possible. */
export class AddressPool {
  readonly #subnet: Subnet
  readonly #range: Subnet
  readonly #used = new Set<number>()
  #last: number

  /** @param reserved never handed out unless asked for: the gateway and auxiliary addresses */
  constructor(subnet: string, options: { readonly range?: string | undefined; readonly reserved: readonly string[] }) {
    this.#subnet = parseCidr(subnet)
    this.#range = options.range === undefined || options.range === '' ? this.#subnet : parseCidr(options.range)
    this.#last = this.#range.base - 1
    for (const ip of options.reserved) this.#used.add(parseIpv4(ip) ?? -1)
  }

  /** @throws `address-in-use` (conflict), `address-outside-subnet` (invalid-argument), `no-free-address` (resource-exhausted) */
  allocate(wanted?: string): string {
    if (wanted === undefined || wanted === '') return this.#next()
    const address = parseIpv4(wanted)
    if (address === undefined || !contains(this.#subnet, address)) {
      throw new ShoalError('invalid-argument', 'address-outside-subnet', `invalid address ${wanted}: it does not belong to the network's subnet ${formatCidr(this.#subnet)}`)
    }
    if (this.#used.has(address)) throw new ShoalError('conflict', 'address-in-use', 'Address already in use')
    this.#used.add(address)
    return wanted
  }

  /** Marks an address as taken that a record says is in use. */
  claim(ip: string): void { this.#used.add(parseIpv4(ip) ?? -1) }
  release(ip: string): void { this.#used.delete(parseIpv4(ip) ?? -1) }

  #next(): string {
    const size = sizeOf(this.#range)
    for (let step = 1; step <= size; step += 1) {
      const address = this.#range.base + ((this.#last - this.#range.base + step) % size)
      if (this.#used.has(address) || isEdge(this.#subnet, address)) continue
      this.#used.add(address)
      this.#last = address
      return formatIpv4(address)
    }
    throw new ShoalError('resource-exhausted', 'no-free-address', 'no available IPv4 addresses on this network\'s address pools')
  }
}

/** The network's own and its broadcast address. */
function isEdge(subnet: Subnet, address: number): boolean {
  return subnet.prefix < 31 && (address === subnet.base || address === subnet.base + sizeOf(subnet) - 1)
}
