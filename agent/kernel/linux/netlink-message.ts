/**
 * The netlink wire format (linux/netlink.h): a 16-byte header, a fixed body, then attributes of type, length and value, each padded to 4 bytes.
 * Pure: numbers are in host order, which is little endian on every machine Node and koffi are built for.
 */

export const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
export const NLM_F_DUMP = 0x300
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
const NLA_F_NESTED = 0x8000
const NLA_TYPE_MASK = 0x3fff
const HEADER_BYTES = 16

export function attribute(type: number, value: Uint8Array): Buffer {
  const buffer = Buffer.alloc(align(4 + value.length))
  buffer.writeUInt16LE(4 + value.length, 0)
  buffer.writeUInt16LE(type, 2)
  buffer.set(value, 4)
  return buffer
}

export function nested(type: number, ...attributes: readonly Uint8Array[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(attributes))
}

export const u8 = (value: number): Buffer => Buffer.of(value)
export const u16be = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff)
/** In the machine's own order, which is little endian. */
export const u16 = (value: number): Buffer => Buffer.of(value & 0xff, value >> 8)
export function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32LE(value)
  return buffer
}
export const text = (value: string): Buffer => Buffer.from(`${value}\0`)
export const ipv4 = (value: string): Buffer => Buffer.from(value.split('.').map(Number))
export const mac = (value: string): Buffer => Buffer.from(value.split(':').map(part => Number.parseInt(part, 16)))

export function message(type: number, flags: number, sequence: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(HEADER_BYTES + body.length, 0)
  header.writeUInt16LE(type, 4)
  header.writeUInt16LE(flags, 6)
  header.writeUInt32LE(sequence, 8)
  return Buffer.concat([header, body])
}

export interface ParsedMessage { readonly type: number; readonly sequence: number; readonly body: Buffer }

/** The messages of one datagram. */
export function parseMessages(datagram: Buffer): ParsedMessage[] {
  const messages: ParsedMessage[] = []
  for (let at = 0; at + HEADER_BYTES <= datagram.length;) {
    const length = datagram.readUInt32LE(at)
    if (length < HEADER_BYTES || at + length > datagram.length) break
    messages.push({ type: datagram.readUInt16LE(at + 4), sequence: datagram.readUInt32LE(at + 8), body: datagram.subarray(at + HEADER_BYTES, at + length) })
    at += align(length)
  }
  return messages
}

/** Attributes by type; the last of a type wins. */
export function parseAttributes(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const attributes = new Map<number, Buffer>()
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = bytes.readUInt16LE(at)
    if (length < 4 || at + length > bytes.length) break
    attributes.set(bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK, bytes.subarray(at + 4, at + length))
    at += align(length)
  }
  return attributes
}

export const readIpv4 = (bytes: Uint8Array): string => [...bytes.subarray(0, 4)].join('.')
export const readMac = (bytes: Uint8Array): string => [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(':')
export const readText = (bytes: Buffer): string => bytes.toString('utf8').replace(/\0.*$/s, '')

function align(length: number): number { return (length + 3) & ~3 }
