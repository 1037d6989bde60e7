/**
 * Compares an address with an address or CIDR, for the constraint `node.ip`.
 * @returns `wanted` when the address lies within the range, the opposite when it does not, false when `range` is neither address nor CIDR
 */
export function isAddressWithin(address: string, range: string, wanted: boolean): boolean {
  const [base = '', lengthText] = range.split('/')
  const baseBits = bitsOf(base)
  if (baseBits === undefined) return false
  const length = lengthText === undefined ? baseBits.length : /^\d{1,3}$/.test(lengthText) ? Number(lengthText) : -1
  if (length < 0 || length > baseBits.length) return false
  const bits = bitsOf(hostOf(address))
  const isInside = bits !== undefined && bits.length === baseBits.length && bits.slice(0, length) === baseBits.slice(0, length)
  return isInside === wanted
}

/** Node addresses may carry a port: "10.0.0.1:2377" or "[fd00::1]:2377". */
function hostOf(address: string): string {
  const bracketed = /^\[([^\]]+)\]/.exec(address)
  if (bracketed?.[1] !== undefined) return bracketed[1]
  return /^[^:]+:\d+$/.test(address) ? address.slice(0, address.indexOf(':')) : address
}

/** An address as a string of bits, 32 or 128 long. */
function bitsOf(address: string): string | undefined {
  return address.includes(':') ? bitsOfV6(address) : bitsOfV4(address)
}

function bitsOfV4(address: string): string | undefined {
  const parts = address.split('.')
  if (parts.length !== 4 || !parts.every(part => /^\d{1,3}$/.test(part) && Number(part) <= 255)) return undefined
  return parts.map(part => Number(part).toString(2).padStart(8, '0')).join('')
}

function bitsOfV6(address: string): string | undefined {
  const halves = address.split('::')
  if (halves.length > 2) return undefined
  const [head = [], tail = []] = halves.map(half => (half === '' ? [] : half.split(':')))
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const groups = [...head, ...Array<string>(missing).fill('0'), ...tail]
  if (!groups.every(group => /^[0-9a-f]{1,4}$/i.test(group))) return undefined
  return groups.map(group => parseInt(group, 16).toString(2).padStart(16, '0')).join('')
}
