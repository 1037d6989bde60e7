const TABLE = makeTable()

/** CRC-32C (Castagnoli, RFC 3720) of `bytes`, going on from `seed` (the checksum of what came before). */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number)
  return ~crc >>> 0
}

function makeTable(): Uint32Array {
  const reversedPolynomial = 0x82f63b78
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ reversedPolynomial : crc >>> 1
    return crc
  })
}
