import type { Random } from './random.ts'

/** A swarm id: 25 characters of base 36 from 17 random bytes with the top bit set, first character dropped (as swarmkit's). */
export function createId(random: Random): string {
  const bytes = random.bytes(17)
  bytes[0] = (bytes[0] ?? 0) | 0x80
  return toBigInt(bytes).toString(36).slice(1, 26).padStart(25, '0')
}

/** A container, image or local network id: 64 hexadecimal characters. */
export function createHexId(random: Random): string {
  return [...random.bytes(32)].map(byte => byte.toString(16).padStart(2, '0')).join('')
}

/** `bytes` as an unsigned big-endian number in base 36, left-padded with zeros to `width`. */
export function toBase36(bytes: Uint8Array, width: number): string {
  return toBigInt(bytes).toString(36).padStart(width, '0')
}

function toBigInt(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}
