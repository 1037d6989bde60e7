import net from 'node:net'
import { ShoalError } from '../../base/errors.ts'
import type { FrameLink, FrameLinkEvents } from '../../base/frame-link.ts'
import { linkPathOf, parseAddress } from './rpc-address.ts'
import { ALIVE_NOTE_MS, CONNECT_TIMEOUT_MS, KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS, STALL_MS } from './rpc-limits.ts'
import { SocketLink } from './socket-link.ts'

/** How long what may take; others only in tests. */
export interface LinkTimes {
  /** Until the other side gives its first sign of life. */
  readonly connectMs: number
  /** Each time so long it is asked for one. */
  readonly noteMs: number
  /** A side that gives none for so long is dead, or as good as that: within the time of the keepalive, up to a note later. */
  readonly silenceMaxMs: number
  /** A process that did not run for so long has to listen anew first. */
  readonly stallMs: number
}
const TIMES: LinkTimes = { connectMs: CONNECT_TIMEOUT_MS, noteMs: ALIVE_NOTE_MS, silenceMaxMs: KEEPALIVE_TIME_MS + KEEPALIVE_TIMEOUT_MS - ALIVE_NOTE_MS, stallMs: STALL_MS }

/** Nobody holds the socket, or there is none. */
const REFUSED: ReadonlySet<string | undefined> = new Set(['ECONNREFUSED', 'ENOENT'])

/** What a LinkSocket works with. */
export interface LinkSocketOptions {
  /** "unix:/path", of the server's calls */
  readonly address: string
  readonly events: FrameLinkEvents
  readonly times?: LinkTimes
}

/** The side of a link that opens it. Frames (frames.ts) both ways; empty ones are signs of life, the first of which tells that the server is there. */
export class LinkSocket implements FrameLink {
  readonly #address: string
  readonly #events: FrameLinkEvents
  readonly #times: LinkTimes
  readonly #link: SocketLink
  readonly #connectTimer: NodeJS.Timeout
  #noteTimer: NodeJS.Timeout | undefined
  #isReady = false
  /** Why it is over, as far as is known. */
  #reason: Error | undefined
  #heardAtMs = 0
  #notedAtMs = 0

  /** @throws ShoalError `invalid-address` (invalid-argument) */
  constructor({ address, events, times = TIMES }: LinkSocketOptions) {
    const target = parseAddress(address)
    if (target.kind !== 'unix') throw new ShoalError('invalid-argument', 'invalid-address', `"${address}" is no Unix socket of this host`)
    this.#address = address
    this.#events = events
    this.#times = times
    const socket = net.connect({ path: linkPathOf(target.path) })
    const end = (reason: Error): void => {
      this.#reason ??= reason
      socket.destroy()
    }
    this.#link = new SocketLink(socket)
    this.#connectTimer = setTimeout(() => end(this.#notConnected(`there was no answer within ${times.connectMs / 1000} s`)), times.connectMs)
    this.#link.read({
      frameBytesMax: events.frameBytesMax, onHeard: () => { this.#heardAtMs = performance.now() }, onSign: () => this.#heard(end),
      onFrame: frame => events.onFrame(frame), onRoom: () => events.onReady(),
      onSenseless: cause => end(new ShoalError('unavailable', 'rpc-failed', `${address}: what came makes no sense`, { cause })),
    })
    socket.on('error', (error: NodeJS.ErrnoException) => { this.#reason ??= this.#failure(error) })
    socket.on('close', () => this.#closed())
  }

  send(frame: Uint8Array): boolean { return this.#link.send(frame) }
  pause(): void { this.#link.pause() }
  resume(): void { this.#link.resume() }

  [Symbol.dispose](): void {
    clearTimeout(this.#connectTimer)
    clearInterval(this.#noteTimer)
    this.#link[Symbol.dispose]()
  }

  #heard(end: (reason: Error) => void): void {
    if (this.#isReady) return
    this.#isReady = true
    clearTimeout(this.#connectTimer)
    this.#notedAtMs = performance.now()
    this.#noteTimer = setInterval(() => this.#note(end), this.#times.noteMs)
    this.#events.onReady()
  }

  /** The kernel tells of a process that ended, but not of one that hangs: whoever waits for it hears of that as soon as over gRPC. */
  #note(end: (reason: Error) => void): void {
    const nowMs = performance.now()
    // What came while this process did not run is read only after this; the kernel loses nothing of it.
    if (nowMs - this.#notedAtMs > this.#times.stallMs) this.#heardAtMs = nowMs
    this.#notedAtMs = nowMs
    if (nowMs - this.#heardAtMs > this.#times.silenceMaxMs) return end(this.#lost('there is no sign of life'))
    this.#link.sendSign()
  }

  #closed(): void {
    if (this.#link.isOver) return
    this[Symbol.dispose]()
    this.#events.onClosed(this.#reason ?? this.#failure(undefined))
  }

  #failure(cause: NodeJS.ErrnoException | undefined): ShoalError {
    const why = cause?.message ?? 'the other side closed it'
    return this.#isReady ? this.#lost(why) : this.#notConnected(why, cause)
  }

  #notConnected(why: string, cause?: NodeJS.ErrnoException): ShoalError {
    return new ShoalError('unavailable', REFUSED.has(cause?.code) ? 'rpc-refused' : 'rpc-not-connected', `${this.#address}: no connection: ${why}`, { cause })
  }

  #lost(why: string): ShoalError { return new ShoalError('unavailable', 'rpc-unavailable', `${this.#address}: the connection was lost: ${why}`) }
}
