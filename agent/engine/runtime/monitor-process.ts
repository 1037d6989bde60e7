import type { Duplex } from 'node:stream'
import { createDeferred } from './deferred.ts'
import { encodeFrame, FRAME, FrameParser, type Frame } from './monitor-frames.ts'

/** How a container or exec ended. */
export interface ExitStatus { readonly code: number; readonly oomKilled: boolean; readonly atMs: number; /** The monitor went away without telling. */ readonly lost?: boolean; /** Nor did anybody watch: usually a reboot. */ readonly unwatched?: boolean }

export interface MonitorState { readonly pid?: number; readonly failed?: number; readonly code?: number; readonly oom_kill?: number; readonly at?: string }

/** The daemon's own connection to one monitor. */
export class MonitorProcess {
  /** Resolves with the state at connecting. */
  readonly ready: Promise<MonitorState>
  /** Resolves when the runtime is done: a pid, or how it failed. */
  readonly started: Promise<MonitorState>
  /** Resolves at the exit, or with undefined when the connection ends before. */
  readonly exited: Promise<ExitStatus | undefined>
  readonly #stream: Duplex
  readonly #closed: Promise<void>
  #isReleased = false

  constructor(stream: Duplex) {
    this.#stream = stream
    const ready = createDeferred<MonitorState>()
    const started = createDeferred<MonitorState>()
    const exited = createDeferred<ExitStatus | undefined>()
    const closed = createDeferred<void>()
    this.ready = ready.promise
    this.started = started.promise
    this.exited = exited.promise
    this.#closed = closed.promise
    const parser = new FrameParser()
    const take = (frame: Frame): void => {
      const state = parseState(frame.body)
      if (frame.type === FRAME.attach) {
        ready.resolve(state)
        if (state.pid !== undefined || state.failed !== undefined) started.resolve(state)
      }
      if (frame.type === FRAME.start) started.resolve(state)
      if (frame.type === FRAME.exit) exited.resolve(exitStatusOf(state))
    }
    stream.on('data', (chunk: Buffer) => { for (const frame of parser.push(chunk)) take(frame) })
    stream.on('error', () => stream.destroy())
    stream.on('close', () => {
      ready.resolve({ failed: 125 })
      started.resolve({ failed: 125 })
      exited.resolve(undefined)
      closed.resolve()
    })
  }

  /** For a connection to a running monitor: asks for its state. */
  greet(): void { this.#stream.write(encodeFrame(FRAME.attach, Uint8Array.of(0))) }
  go(): void { this.#stream.write(encodeFrame(FRAME.start)) }
  signal(number: number): void { this.#stream.write(encodeFrame(FRAME.signal, Uint8Array.of(number))) }
  resize(height: number, width: number): void { this.#stream.write(encodeFrame(FRAME.resize, resizeBody(height, width))) }
  /** Lets go of the monitor, which goes on. */
  disconnect(): void {
    this.#isReleased = true
    this.#stream.destroy()
  }
  /** This side let go: that `exited` came without a status says nothing about the process. */
  get isReleased(): boolean { return this.#isReleased }
  /** Resolves when the monitor has ended or was let go. */
  get closed(): Promise<void> { return this.#closed }
}

export function resizeBody(height: number, width: number): Uint8Array {
  const body = Buffer.alloc(4)
  body.writeUInt16BE(height & 0xffff, 0)
  body.writeUInt16BE(width & 0xffff, 2)
  return body
}

/** The JSON of a state frame and of the exit file. */
export function parseState(body: Uint8Array): MonitorState {
  return body.length === 0 ? {} : JSON.parse(Buffer.from(body).toString()) as MonitorState
}

export function exitStatusOf(state: MonitorState): ExitStatus {
  return { code: state.code ?? 255, oomKilled: (state.oom_kill ?? 0) > 0, atMs: Number(BigInt(state.at ?? '0') / 1_000_000n) }
}
