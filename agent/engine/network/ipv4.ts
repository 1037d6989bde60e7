import { ShoalError } from '../../../src/base/errors.ts'
import { ipBytes } from '../../../src/base/ip-address.ts'

/** An IPv4 subnet; `base` has its host bits cleared. Addresses are unsigned 32-bit numbers. */
export interface Subnet { readonly base: number; readonly prefix: number }

export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every(part => /^\d{1,3}$/.test(part) && Number(part) <= 255)) return undefined
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map(shift => (address >>> shift) & 0xff).join('.')
}

/** @throws `invalid-subnet` (invalid-argument) */
export function parseCidr(cidr: string): Subnet {
  const [ip = '', prefixText = ''] = cidr.split('/')
  const address = parseIpv4(ip)
  const prefix = Number(prefixText)
  if (address === undefined || !/^\d{1,2}$/.test(prefixText) || prefix > 32) {
    throw new ShoalError('invalid-argument', 'invalid-subnet', `invalid CIDR address: ${cidr}; give an IPv4 subnet such as 10.1.0.0/24`)
  }
  return { base: masked(address, prefix), prefix }
}

export function formatCidr(subnet: Subnet): string { return `${formatIpv4(subnet.base)}/${subnet.prefix}` }
export function sizeOf(subnet: Subnet): number { return 2 ** (32 - subnet.prefix) }

export function contains(subnet: Subnet, address: number): boolean { return masked(address, subnet.prefix) === subnet.base }
export function overlaps(one: Subnet, other: Subnet): boolean {
  return contains(one, other.base) || contains(other, one.base)
}

/** The MAC that goes with an address: 02:42:<ip>, of IPv6 its last four bytes. Neighbours never see a stale pair when an address is used again. */
export function macOf(ip: string): string {
  return `02:42:${[...ipBytes(ip).subarray(-4)].map(byte => byte.toString(16).padStart(2, '0')).join(':')}`
}

function masked(address: number, prefix: number): number {
  return prefix === 0 ? 0 : (address & (0xffffffff << (32 - prefix))) >>> 0
}
