import { crc32c } from './crc32c.ts'

/**
 * The layout of a FileLog. Numbers are little-endian.
 *
 * File header, 64 bytes: magic "SHOALLOG", u32 format, u32 CRC of the 12 bytes before, then at 16 and 40 two marks.
 * Mark, 16 bytes: u64 offset up to which the file was flushed, u32 zero, u32 CRC of the 12 bytes before. Written in turn, each after a flush.
 * Group, what one flush made durable: u32 magic, u32 sequence (from 0), u32 bytes of body, u32 CRC of body going on from the CRC of
 * the group before, u32 CRC of the 16 bytes before; then the body: records, each as u32 length and bytes.
 */
export const LOG_FORMAT = 1
export const FILE_HEADER_BYTES = 64
export const GROUP_HEADER_BYTES = 20
/** Larger bodies are refused as damage: no writer makes them (it splits at a quarter, one record may exceed that). */
export const BODY_BYTES_MAX = 256 * 1024 * 1024
const FILE_MAGIC = 'SHOALLOG'
const GROUP_MAGIC = 0x50524753
const MARK_OFFSETS = [16, 40] as const
const MARK_BYTES = 16

export interface GroupHeader { readonly sequence: number; readonly bodyBytes: number; readonly bodyCrc: number }

export function encodeFileHeader(): Uint8Array {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES)
  bytes.write(FILE_MAGIC, 0, 'latin1')
  bytes.writeUInt32LE(LOG_FORMAT, 8)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 12)), 12)
  return bytes
}

/** @returns the format, or undefined when these bytes are no header */
export function decodeFileHeader(header: Uint8Array): number | undefined {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength)
  if (bytes.length < FILE_HEADER_BYTES || bytes.toString('latin1', 0, 8) !== FILE_MAGIC) return undefined
  return bytes.readUInt32LE(12) === crc32c(bytes.subarray(0, 12)) ? bytes.readUInt32LE(8) : undefined
}

/** The mark number `turn` as bytes and where it goes. */
export function encodeMark(turn: number, flushedOffset: number): { readonly bytes: Uint8Array; readonly at: number } {
  const bytes = Buffer.alloc(MARK_BYTES)
  bytes.writeBigUInt64LE(BigInt(flushedOffset), 0)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 12)), 12)
  return { bytes, at: MARK_OFFSETS[turn % 2 as 0 | 1] }
}

/** Up to where the file was flushed for certain. A mark that was torn does not count. */
export function decodeMarks(header: Uint8Array): number {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength)
  return Math.max(FILE_HEADER_BYTES, ...MARK_OFFSETS.map(at => {
    const mark = bytes.subarray(at, at + MARK_BYTES)
    return mark.readUInt32LE(12) === crc32c(mark.subarray(0, 12)) ? Number(mark.readBigUInt64LE(0)) : 0
  }))
}

/** A group as it stands in the file, and the CRC the next one goes on from. */
export function encodeGroup(sequence: number, records: readonly Uint8Array[], previousCrc: number): { readonly bytes: Uint8Array; readonly bodyCrc: number } {
  const bodyBytes = records.reduce((sum, record) => sum + 4 + record.length, 0)
  const bytes = Buffer.alloc(GROUP_HEADER_BYTES + bodyBytes)
  let at = GROUP_HEADER_BYTES
  for (const record of records) {
    at = bytes.writeUInt32LE(record.length, at)
    bytes.set(record, at)
    at += record.length
  }
  const bodyCrc = crc32c(bytes.subarray(GROUP_HEADER_BYTES), previousCrc)
  bytes.writeUInt32LE(GROUP_MAGIC, 0)
  bytes.writeUInt32LE(sequence, 4)
  bytes.writeUInt32LE(bodyBytes, 8)
  bytes.writeUInt32LE(bodyCrc, 12)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 16)), 16)
  return { bytes, bodyCrc }
}

/** @returns undefined when these bytes are no group header */
export function decodeGroupHeader(header: Uint8Array): GroupHeader | undefined {
  if (header.length < GROUP_HEADER_BYTES) return undefined
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength)
  if (bytes.readUInt32LE(0) !== GROUP_MAGIC || bytes.readUInt32LE(16) !== crc32c(bytes.subarray(0, 16))) return undefined
  const bodyBytes = bytes.readUInt32LE(8)
  return bodyBytes > BODY_BYTES_MAX ? undefined : { sequence: bytes.readUInt32LE(4), bodyBytes, bodyCrc: bytes.readUInt32LE(12) }
}

/** @returns undefined when the body is not the one the header tells of */
export function decodeBody(header: GroupHeader, body: Uint8Array, previousCrc: number): readonly Uint8Array[] | undefined {
  if (body.length !== header.bodyBytes || crc32c(body, previousCrc) !== header.bodyCrc) return undefined
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const records: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32LE(at)
    records.push(Uint8Array.from(bytes.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return records
}

/** Whether a group with a higher sequence than `sequence` starts anywhere in `bytes`: then what stands before it was flushed. */
export function hasGroupAfter(bytes: Uint8Array, sequence: number): boolean {
  const haystack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(GROUP_MAGIC)
  for (let at = haystack.indexOf(magic); at >= 0; at = haystack.indexOf(magic, at + 1)) {
    const header = decodeGroupHeader(haystack.subarray(at, at + GROUP_HEADER_BYTES))
    if (header !== undefined && header.sequence > sequence) return true
  }
  return false
}
