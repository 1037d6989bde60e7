import { ShoalError } from '../../base/errors.ts'
import { ByteSource } from './byte-source.ts'

const LENGTH_BYTES = 4
/** More than any object has. */
const RECORD_BYTES_MAX = 256 * 1024 * 1024

/** Records as a stream of bytes: each behind its length. */
export async function* frameRecords(records: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const record of records) {
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt32LE(record.length)
    yield length
    yield record
  }
}

/** The records of what frameRecords() made. @throws ShoalError `backup-damaged` (invalid-argument) */
export async function* unframeRecords(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const source = new ByteSource(bytes)
  while (!await source.isAtEnd()) {
    const lengthBytes = await source.read(LENGTH_BYTES)
    const length = lengthBytes.length < LENGTH_BYTES ? Infinity : lengthBytes.readUInt32LE()
    const record = length > RECORD_BYTES_MAX ? Buffer.alloc(0) : await source.read(length)
    if (record.length !== length) throw new ShoalError('invalid-argument', 'backup-damaged', 'the backup is damaged: a record in it is not whole; use another one')
    yield new Uint8Array(record)
  }
}
