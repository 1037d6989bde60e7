/** The monitor's protocol (agent/monitor/README.md): an 8-byte header {type, 0, 0, 0, big-endian length}, then the body. */
export const FRAME = { stdin: 0, stdout: 1, stderr: 2, stdinClose: 5, resize: 6, attach: 7, start: 8, exit: 9, signal: 10, logged: 11 } as const
export const WANT = { stdout: 1, stderr: 2, stdin: 4, follow: 8 } as const

export const FRAME_HEADER_SIZE = 8
/** The longest body that is written in one frame. */
export const STDIN_FRAME_MAX = 65_536
/** The monitor sends at most 32 KiB; more means that the other side is no monitor. */
const BODY_MAX = 1 << 20

export function encodeFrame(type: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_SIZE + body.length)
  frame.writeUInt32BE(type * 0x1000000, 0)
  frame.writeUInt32BE(body.length, 4)
  frame.set(body, FRAME_HEADER_SIZE)
  return frame
}

export interface Frame { readonly type: number; readonly body: Buffer; /** Header and body. */ readonly raw: Buffer }

/** Cuts a byte stream into frames. */
export class FrameParser {
  #rest: Buffer | undefined

  /** The frames that are whole now, views into `chunk` where they can be. */
  push(chunk: Buffer): Frame[] {
    let data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    const frames: Frame[] = []
    while (data.length >= FRAME_HEADER_SIZE) {
      const length = data.readUInt32BE(4)
      if (length > BODY_MAX) throw new RangeError(`frame of ${length} bytes`)
      const end = FRAME_HEADER_SIZE + length
      if (data.length < end) break
      const raw = data.subarray(0, end)
      frames.push({ type: raw[0] ?? 0, body: raw.subarray(FRAME_HEADER_SIZE), raw })
      data = data.subarray(end)
    }
    this.#rest = data.length === 0 ? undefined : data
    return frames
  }
}
