import net from 'node:net'
import { decode, encode } from '../../../src/api/codec/codec.ts'
import type { StreamedCall } from '../../../src/api/swarm/calls.ts'
import { FrameReader, frameOf } from '../../../src/platform/rpc/frames.ts'
import { linkPathOf } from '../../../src/platform/rpc/rpc-address.ts'

/** More comes in no frame of a comparison. */
const FRAME_BYTES_MAX = 64 * 1024 * 1024

interface Waiting { readonly resolve: (response: Uint8Array) => void; readonly reject: (error: unknown) => void }

/** What src/api/calls/call-link.ts does, without deadlines, aborts and back-pressure: calls of one turn in one frame of one link. */
export class LeanCalls implements Disposable {
  readonly #socket: net.Socket
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #queue: StreamedCall[] = []

  private constructor(socket: net.Socket) {
    this.#socket = socket
    const reader = new FrameReader(FRAME_BYTES_MAX, frame => { if (frame.length > 0) this.#settle(frame) })
    socket.on('data', (bytes: Buffer) => reader.read(bytes))
    socket.on('error', error => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  /** @param address "unix:/path" of a manager */
  static async connect(address: string): Promise<LeanCalls> {
    const socket = net.connect({ path: linkPathOf(address.slice('unix:'.length)) })
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new LeanCalls(socket)
  }

  call(method: string, request: Uint8Array): Promise<Uint8Array> {
    const id = ++this.#lastId
    if (this.#queue.length === 0) queueMicrotask(() => {
      this.#socket.write(frameOf(encode('StreamedCalls', { calls: this.#queue, cancelled: [] })))
      this.#queue = []
    })
    this.#queue.push({ id, method, request })
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  [Symbol.dispose](): void { this.#socket.destroy() }

  #settle(frame: Uint8Array): void {
    for (const { id, response, failure } of decode('StreamedAnswers', frame).answers) {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (failure === undefined) waiting?.resolve(response)
      else waiting?.reject(new Error(failure.message))
    }
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
