import type net from 'node:net'
import type { FrameLink } from '../../base/frame-link.ts'
import { EMPTY_FRAME, FrameReader, frameOf } from './frames.ts'

/** Bytes that wait in this process before the sender had better wait itself. */
const WAITING_BYTES_MAX = 1024 * 1024

/** What a SocketLink tells its side of what comes. */
export interface SocketLinkEvents {
  readonly frameBytesMax: number
  /** Something came, whatever it is. */
  readonly onHeard?: () => void
  /** An empty frame came: a sign of life. */
  readonly onSign: () => void
  readonly onFrame: (frame: Uint8Array) => void
  /** There is room again after send() returned false. */
  readonly onRoom: () => void
  /** The bytes that came are no frames, or onFrame threw this. */
  readonly onSenseless: (error: unknown) => void
}

/** A Unix socket as a link: what both of its sides have in common. */
export class SocketLink implements FrameLink {
  readonly #socket: net.Socket
  #isFull = false
  #isOver = false

  constructor(socket: net.Socket) { this.#socket = socket }

  /** Disposed: nothing is told any more. */
  get isOver(): boolean { return this.#isOver }

  /** Begins to read. */
  read(events: SocketLinkEvents): void {
    const socket = this.#socket
    const reader = new FrameReader(events.frameBytesMax, frame => {
      if (this.#isOver) return
      if (frame.length === 0) events.onSign()
      else events.onFrame(frame)
    })
    socket.on('data', (chunk: Buffer) => {
      if (this.#isOver) return
      events.onHeard?.()
      try {
        reader.read(chunk)
      } catch (error) {
        if (!this.#isOver) events.onSenseless(error)
      }
    })
    socket.on('drain', () => {
      if (!this.#isFull || this.#isOver) return
      this.#isFull = false
      events.onRoom()
    })
    socket.on('end', () => socket.destroy())
  }

  send(frame: Uint8Array): boolean {
    this.#socket.write(frameOf(frame))
    this.#isFull = this.#socket.writableLength > WAITING_BYTES_MAX
    return !this.#isFull
  }

  /** Not behind anything that waits: that is a sign of life too, and who never reads must not cost memory. */
  sendSign(): void { if (this.#socket.writableLength === 0) this.#socket.write(EMPTY_FRAME) }

  pause(): void { this.#socket.pause() }
  resume(): void { this.#socket.resume() }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#socket.destroy()
  }
}
