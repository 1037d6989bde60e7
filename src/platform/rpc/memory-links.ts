import { ShoalError } from '../../base/errors.ts'
import type { FrameLink, FrameLinkEvents, FrameLinkHandler } from '../../base/frame-link.ts'
import type { RpcContext } from '../../base/rpc.ts'

/** What a MemoryLink works with. */
export interface MemoryLinkOptions {
  readonly address: string
  readonly events: FrameLinkEvents
  readonly contextOf: (signal: AbortSignal) => RpcContext
  /** The handler at the address and what to call when the link is over; undefined if nobody listens there. Looked for once, a moment later. */
  readonly find: (link: MemoryLink) => { readonly handler: FrameLinkHandler; readonly forget: () => void } | undefined
}

/** One side: where it sends to, and what waits while it does not read. */
interface Side { readonly events: FrameLinkEvents; readonly held: Uint8Array[]; isPaused: boolean; isDisposed: boolean }

/** Both sides of a link inside one process, in the hands of who opened it. Everything comes in turns of its own, as over a socket. There is always room. */
export class MemoryLink implements FrameLink {
  readonly #options: MemoryLinkOptions
  readonly #abort = new AbortController()
  readonly #near: Side
  #far: Side | undefined
  #forget: () => void = () => {}
  #isOver = false

  constructor(options: MemoryLinkOptions) {
    this.#options = options
    this.#near = sideOf(options.events)
    this.#later(() => this.#connect())
  }

  send(frame: Uint8Array): boolean { return this.#send(frame, () => this.#far) }
  pause(): void { this.#near.isPaused = true }
  resume(): void { this.#resume(this.#near) }
  [Symbol.dispose](): void { this.#dispose(this.#near) }

  /** The link breaks. */
  end(error: ShoalError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#forget()
    const gone = new ShoalError('cancelled', 'cancelled', 'the caller went away')
    this.#abort.abort(gone)
    const [near, far] = [this.#near, this.#far]
    queueMicrotask(() => {
      if (!near.isDisposed) near.events.onClosed(error)
      if (far?.isDisposed === false) far.events.onClosed(gone)
    })
  }

  #connect(): void {
    const { address, find, contextOf } = this.#options
    const found = find(this)
    if (found === undefined) return this.end(new ShoalError('unavailable', 'rpc-refused', `${address}: no connection: nobody listens there`))
    this.#forget = found.forget
    const ofServer: FrameLink = {
      send: frame => this.#send(frame, () => this.#near),
      pause: () => { if (this.#far !== undefined) this.#far.isPaused = true },
      resume: () => { if (this.#far !== undefined) this.#resume(this.#far) },
      [Symbol.dispose]: () => { if (this.#far !== undefined) this.#dispose(this.#far) },
    }
    this.#far = sideOf(found.handler(ofServer, contextOf(this.#abort.signal)))
    this.#later(() => this.#near.events.onReady())
  }

  #send(frame: Uint8Array, to: () => Side | undefined): boolean {
    this.#later(() => {
      const side = to()
      if (side?.isPaused === true) side.held.push(frame)
      else if (side !== undefined) this.#deliver(frame, side)
    })
    return true
  }

  #resume(side: Side): void {
    side.isPaused = false
    this.#later(() => { while (!side.isPaused && side.held.length > 0) this.#deliver(side.held.shift() as Uint8Array, side) })
  }

  #deliver(frame: Uint8Array, side: Side): void {
    try {
      if (frame.length > side.events.frameBytesMax) throw new ShoalError('resource-exhausted', 'message-too-large', `a message of ${frame.length} bytes exceeds ${side.events.frameBytesMax}`)
      side.events.onFrame(frame)
    } catch (cause) {
      const { address } = this.#options
      this.end(side === this.#near ? new ShoalError('unavailable', 'rpc-failed', `${address}: what came makes no sense`, { cause }) : lost(address))
    }
  }

  #dispose(side: Side): void {
    side.isDisposed = true
    this.end(lost(this.#options.address))
  }

  #later(step: () => void): void { queueMicrotask(() => { if (!this.#isOver) step() }) }
}

function sideOf(events: FrameLinkEvents): Side { return { events, held: [], isPaused: false, isDisposed: false } }

function lost(address: string): ShoalError { return new ShoalError('unavailable', 'rpc-unavailable', `${address}: the connection was lost: the other side closed it`) }
