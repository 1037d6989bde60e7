import type { Duplex } from 'node:stream'
import { encodeFrame, FRAME, FrameParser, WANT } from '../runtime/monitor-frames.ts'

/** Tells a follower of a log that there is more, by way of the monitor that writes it. */
export class LogWatch {
  readonly #connection: Duplex
  #changed = true
  #ended = false
  #waiter: (() => void) | undefined
  #onWrite: () => void = () => undefined

  constructor(connection: Duplex) {
    this.#connection = connection
    const parser = new FrameParser()
    connection.on('data', (chunk: Buffer) => {
      if (parser.push(chunk).some(frame => frame.type === FRAME.logged)) {
        this.#changed = true
        this.#onWrite()
      }
      this.#wake()
    })
    connection.on('error', () => connection.destroy())
    connection.on('close', () => { this.#ended = true; this.#wake() })
    connection.write(encodeFrame(FRAME.attach, Uint8Array.of(WANT.follow)))
  }

  /** True: read on. False: the container has ended (read once more) or the signal was aborted. */
  async changed(signal: AbortSignal): Promise<boolean> {
    const onAbort = (): void => { this.#connection.destroy(); this.#wake() }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      while (!this.#changed && !this.#ended && !signal.aborted) await new Promise<void>(resolve => { this.#waiter = resolve })
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    const more = this.#changed && !signal.aborted
    this.#changed = false
    return more
  }

  /** Calls `listener` at each write from now on. */
  onWrite(listener: () => void): void { this.#onWrite = listener }

  close(): void { this.#connection.destroy() }

  #wake(): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.()
  }
}
