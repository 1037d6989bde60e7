import type { RaftEnvelope, SnapshotChunk } from '../../src/api/swarm/raft.ts'
import { ShoalError } from '../../src/base/errors.ts'

/** Data of one chunk (RAFT.md: at most 1 MiB, so that a snapshot shares the line with heartbeats). */
const CHUNK_BYTES_MAX = 1024 * 1024
/** A longer record is refused: no object may be that large. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024
const LENGTH_BYTES = 4

/**
 * Packs records, each behind its length, into chunks. The first chunk is the message alone. Pulled, so the sender's memory
 * holds one chunk.
 * @param pause awaited before each chunk: encoding must not keep a leader from its heartbeats
 */
export async function* snapshotChunks(envelope: RaftEnvelope, records: AsyncIterable<Uint8Array>, pause: () => Promise<void>): AsyncGenerator<SnapshotChunk, void, undefined> {
  yield { envelope, data: new Uint8Array(), last: false }
  let buffer = new Uint8Array(CHUNK_BYTES_MAX)
  let filled = 0
  for await (const record of records) {
    const framed = frame(record)
    for (let done = 0; done < framed.length;) {
      const count = Math.min(framed.length - done, CHUNK_BYTES_MAX - filled)
      buffer.set(framed.subarray(done, done + count), filled)
      done += count
      filled += count
      if (filled < CHUNK_BYTES_MAX) continue
      await pause()
      yield { data: buffer, last: false }
      buffer = new Uint8Array(CHUNK_BYTES_MAX)
      filled = 0
    }
  }
  yield { data: buffer.subarray(0, filled), last: true }
}

/** Gives back the records of chunks whose first one was taken off. @throws ShoalError `snapshot-malformed` when the stream ends early */
export async function* recordsOfChunks(chunks: AsyncIterator<SnapshotChunk>): AsyncGenerator<Uint8Array, void, undefined> {
  let rest = new Uint8Array()
  for (let next = await chunks.next(); ; next = await chunks.next()) {
    if (next.done === true) throw cut('it ended before its last chunk')
    rest = joined(rest, next.value.data)
    let at = 0
    for (;;) {
      if (rest.length - at < LENGTH_BYTES) break
      const length = new DataView(rest.buffer, rest.byteOffset + at).getUint32(0, true)
      if (length > RECORD_BYTES_MAX) throw cut(`it holds a record of ${length} bytes`)
      if (rest.length - at - LENGTH_BYTES < length) break
      yield rest.slice(at + LENGTH_BYTES, at + LENGTH_BYTES + length)
      at += LENGTH_BYTES + length
    }
    rest = rest.slice(at)
    if (!next.value.last) continue
    if (rest.length > 0) throw cut('its last record is not whole')
    return
  }
}

function frame(record: Uint8Array): Uint8Array {
  const framed = new Uint8Array(LENGTH_BYTES + record.length)
  new DataView(framed.buffer).setUint32(0, record.length, true)
  framed.set(record, LENGTH_BYTES)
  return framed
}

function joined(a: Uint8Array<ArrayBuffer>, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

function cut(why: string): ShoalError {
  return new ShoalError('invalid-argument', 'snapshot-malformed', `the snapshot of the cluster's state can not be read: ${why}; it is sent again`)
}
