/** IPv4 addresses as numbers in 0..2^32-1, and CIDR blocks of them. */

/** A block of addresses. `first` is the network address, `size` the number of addresses. */
export interface Ipv4Block { readonly first: number; readonly size: number; readonly prefixLength: number }

const OCTET = /^(?:0|[1-9]\d{0,2})$/

/** @returns undefined when `text` is no dotted quad */
export function parseIpv4(text: string): number | undefined {
  const octets = text.split('.')
  if (octets.length !== 4 || !octets.every(octet => OCTET.test(octet) && Number(octet) <= 255)) return undefined
  return octets.reduce((sum, octet) => sum * 256 + Number(octet), 0)
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map(shift => Math.floor(address / 2 ** shift) % 256).join('.')
}

/** "10.0.1.0/24", or any address inside it with the mask. @returns undefined when `text` is no CIDR */
export function parseIpv4Block(text: string): Ipv4Block | undefined {
  const [address = '', length = '', ...rest] = text.split('/')
  const value = parseIpv4(address)
  if (value === undefined || rest.length > 0 || !/^\d{1,2}$/.test(length) || Number(length) > 32) return undefined
  const size = 2 ** (32 - Number(length))
  return { first: value - (value % size), size, prefixLength: Number(length) }
}

export function formatIpv4Block(block: Ipv4Block): string {
  return `${formatIpv4(block.first)}/${block.prefixLength}`
}

export function isInIpv4Block(block: Ipv4Block, address: number): boolean {
  return address >= block.first && address < block.first + block.size
}

export function doIpv4BlocksOverlap(a: Ipv4Block, b: Ipv4Block): boolean {
  return a.first < b.first + b.size && b.first < a.first + a.size
}

/** The address part of "address/mask"; the text itself when there is no mask. */
export function withoutMask(cidr: string): string {
  const at = cidr.indexOf('/')
  return at < 0 ? cidr : cidr.slice(0, at)
}
