import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocketServer } from 'ws'
import { ShoalError } from '../../base/errors.ts'
import { takeSocket } from './hijack.ts'

/** Input frames larger than this are not keystrokes. */
const FRAME_BYTES_MAX = 1024 * 1024

/** Upgrades connections to WebSockets and joins them to a stream (GET /containers/{id}/attach/ws). */
export class WebSocketUpgrader {
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: FRAME_BYTES_MAX })

  /** Takes ownership of `stream`. @throws ShoalError `not-a-websocket` (invalid-argument) */
  upgrade(incoming: IncomingMessage, stream: Duplex): void {
    if (incoming.headers.upgrade?.toLowerCase() !== 'websocket') {
      stream.destroy()
      throw new ShoalError('invalid-argument', 'not-a-websocket', 'this endpoint speaks only WebSocket: send an Upgrade: websocket request')
    }
    const socket = takeSocket(incoming)
    socket.on('close', () => stream.destroy())
    socket.on('error', () => stream.destroy())
    this.#server.handleUpgrade(incoming, socket, Buffer.alloc(0), client => {
      const duplex = createWebSocketStream(client)
      duplex.on('error', () => stream.destroy())
      stream.on('error', () => duplex.destroy())
      duplex.pipe(stream).pipe(duplex)
    })
  }
}
