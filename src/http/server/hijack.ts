import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../base/clock.ts'
import type { Reply } from './reply.ts'

/** A client that neither reads to the end nor closes is dropped this long after the process's output ended. */
const LINGER_MS = 30_000

/** Takes the connection away from the HTTP parser: bytes that arrive from now on are for whoever listens next. */
export function takeSocket(incoming: IncomingMessage): Socket {
  const { socket } = incoming
  // The parser reads through these listeners; adding a new 'data' listener makes Node hand the bytes to JavaScript again.
  socket.removeAllListeners('data')
  socket.removeAllListeners('end')
  socket.setTimeout(0)
  socket.setNoDelay?.(true)
  return socket
}

/**
 * Turns the connection into the stream of an attach or exec: 101 for clients that ask for an upgrade, else Docker's old way of a 200
 * without length. A client that half-closes ends the process's input and still gets its output.
 */
export function hijack(incoming: IncomingMessage, reply: Reply & { readonly kind: 'hijack' }, clock: Clock): void {
  const isUpgrade = incoming.headers.upgrade !== undefined
  if (isUpgrade && !incoming.complete && incoming.headers['content-length'] !== undefined) return afterBody(incoming, () => hijack(incoming, reply, clock), () => abandon(reply.stream))
  // Some clients send input as a chunked request body instead of raw bytes after it.
  const isBodyOpen = !incoming.complete
  const socket = isBodyOpen ? incoming.socket : takeSocket(incoming)
  if (socket.destroyed) return abandon(reply.stream)
  socket.write(isUpgrade
    ? `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${reply.contentType}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`
    : 'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n')
  const input = isBodyOpen ? incoming : socket
  if (reply.input) input.pipe(reply.stream)
  else input.resume()
  joinOutput(reply.stream, socket, clock)
}

/** A body of told length beside an upgrade is no input (dockerode repeats its query there): it is read and dropped before the connection changes hands. */
function afterBody(incoming: IncomingMessage, go: () => void, giveUp: () => void): void {
  incoming.removeAllListeners('data')
  incoming.once('end', go)
  incoming.once('close', () => { if (!incoming.complete) giveUp() })
  incoming.resume()
}

/** Lets go of a stream whose client left before it began. A destroyed stream may still report an error; nobody is left to hear it. */
export function abandon(stream: Duplex): void {
  stream.on('error', () => stream.destroy())
  stream.destroy()
}

/** Stream to socket, and the end of either is the end of both. */
function joinOutput(stream: Duplex, socket: Socket, clock: Clock): void {
  const detach = (): void => { stream.destroy() }
  stream.pipe(socket)
  stream.on('error', () => socket.destroy())
  stream.on('close', () => {
    if (!socket.writableEnded) socket.end()
  })
  socket.on('error', detach)
  socket.on('close', detach)
  // Closing at once would reset the connection if input is still on its way, and the client would lose output.
  socket.on('finish', () => {
    const timer = clock.after(LINGER_MS, () => socket.destroy())
    socket.on('close', () => timer.cancel())
    socket.unpipe(stream)
    socket.resume()
    if (socket.readableEnded) socket.destroy()
    else socket.once('end', () => socket.destroy())
  })
}
