import { ShoalError } from './errors.ts'

/** An IPv4 or IPv6 address as a number. */
export interface Ip { readonly family: 4 | 6; readonly value: bigint }

/** `base` has its host bits cleared. */
export interface IpSubnet { readonly family: 4 | 6; readonly base: bigint; readonly prefix: number }

export function parseIp(text: string): Ip | undefined {
  if (/^(\d{1,3}\.){3}\d{1,3}$/.test(text)) return text.split('.').some(part => Number(part) > 255 || /^0\d/.test(part)) ? undefined : { family: 4, value: text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n) }
  if (!/^[0-9a-fA-F:]*:[0-9a-fA-F:.]*$/.test(text) || !URL.canParse(`http://[${text}]`)) return undefined
  return { family: 6, value: groupsOf(text).reduce((sum, group) => sum * 65536n + BigInt(group), 0n) }
}

/** IPv6 in its canonical form (RFC 5952). */
export function formatIp({ family, value }: Ip): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map(shift => (value >> shift) & 0xffn).join('.')
  return canonical(Array.from({ length: 8 }, (_, at) => ((value >> BigInt(112 - 16 * at)) & 0xffffn).toString(16)).join(':'))
}

/** Network byte order: 4 or 16 bytes. The text must be an address. */
export function ipBytes(text: string): Buffer {
  const ip = parseIp(text)
  if (ip === undefined) throw new ShoalError('invalid-argument', 'invalid-address', `invalid IP address: ${text}`)
  return Buffer.from(ip.value.toString(16).padStart(ip.family === 4 ? 8 : 32, '0'), 'hex')
}

/** 4 or 16 bytes in network order. */
export function ipOfBytes(bytes: Uint8Array): string {
  return formatIp({ family: bytes.length === 4 ? 4 : 6, value: BigInt(`0x${Buffer.from(bytes).toString('hex')}`) })
}

/** @throws `invalid-subnet` (invalid-argument) */
export function parseIpSubnet(cidr: string): IpSubnet {
  const [text = '', prefixText = ''] = cidr.split('/')
  const ip = parseIp(text)
  const prefix = Number(prefixText)
  if (ip === undefined || !/^\d{1,3}$/.test(prefixText) || prefix > bitsOf(ip.family)) throw new ShoalError('invalid-argument', 'invalid-subnet', `invalid CIDR address: ${cidr}`)
  return { family: ip.family, base: cleared(ip, prefix), prefix }
}

export function formatIpSubnet({ family, base, prefix }: IpSubnet): string { return `${formatIp({ family, value: base })}/${prefix}` }
export function subnetSize({ family, prefix }: IpSubnet): bigint { return 1n << BigInt(bitsOf(family) - prefix) }
export function subnetHas(subnet: IpSubnet, ip: Ip): boolean { return subnet.family === ip.family && cleared(ip, subnet.prefix) === subnet.base }
export function subnetsOverlap(one: IpSubnet, other: IpSubnet): boolean {
  return subnetHas(one, { family: other.family, value: other.base }) || subnetHas(other, { family: one.family, value: one.base })
}

export function bitsOf(family: 4 | 6): number { return family === 4 ? 32 : 128 }
export function familyOf(text: string): 4 | 6 { return text.includes(':') ? 6 : 4 }

function cleared({ family, value }: Ip, prefix: number): bigint {
  const hostBits = BigInt(bitsOf(family) - prefix)
  return (value >> hostBits) << hostBits
}

function groupsOf(text: string): readonly number[] {
  const [head = '', tail] = canonical(text).split('::')
  const numbers = (part: string): number[] => part.split(':').filter(group => group !== '').map(group => Number.parseInt(group, 16))
  if (tail === undefined) return numbers(head)
  const [first, last] = [numbers(head), numbers(tail)]
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
}

/** The URL standard writes IPv6 hosts in the canonical form, an embedded IPv4 address in hexadecimal. */
function canonical(text: string): string { return new URL(`http://[${text}]`).hostname.slice(1, -1) }
