import { crc32c } from './crc32c.ts'

/**
 * The layout of a log's segment. Numbers are little-endian.
 *
 * Head, one page, in sectors of 512 bytes that are written one at a time:
 *   0     magic "SHOALWAL", u32 format, u32 flags (1: everything before this segment is void), u64 number, u32 sequence of the first group,
 *         u32 CRC that the first group goes on from, 16 bytes id of the key (zero: not sealed), cluster id and node id (each u8 length, bytes),
 *         and at 508 the CRC of all that
 *   512   mark A, 1024 mark B: u64 offset up to which the segment was flushed, u32 zero, u32 CRC. Written in turn, each after a flush
 *   1536  closed: u64 end of the groups, u32 1, u32 CRC. Written when the next segment is there
 * Then groups, back to back; what is behind the last one is zero. A group: u32 magic, u32 sequence, u32 sequence of the first group of the
 * same flush, u32 bytes of body, u32 CRC of the body going on from the CRC of the group before, u32 CRC of the 20 bytes before; then the
 * body: records, each u32 length and bytes; in a sealed segment, the same sealed.
 */
export const SEGMENT_FORMAT = 2
export const HEAD_BYTES = 4096
export const GROUP_HEADER_BYTES = 24
/** Larger bodies are refused as damage: no writer makes them (it splits at a fraction, one record may exceed that). */
export const BODY_BYTES_MAX = 256 * 1024 * 1024
export const KEY_ID_BYTES = 16
const MAGIC = 'SHOALWAL'
const GROUP_MAGIC = 0x50524753
const SECTOR = 512
const HEAD_CRC_AT = 508
const NOTE_BYTES = 16
const NAME_BYTES_MAX = 64

export const MARK_OFFSETS = [SECTOR, 2 * SECTOR] as const
export const CLOSED_OFFSET = 3 * SECTOR

/** Whose log it is; both at most 64 bytes. */
export interface LogOwner { readonly clusterId: string; readonly nodeId: string }

export interface SegmentHead extends LogOwner {
  readonly format: number
  readonly number: number
  readonly isBeginning: boolean
  readonly sequence: number
  readonly crc: number
  /** Hex; empty: not sealed. */
  readonly keyId: string
}

export interface GroupHeader { readonly sequence: number; readonly flushSequence: number; readonly bodyBytes: number; readonly bodyCrc: number }

export function encodeHead(head: SegmentHead): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES)
  bytes.write(MAGIC, 0, 'latin1')
  bytes.writeUInt32LE(head.format, 8)
  bytes.writeUInt32LE(head.isBeginning ? 1 : 0, 12)
  bytes.writeBigUInt64LE(BigInt(head.number), 16)
  bytes.writeUInt32LE(head.sequence, 24)
  bytes.writeUInt32LE(head.crc, 28)
  bytes.write(head.keyId, 32, KEY_ID_BYTES, 'hex')
  let at = 48
  for (const name of [head.clusterId, head.nodeId]) {
    const text = Buffer.from(name)
    if (text.length > NAME_BYTES_MAX) throw new RangeError(`an id of ${text.length} bytes does not fit into the log's head`)
    at = bytes.writeUInt8(text.length, at)
    at += text.copy(bytes, at)
  }
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, HEAD_CRC_AT)), HEAD_CRC_AT)
  return bytes
}

/** @returns undefined when these bytes are no head */
export function decodeHead(bytes: Buffer): SegmentHead | undefined {
  if (bytes.length < HEAD_BYTES || bytes.toString('latin1', 0, 8) !== MAGIC || bytes.readUInt32LE(HEAD_CRC_AT) !== crc32c(bytes.subarray(0, HEAD_CRC_AT))) return undefined
  const clusterEnd = 49 + bytes.readUInt8(48)
  const keyId = bytes.toString('hex', 32, 32 + KEY_ID_BYTES)
  return {
    format: bytes.readUInt32LE(8), isBeginning: (bytes.readUInt32LE(12) & 1) === 1, number: Number(bytes.readBigUInt64LE(16)), sequence: bytes.readUInt32LE(24), crc: bytes.readUInt32LE(28),
    keyId: /^0+$/.test(keyId) ? '' : keyId,
    clusterId: bytes.toString('utf8', 49, clusterEnd), nodeId: bytes.toString('utf8', clusterEnd + 1, clusterEnd + 1 + bytes.readUInt8(clusterEnd)),
  }
}

/** A mark, or the note that a segment is closed: an offset. */
export function encodeNote(offset: number): Buffer {
  const bytes = Buffer.alloc(NOTE_BYTES)
  bytes.writeBigUInt64LE(BigInt(offset), 0)
  bytes.writeUInt32LE(1, 8)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 12)), 12)
  return bytes
}

/** The offset noted at `at` in a head; undefined when nothing was, or the note is torn. */
export function decodeNote(head: Buffer, at: number): number | undefined {
  const bytes = head.subarray(at, at + NOTE_BYTES)
  if (bytes.length < NOTE_BYTES || bytes.readUInt32LE(8) !== 1 || bytes.readUInt32LE(12) !== crc32c(bytes.subarray(0, 12))) return undefined
  return Number(bytes.readBigUInt64LE(0))
}

/** Up to where the segment was flushed for certain. */
export function flushedOffset(head: Buffer): number {
  return Math.max(HEAD_BYTES, ...MARK_OFFSETS.map(at => decodeNote(head, at) ?? 0))
}

/** Records as the body of a group. */
export function encodeBody(records: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.allocUnsafe(records.reduce((sum, record) => sum + 4 + record.length, 0))
  let at = 0
  for (const record of records) {
    at = bytes.writeUInt32LE(record.length, at)
    bytes.set(record, at)
    at += record.length
  }
  return bytes
}

/** @returns copies, which do not keep the body alive */
export function decodeBody(body: Buffer): readonly Uint8Array[] {
  const records: Uint8Array[] = []
  for (let at = 0; at < body.length;) {
    const length = body.readUInt32LE(at)
    records.push(Uint8Array.from(body.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return records
}

/** A group as it stands in the segment, and the CRC that the next one goes on from. */
export function encodeGroup(sequence: number, flushSequence: number, body: Uint8Array, previousCrc: number): { readonly bytes: Buffer; readonly bodyCrc: number } {
  const bytes = Buffer.allocUnsafe(GROUP_HEADER_BYTES + body.length)
  bytes.set(body, GROUP_HEADER_BYTES)
  const bodyCrc = crc32c(body, previousCrc)
  bytes.writeUInt32LE(GROUP_MAGIC, 0)
  bytes.writeUInt32LE(sequence, 4)
  bytes.writeUInt32LE(flushSequence, 8)
  bytes.writeUInt32LE(body.length, 12)
  bytes.writeUInt32LE(bodyCrc, 16)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 20)), 20)
  return { bytes, bodyCrc }
}

/** @returns undefined when these bytes are no group's header */
export function decodeGroupHeader(bytes: Buffer): GroupHeader | undefined {
  if (bytes.length < GROUP_HEADER_BYTES || bytes.readUInt32LE(0) !== GROUP_MAGIC || bytes.readUInt32LE(20) !== crc32c(bytes.subarray(0, 20))) return undefined
  const bodyBytes = bytes.readUInt32LE(12)
  return bodyBytes > BODY_BYTES_MAX ? undefined : { sequence: bytes.readUInt32LE(4), flushSequence: bytes.readUInt32LE(8), bodyBytes, bodyCrc: bytes.readUInt32LE(16) }
}

/** Whether a group of a flush after `sequence` begins anywhere in `bytes`: then the group of that sequence was flushed before. */
export function hasFlushAfter(bytes: Buffer, sequence: number): boolean {
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(GROUP_MAGIC)
  for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) {
    const header = decodeGroupHeader(bytes.subarray(at, at + GROUP_HEADER_BYTES))
    if (header !== undefined && header.flushSequence > sequence) return true
  }
  return false
}
