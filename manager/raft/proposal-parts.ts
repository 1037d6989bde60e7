import { encode } from '../../src/api/codec/codec.ts'

/** Bytes of one part: a heartbeat and a vote never wait long behind one, and no queue is far over its bound with one. */
const PART_BYTES = 512 * 1024

/** An encoded proposal as the entries it takes: itself, or parts that stand in the log one after the other. */
export function entriesOfProposal(bytes: Uint8Array, requestId: string, partBytes = PART_BYTES): readonly Uint8Array[] {
  // A copy: the log keeps entries for long, and what was encoded may be a part of a larger buffer that is shared.
  if (bytes.length <= partBytes) return [new Uint8Array(bytes)]
  const parts = Math.ceil(bytes.length / partBytes)
  return Array.from({ length: parts }, (_, i) => encode('Proposal', { requestId, part: i + 1, parts, piece: bytes.subarray(i * partBytes, (i + 1) * partBytes) }))
}
