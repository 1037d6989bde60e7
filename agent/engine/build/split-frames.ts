/** A piece of a container's output; `isError` for standard error. */
export interface OutputPiece { readonly isError: boolean; readonly text: string }

const HEADER_BYTES = 8

/** Docker's framing of two streams in one (a byte for the stream, three of nothing, four of length), as text. Characters are never cut. */
export async function* splitFrames(stream: AsyncIterable<Uint8Array>): AsyncIterable<OutputPiece> {
  const decoders = [new TextDecoder(), new TextDecoder()] as const
  let buffered = Buffer.alloc(0)
  for await (const chunk of stream) {
    buffered = buffered.length === 0 ? Buffer.from(chunk) : Buffer.concat([buffered, chunk])
    while (buffered.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + buffered.readUInt32BE(4)
      if (buffered.length < end) break
      const isError = buffered[0] === 2
      const text = decoders[isError ? 1 : 0].decode(buffered.subarray(HEADER_BYTES, end), { stream: true })
      buffered = buffered.subarray(end)
      if (text !== '') yield { isError, text }
    }
  }
}
