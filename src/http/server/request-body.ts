import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { Clock } from '../../base/clock.ts'

/** A client that still sends this long after its answer is cut off. */
const LINGER_MS = 30_000

/**
 * The request's body as a stream of its own: a reader that gives up on it leaves the connection standing, so that the client gets to read why.
 * (Destroying the request would reset the connection, and an answer that the client has not read yet with it.)
 */
export function requestBody(incoming: IncomingMessage): Readable {
  const body = new Readable({
    read: () => { incoming.resume() },
    destroy: (error, callback) => {
      incoming.off('data', onData)
      if (!incoming.destroyed) incoming.resume()
      callback(error)
    },
  })
  // A handler that never reads its body hears nothing of a client that leaves; the process must not end of it.
  body.on('error', () => undefined)
  const onData = (chunk: Buffer): void => { if (!body.push(chunk)) incoming.pause() }
  incoming.on('data', onData)
  incoming.pause()
  incoming.on('end', () => { if (!body.destroyed) body.push(null) })
  incoming.on('error', error => body.destroy(error))
  incoming.on('close', () => { if (!incoming.complete && !body.destroyed) body.destroy(new Error('the client closed the connection')) })
  return body
}

/** What is left of a request after its answer is read and dropped, for a while. */
export function drainRest(incoming: IncomingMessage, response: ServerResponse, clock: Clock): void {
  response.once('finish', () => {
    // An upgraded connection is a request without end; its reply has no response that finishes.
    if (incoming.complete || incoming.destroyed) return
    incoming.resume()
    const { socket } = incoming
    const timer = clock.after(LINGER_MS, () => { if (!incoming.complete) socket.destroy() })
    incoming.once('close', () => timer.cancel())
    incoming.once('end', () => timer.cancel())
  })
}
