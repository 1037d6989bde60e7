import type { Readable } from 'node:stream'

/** One piece of output: 1 standard output, 2 standard error. */
export interface Frame { readonly stream: 1 | 2; readonly data: Buffer }

const HEADER_BYTES = 8

/** Reads Docker's 8-byte framing (stream, three zeros, length big-endian, data). Ends with the stream; an incomplete last frame is dropped. */
export async function* readFrames(source: Readable): AsyncIterable<Frame> {
  let pending: Buffer = Buffer.alloc(0)
  for await (const chunk of source) {
    pending = pending.length === 0 ? chunk as Buffer : Buffer.concat([pending, chunk as Buffer])
    while (pending.length >= HEADER_BYTES) {
      const length = pending.readUInt32BE(4)
      if (pending.length < HEADER_BYTES + length) break
      yield { stream: pending[0] === 2 ? 2 : 1, data: pending.subarray(HEADER_BYTES, HEADER_BYTES + length) }
      pending = pending.subarray(HEADER_BYTES + length)
    }
  }
}
