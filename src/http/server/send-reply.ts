import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { assertNever, messageOf } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import { errorReply } from './http-status.ts'
import { hijack } from './hijack.ts'
import type { Reply } from './reply.ts'
import type { WebSocketUpgrader } from './websocket.ts'

const ITEMS_PER_PART = 100

export interface Exchange {
  readonly incoming: IncomingMessage
  readonly response: ServerResponse
  /** Aborted when the client went away. */
  readonly signal: AbortSignal
}

/** Performs replies. Resolves when the reply is written or the client is gone. */
export class ReplySender {
  readonly #clock: Clock
  readonly #webSockets: WebSocketUpgrader

  constructor(clock: Clock, webSockets: WebSocketUpgrader) {
    this.#clock = clock
    this.#webSockets = webSockets
  }

  async send(exchange: Exchange, reply: Reply): Promise<void> {
    const { incoming, response } = exchange
    switch (reply.kind) {
      case 'json': return sendText(response, reply.status, 'application/json', `${JSON.stringify(reply.body)}\n`, reply.headers)
      case 'array': return sendArray(exchange, reply.items)
      case 'text': return sendText(response, reply.status, 'text/plain; charset=utf-8', reply.body, reply.headers)
      case 'empty':
        response.writeHead(reply.status, reply.headers).end()
        return
      case 'later': return sendLater(response, reply.body)
      case 'lines': return sendLines(exchange, reply)
      case 'stream':
        response.writeHead(200, { 'Content-Type': reply.contentType, ...reply.headers })
        response.flushHeaders()
        // The request's own end of life destroys the source too, so following a log stops when its reader is gone.
        return ignoreCut(exchange, pipeline(reply.stream, response))
      case 'hijack': return hijack(incoming, reply, this.#clock)
      case 'websocket': return this.#webSockets.upgrade(incoming, reply.stream)
      default: return assertNever(reply)
    }
  }

  /** The body of every error: {"message": …}. */
  sendError(response: ServerResponse, error: unknown): void {
    const { status, message } = errorReply(error)
    if (status === 304) {
      response.writeHead(status).end()
      return
    }
    sendText(response, status, 'application/json', `${JSON.stringify({ message })}\n`)
  }
}

function sendText(response: ServerResponse, status: number, contentType: string, text: string, headers: Readonly<Record<string, string>> = {}): void {
  const body = Buffer.from(text)
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': body.length, ...headers }).end(body)
}

async function sendLater(response: ServerResponse, body: Promise<unknown>): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.flushHeaders()
  try {
    response.end(`${JSON.stringify(await body)}\n`)
  } catch (error) {
    // The status is out: the wait's own error field is all that is left to tell it with.
    response.end(`${JSON.stringify({ StatusCode: -1, Error: { Message: messageOf(error) } })}\n`)
  }
}

async function sendArray(exchange: Exchange, items: Iterable<unknown>): Promise<void> {
  const { response } = exchange
  response.writeHead(200, { 'Content-Type': 'application/json' })
  await ignoreCut(exchange, pipeline(arrayParts(items), response))
}

/** Between two parts the event loop turns, so that a list of 100,000 tasks does not hold up everyone else. */
async function* arrayParts(items: Iterable<unknown>): AsyncIterable<string> {
  let part = '['
  let count = 0
  for (const item of items) {
    part += count === 0 ? JSON.stringify(item) : `,${JSON.stringify(item)}`
    if (++count % ITEMS_PER_PART === 0) {
      yield part
      part = ''
    }
  }
  yield `${part}]\n`
}

async function sendLines(exchange: Exchange, reply: Reply & { readonly kind: 'lines' }): Promise<void> {
  const { response } = exchange
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.flushHeaders()
  await ignoreCut(exchange, pipeline(linesOf(reply), response))
}

async function* linesOf({ values, progress }: Reply & { readonly kind: 'lines' }): AsyncIterable<string> {
  try {
    for await (const value of values) yield `${JSON.stringify(value)}\r\n`
  } catch (error) {
    if (!progress) throw error
    const message = messageOf(error)
    yield `${JSON.stringify({ errorDetail: { message }, error: message })}\r\n`
  }
}

/** A client that leaves in the middle of a stream is normal; anything else is an error. */
async function ignoreCut(exchange: Exchange, sent: Promise<void>): Promise<void> {
  try {
    await sent
  } catch (error) {
    if (!exchange.signal.aborted && !exchange.response.destroyed) throw error
  }
}
