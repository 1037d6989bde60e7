import { ShoalError } from '../../base/errors.ts'

/** Before each frame: how many bytes it has, big-endian. */
const HEADER_BYTES = 4

/** A frame without bytes: a sign of life. */
export const EMPTY_FRAME = Buffer.alloc(HEADER_BYTES)

/** The bytes with their length before them. */
export function frameOf(bytes: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + bytes.length)
  frame.writeUInt32BE(bytes.length)
  frame.set(bytes, HEADER_BYTES)
  return frame
}

/** Finds the frames in what a socket reads. */
export class FrameReader {
  /** A longer frame is an error; may change at any time. */
  bytesMax: number
  readonly #onFrame: (frame: Uint8Array) => void
  /** The beginning of a frame. Kept as it came: nothing is set aside for a length that is only claimed. */
  #parts: Buffer[] = []
  #partsBytes = 0
  /** Until there are as many bytes no frame is whole. */
  #wantedBytes = HEADER_BYTES

  /** @param onFrame called with each frame within read(); the bytes stay valid. What it throws read() throws, and this reader is of no more use. */
  constructor(bytesMax: number, onFrame: (frame: Uint8Array) => void) {
    this.bytesMax = bytesMax
    this.#onFrame = onFrame
  }

  /** @throws ShoalError `message-too-large` (resource-exhausted) */
  read(chunk: Buffer): void {
    if (this.#partsBytes + chunk.length < this.#wantedBytes) {
      this.#keep(chunk)
      return
    }
    const bytes = this.#partsBytes === 0 ? chunk : Buffer.concat([...this.#parts, chunk])
    this.#parts = []
    this.#partsBytes = 0
    this.#wantedBytes = HEADER_BYTES
    let at = 0
    while (bytes.length - at >= HEADER_BYTES) {
      const length = bytes.readUInt32BE(at)
      if (length > this.bytesMax) throw new ShoalError('resource-exhausted', 'message-too-large', `a message of ${length} bytes exceeds ${this.bytesMax}`)
      if (bytes.length - at < HEADER_BYTES + length) {
        this.#wantedBytes = HEADER_BYTES + length
        break
      }
      this.#onFrame(new Uint8Array(bytes.buffer, bytes.byteOffset + at + HEADER_BYTES, length))
      at += HEADER_BYTES + length
    }
    if (at < bytes.length) this.#keep(bytes.subarray(at))
  }

  #keep(bytes: Buffer): void {
    this.#parts.push(bytes)
    this.#partsBytes += bytes.length
  }
}
