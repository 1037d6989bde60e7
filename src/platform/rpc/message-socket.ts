import tls from 'node:tls'
import { ShoalError } from '../../base/errors.ts'
import type { MessageChannel, MessageChannelEvents } from '../../base/message-channel.ts'
import { SERVER_NAME } from './credentials-source.ts'
import { EMPTY_FRAME, FrameReader, frameOf } from './frames.ts'
import { ANSWER_BYTES_MAX, decodeAnswer, MESSAGE_PROTOCOL } from './message-protocol.ts'
import { parseAddress } from './rpc-address.ts'
import { ALIVE_NOTE_MS, CONNECT_TIMEOUT_MS, KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS, STALL_MS } from './rpc-limits.ts'

/** Bytes that wait in this process before the sender had better wait itself. */
const WAITING_BYTES_MAX = 1024 * 1024

/** How long what may take; others only in tests. */
export interface MessageTimes {
  readonly connectMs: number
  /** Each time so long without a sign of life the other side is asked for one. */
  readonly noteMs: number
  /** A side that gives none for so long, or is asked for so long, is dead: within the time of the keepalive, up to a note later. */
  readonly silenceMaxMs: number
  /** A process that did not run for so long dials anew (D-742). */
  readonly stallMs: number
}
const TIMES: MessageTimes = { connectMs: CONNECT_TIMEOUT_MS, noteMs: ALIVE_NOTE_MS, silenceMaxMs: KEEPALIVE_TIME_MS + KEEPALIVE_TIMEOUT_MS - ALIVE_NOTE_MS, stallMs: STALL_MS }

/** What a MessageSocket works with. */
export interface MessageSocketOptions {
  /** "host:port" */
  readonly address: string
  readonly path: string
  readonly secureContext: tls.SecureContext
  readonly events: MessageChannelEvents
  readonly times?: MessageTimes
}

/** The sending side of a channel of messages, over TLS: message-protocol.ts. */
export class MessageSocket implements MessageChannel {
  readonly #address: string
  readonly #events: MessageChannelEvents
  readonly #times: MessageTimes
  readonly #socket: tls.TLSSocket
  readonly #connectTimer: NodeJS.Timeout
  #noteTimer: NodeJS.Timeout | undefined
  #isConnected = false
  #isAccepted = false
  #isFull = false
  #isOver = false
  /** Why it is over, as far as is known. */
  #reason: ShoalError | undefined
  #heardAtMs = 0
  #notedAtMs = 0

  /** @throws ShoalError `invalid-address` (invalid-argument) */
  constructor({ address, path, secureContext, events, times = TIMES }: MessageSocketOptions) {
    const target = parseAddress(address)
    if (target.kind === 'unix') throw new ShoalError('invalid-argument', 'invalid-address', `"${address}" is no address of a manager's port`)
    this.#address = address
    this.#events = events
    this.#times = times
    const socket = tls.connect({ host: target.host, port: target.port, servername: SERVER_NAME, secureContext, ALPNProtocols: [MESSAGE_PROTOCOL] })
    this.#socket = socket
    socket.setNoDelay(true)
    this.#connectTimer = setTimeout(() => this.#end(new ShoalError('unavailable', 'rpc-not-connected', `${address}: no connection within ${times.connectMs / 1000} s`)), times.connectMs)
    const reader = new FrameReader(ANSWER_BYTES_MAX, frame => this.#answered(frame))
    socket.once('secureConnect', () => this.#connected(path))
    socket.on('data', (chunk: Buffer) => {
      this.#heardAtMs = performance.now()
      try {
        reader.read(chunk)
      } catch (cause) {
        this.#end(new ShoalError('unavailable', 'rpc-failed', `${address}: its answer to messages makes no sense`, { cause }))
      }
    })
    socket.on('drain', () => {
      if (!this.#isFull || this.#isOver) return
      this.#isFull = false
      events.onReady()
    })
    socket.on('end', () => socket.destroy())
    socket.on('error', (error: NodeJS.ErrnoException) => { this.#reason ??= this.#failure(error) })
    socket.on('close', () => this.#closed())
  }

  send(message: Uint8Array): boolean {
    this.#socket.write(frameOf(message))
    this.#isFull = this.#socket.writableLength > WAITING_BYTES_MAX
    return !this.#isFull
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    clearTimeout(this.#connectTimer)
    clearInterval(this.#noteTimer)
    this.#socket.destroy()
  }

  #connected(path: string): void {
    if (this.#isOver) return
    clearTimeout(this.#connectTimer)
    this.#isConnected = true
    this.#heardAtMs = this.#notedAtMs = performance.now()
    this.#noteTimer = setInterval(() => this.#note(), this.#times.noteMs)
    this.#socket.write(frameOf(Buffer.from(path)))
    this.#events.onReady()
  }

  #answered(frame: Uint8Array): void {
    if (frame.length === 0 || this.#isOver) return
    const refusal = decodeAnswer(frame)
    if (refusal !== undefined) return this.#end(refusal)
    this.#isAccepted = true
    this.#events.onAccepted()
  }

  #note(): void {
    const nowMs = performance.now()
    if (nowMs - this.#notedAtMs > this.#times.stallMs) return this.#end(this.#lost('this process did not run for a while'))
    this.#notedAtMs = nowMs
    if (nowMs - this.#heardAtMs > this.#times.silenceMaxMs) return this.#end(this.#lost('there is no sign of life'))
    this.#socket.write(EMPTY_FRAME)
  }

  #end(reason: ShoalError): void {
    this.#reason ??= reason
    this.#socket.destroy()
  }

  #closed(): void {
    if (this.#isOver) return
    this[Symbol.dispose]()
    this.#events.onClosed(this.#reason ?? this.#failure(undefined))
  }

  #lost(why: string): ShoalError { return new ShoalError('unavailable', 'rpc-unavailable', `${this.#address}: the connection was lost: ${why}`) }

  #failure(cause: NodeJS.ErrnoException | undefined): ShoalError {
    const why = cause?.message ?? 'the other side closed it'
    if (this.#isAccepted) return this.#lost(why)
    const isRefused = !this.#isConnected && cause?.code === 'ECONNREFUSED'
    // With TLS 1.3 who is not let in learns it only after the handshake.
    const hint = cause === undefined || cause.code === 'ECONNRESET' ? '; is this node\'s certificate one of that cluster?' : ''
    return new ShoalError('unavailable', isRefused ? 'rpc-refused' : 'rpc-not-connected', `${this.#address}: no connection: ${why}${hint}`, { cause })
  }
}
