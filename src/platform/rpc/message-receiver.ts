import type tls from 'node:tls'
import { messageOf, ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { MessageHandler } from '../../base/message-channel.ts'
import { EMPTY_FRAME, FrameReader, frameOf } from './frames.ts'
import { ACCEPTED, encodeRefusal, PATH_BYTES_MAX } from './message-protocol.ts'
import { identityOf, peerSubject, plainAddress } from './peer-identity.ts'
import { ALIVE_NOTE_MS, HANDSHAKE_TIMEOUT_MS, KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS, MESSAGE_BYTES_MAX, SHUTDOWN_GRACE_MS } from './rpc-limits.ts'

/** Senders give a sign of life more often than this. */
const SILENCE_MAX_MS = KEEPALIVE_TIME_MS + KEEPALIVE_TIMEOUT_MS

interface Incoming { readonly socket: tls.TLSSocket; heardAtMs: number }

/** The receiving side of channels of messages: MessageSocket is the other one. */
export class MessageReceiver implements Disposable {
  readonly #logger: Logger
  readonly #handlers = new Map<string, MessageHandler>()
  readonly #incoming = new Set<Incoming>()
  #timer: NodeJS.Timeout | undefined
  #ranAtMs = 0
  readonly #gone = new ShoalError('cancelled', 'cancelled', 'the sender went away')

  constructor(options: { readonly logger: Logger }) { this.#logger = options.logger }

  /** As MessageServer.handleMessages. */
  handle(path: string, handler: MessageHandler): void {
    if (this.#handlers.has(path)) throw new ShoalError('internal', 'method-registered-twice', `${path} is registered twice`)
    this.#handlers.set(path, handler)
  }

  /** Takes over a connection whose certificate, if any, is of this cluster. Whatever comes over it ends at most this connection. */
  receive(socket: tls.TLSSocket): void {
    const incoming: Incoming = { socket, heardAtMs: performance.now() }
    const abort = new AbortController()
    const pathTimer = setTimeout(() => socket.destroy(), HANDSHAKE_TIMEOUT_MS)
    let take: ((message: Uint8Array) => void) | undefined
    let isAccepted = false
    let isOver = false
    let signedAtMs = incoming.heardAtMs
    const reader = new FrameReader(PATH_BYTES_MAX, frame => {
      if (frame.length === 0) {
        giveSignOfLife(socket)
      } else if (take === undefined) {
        clearTimeout(pathTimer)
        take = this.#open(Buffer.from(frame).toString(), socket, abort.signal)
        reader.bytesMax = MESSAGE_BYTES_MAX
      } else {
        take(frame)
        if (!isAccepted) socket.write(frameOf(ACCEPTED))
        isAccepted = true
      }
    })
    const over = (): void => {
      isOver = true
      clearTimeout(pathTimer)
      abort.abort(this.#gone)
    }
    socket.on('data', (chunk: Buffer) => {
      incoming.heardAtMs = performance.now()
      if (isOver) return
      // Whoever sends much over a slow link asks for one behind all that.
      if (incoming.heardAtMs - signedAtMs > ALIVE_NOTE_MS) {
        signedAtMs = incoming.heardAtMs
        giveSignOfLife(socket)
      }
      try {
        reader.read(chunk)
      } catch (error) {
        over()
        this.#refuse(socket, error)
      }
    })
    socket.on('close', () => {
      this.#incoming.delete(incoming)
      over()
    })
    this.#incoming.add(incoming)
    this.#watch()
  }

  /** Ends all channels. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    for (const { socket } of this.#incoming) socket.destroy()
  }

  #open(path: string, socket: tls.TLSSocket, signal: AbortSignal): (message: Uint8Array) => void {
    const handler = this.#handlers.get(path)
    if (handler === undefined) throw new ShoalError('not-implemented', 'no-such-method', 'the server does not take such messages; run the same version on both nodes')
    return handler({ identity: identityOf(peerSubject(socket)), remoteAddress: plainAddress(socket.remoteAddress ?? ''), isLocal: false, signal, metadata: {} })
  }

  /** Tells the sender why. It closes the connection then: if this side did, what it has sent meanwhile would make the answer be lost. */
  #refuse(socket: tls.TLSSocket, error: unknown): void {
    if (!(error instanceof ShoalError)) this.#logger.error('handler of messages failed', { err: error })
    socket.end(frameOf(encodeRefusal(error instanceof ShoalError ? error : new ShoalError('internal', 'internal-error', messageOf(error)))))
    const timer = setTimeout(() => socket.destroy(), SHUTDOWN_GRACE_MS)
    socket.once('close', () => clearTimeout(timer))
  }

  /** Ends connections whose other side is gone without a word. */
  #watch(): void {
    if (this.#timer !== undefined) return
    this.#ranAtMs = performance.now()
    this.#timer = setInterval(() => {
      const nowMs = performance.now()
      const wasStopped = nowMs - this.#ranAtMs > 2 * ALIVE_NOTE_MS
      this.#ranAtMs = nowMs
      // What was sent while this process did not run is read only after this.
      if (wasStopped) return
      for (const { socket, heardAtMs } of this.#incoming) if (nowMs - heardAtMs > SILENCE_MAX_MS) socket.destroy()
    }, ALIVE_NOTE_MS).unref()
  }
}

/** Not behind another that waits: who never reads must not cost memory. */
function giveSignOfLife(socket: tls.TLSSocket): void {
  if (socket.writableLength === 0) socket.write(EMPTY_FRAME)
}
