import { Duplex } from 'node:stream'
import { createDeferred } from './deferred.ts'
import { encodeFrame, FRAME, FrameParser, STDIN_FRAME_MAX, WANT, type Frame } from './monitor-frames.ts'

export interface AttachStreamOptions {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly tty: boolean
  /** What half-closing the stream does: end standard input for the process, or nothing (others may still write). */
  readonly endClosesStdin: boolean
  /** Bytes that detach when they are typed; empty for none. */
  readonly detachKeys: readonly number[]
}

/**
 * A client's view of a container's stdio over a monitor connection. Reading gives output, framed as Docker does unless `tty`; writing is standard input.
 * Made before the container starts, it is given its connection later: what is written until then waits.
 */
export class AttachStream extends Duplex {
  /** Resolves when the monitor has taken the attachment: from now on no output is missed. */
  readonly attached: Promise<void>
  readonly #options: AttachStreamOptions
  readonly #parser = new FrameParser()
  readonly #detach: DetachScanner
  readonly #attached = createDeferred<void>()
  #connection: Duplex | undefined
  #waiting: (() => void) | undefined

  constructor(options: AttachStreamOptions) {
    super({ allowHalfOpen: true })
    this.#options = options
    this.#detach = new DetachScanner(options.detachKeys)
    this.attached = this.#attached.promise
  }

  connect(connection: Duplex): void {
    if (this.destroyed) {
      connection.destroy()
      this.#attached.resolve()
      return
    }
    this.#connection = connection
    const { stdin, stdout, stderr } = this.#options
    connection.write(encodeFrame(FRAME.attach, Uint8Array.of((stdout ? WANT.stdout : 0) | (stderr ? WANT.stderr : 0) | (stdin ? WANT.stdin : 0))))
    connection.on('data', (chunk: Buffer) => this.#take(chunk))
    connection.on('error', () => connection.destroy())
    connection.on('close', () => this.endOutput())
    this.#waiting?.()
    this.#waiting = undefined
  }

  /** The process is gone (or never came). */
  endOutput(): void {
    this.#attached.resolve()
    this.push(null)
    this.#waiting?.()
    this.#waiting = undefined
  }

  /** The process never came, and this is why. */
  endWith(reason: string): void {
    const body = Buffer.from(`${reason}\r\n`)
    this.push(this.#options.tty ? body : encodeFrame(FRAME.stdout, body))
    this.endOutput()
  }

  /** Output from before, put in front. */
  replay(bytes: Uint8Array): void { this.push(bytes) }

  override _read(): void { this.#connection?.resume() }

  override _write(chunk: Buffer, _: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (!this.#options.stdin) { callback(); return }
    if (this.#connection === undefined && !this.readableEnded) {
      this.#waiting = () => this._write(chunk, 'utf8', callback)
      return
    }
    const { bytes, detached } = this.#detach.push(chunk)
    this.#send(bytes, () => {
      if (detached) this.#connection?.destroy()
      callback()
    })
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#options.stdin && this.#options.endClosesStdin && this.#connection === undefined && !this.readableEnded) {
      this.#waiting = () => this._final(callback)
      return
    }
    if (this.#options.stdin && this.#options.endClosesStdin && this.#connection?.destroyed === false) this.#connection.write(encodeFrame(FRAME.stdinClose))
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#connection?.destroy()
    this.#attached.resolve()
    callback(error)
  }

  #send(bytes: Buffer, done: () => void): void {
    const connection = this.#connection
    if (connection === undefined || connection.destroyed || bytes.length === 0) { done(); return }
    for (let at = 0; at < bytes.length; at += STDIN_FRAME_MAX) {
      const body = bytes.subarray(at, at + STDIN_FRAME_MAX)
      const last = at + STDIN_FRAME_MAX >= bytes.length
      connection.write(encodeFrame(FRAME.stdin, body), last ? () => done() : undefined)
    }
  }

  #take(chunk: Buffer): void {
    const parts: Buffer[] = []
    for (const frame of this.#parser.push(chunk)) this.#takeFrame(frame, parts)
    if (parts.length > 0 && !this.push(parts.length === 1 ? parts[0] : Buffer.concat(parts))) this.#connection?.pause()
  }

  #takeFrame(frame: Frame, parts: Buffer[]): void {
    if (frame.type === FRAME.attach) this.#attached.resolve()
    if (frame.type === FRAME.stdout || frame.type === FRAME.stderr) parts.push(this.#options.tty ? frame.body : frame.raw)
  }
}

/** Finds the detach sequence in typed input; withheld prefixes are passed on when it turns out to be something else. */
export class DetachScanner {
  readonly #keys: readonly number[]
  #matched = 0

  constructor(keys: readonly number[]) { this.#keys = keys }

  push(chunk: Buffer): { readonly bytes: Buffer; readonly detached: boolean } {
    if (this.#keys.length === 0) return { bytes: chunk, detached: false }
    const out: number[] = []
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++
        if (this.#matched === this.#keys.length) return { bytes: Buffer.from(out), detached: true }
        continue
      }
      out.push(...this.#keys.slice(0, this.#matched))
      this.#matched = byte === this.#keys[0] ? 1 : 0
      if (this.#matched === 0) out.push(byte)
    }
    return { bytes: Buffer.from(out), detached: false }
  }
}

/** "ctrl-p,ctrl-q" to bytes. @returns undefined when it is not a key sequence */
export function parseDetachKeys(text: string): readonly number[] | undefined {
  const keys: number[] = []
  for (const word of text.split(',')) {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(word)
    if (control?.[1] !== undefined) keys.push(control[1].toUpperCase().charCodeAt(0) & 0x1f)
    else if (word.length === 1) keys.push(word.charCodeAt(0))
    else return undefined
  }
  return keys
}
