import type { Random } from './random.ts'

/** A swarm id: 25 characters of base 36 from 17 random bytes with the top bit set, first character dropped (as swarmkit's). */
export function createId(random: Random): string {
  const bytes = random.bytes(17)
  bytes[0] = (bytes[0] ?? 0) | 0x80
  return toBigInt(bytes).toString(36).slice(1, 26).padStart(25, '0')
}

/** A container, image or local network id: 64 hexadecimal characters, of which the first twelve (a container's host name) are not a number: resolvers would take it for an address. */
export function createHexId(random: Random): string {
  const id = [...random.bytes(32)].map(byte => byte.toString(16).padStart(2, '0')).join('')
  return /^\d{12}/.test(id) ? `${'abcdef'.charAt(Number(id.charAt(0)) % 6)}${id.slice(1)}` : id
}

/** `bytes` as an unsigned big-endian number in base 36, left-padded with zeros to `width`. */
export function toBase36(bytes: Uint8Array, width: number): string {
  return toBigInt(bytes).toString(36).padStart(width, '0')
}

function toBigInt(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}
