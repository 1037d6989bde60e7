import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocketServer } from 'ws'
import { abandon, takeSocket } from './hijack.ts'

/** Input frames larger than this are not keystrokes. */
const FRAME_BYTES_MAX = 1024 * 1024

/** Upgrades connections to WebSockets and joins them to a stream (GET /containers/{id}/attach/ws). */
export class WebSocketUpgrader {
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: FRAME_BYTES_MAX })

  /** Takes ownership of `stream`. The caller has checked that the client asks for a WebSocket; a broken handshake is refused here. */
  upgrade(incoming: IncomingMessage, stream: Duplex): void {
    // Whoever goes first destroys the other side, and a destroyed stream may still report that as an error.
    stream.on('error', () => incoming.socket.destroy())
    const socket = takeSocket(incoming)
    if (socket.destroyed) return abandon(stream)
    socket.on('close', () => stream.destroy())
    socket.on('error', () => stream.destroy())
    this.#server.handleUpgrade(incoming, socket, Buffer.alloc(0), client => {
      const duplex = createWebSocketStream(client)
      duplex.on('error', () => stream.destroy())
      duplex.pipe(stream).pipe(duplex)
    })
  }
}
