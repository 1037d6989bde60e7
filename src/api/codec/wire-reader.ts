import type protobuf from 'protobufjs'

/** Bytes of a varint that make an exact number without more ado: 49 bits. */
const NUMBER_BYTES_MAX = 7

/** Reads an integer of 64 bits as a number. */
export function readInt64(reader: protobuf.Reader, isSigned: boolean): number {
  const { buf, len } = reader
  let at = reader.pos
  const end = Math.min(len, at + NUMBER_BYTES_MAX)
  for (let value = 0, unit = 1; at < end; unit *= 0x80) {
    const byte = buf[at++] as number
    value += (byte & 0x7f) * unit
    if (byte >= 0x80) continue
    reader.pos = at
    return value
  }
  return Number(isSigned ? reader.int64() : reader.uint64())
}

/** Reads a string. @throws Error when it is no UTF-8 */
export function readText(reader: protobuf.Reader): string {
  const length = reader.size()
  const start = reader.pos
  const end = start + length
  if (end > reader.len) throw new RangeError('a string goes on past the end')
  reader.pos = end
  const text = (reader.buf as Buffer).toString('utf8', start, end)
  // What stands for bytes that are none also stands for itself.
  if (!text.includes('\ufffd')) return text
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(reader.buf.subarray(start, end))
}

/** Reads bytes. A copy: a slice of the network buffer would keep the whole buffer alive, and Buffer compares unlike Uint8Array. */
export function readBytes(reader: protobuf.Reader): Uint8Array {
  const end = readEnd(reader)
  const bytes = new Uint8Array(end - reader.pos)
  if (bytes.length > 0) bytes.set(reader.buf.subarray(reader.pos, end))
  reader.pos = end
  return bytes
}

/** Reads the length of what comes. @returns where that ends */
export function readEnd(reader: protobuf.Reader): number {
  const length = reader.size()
  const end = reader.pos + length
  if (end > reader.len) throw new RangeError('a field goes on past the end')
  return end
}
