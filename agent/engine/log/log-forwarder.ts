import { messageOf } from '../../../src/base/errors.ts'
import type { Clock } from '../../../src/base/clock.ts'
import type { Logger } from '../../../src/base/logger.ts'
import { LogCursor, type LogFiles, type LogPosition } from './log-cursor.ts'
import type { LogMessage, LogSink } from './log-sink.ts'
import { MessageSplitter } from './message-splitter.ts'

const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 30_000
/** How much may be sent twice after a crash: what was sent since the position was last written. */
const SAVE_MS = 1000

export interface LogForwarderOptions {
  readonly container: string
  readonly files: LogFiles
  readonly open: () => Promise<LogSink>
  readonly clock: Clock
  readonly logger: Logger
  readonly load: () => LogPosition | undefined
  readonly save: (position: LogPosition) => Promise<void>
}

/**
 * Sends what the monitor has logged on to a remote driver. The monitor's file is the queue between them: it survives the daemon, and a server
 * that is away is waited for without holding up the container. Each line is sent at least once, unless the file was rotated away before (D-360).
 */
export class LogForwarder {
  readonly #options: LogForwarderOptions
  readonly #splitter = new MessageSplitter()
  #sink: LogSink | undefined
  #cursor: LogCursor | undefined
  #savedMs = 0
  #saved: LogPosition | undefined

  /** `sink`: already open, from the check at the start of the container. */
  constructor(options: LogForwarderOptions, sink?: LogSink) {
    this.#options = options
    this.#sink = sink
  }

  /** Opens the files now, so that they can be read after a removal. Else run() does. */
  open(): LogCursor {
    this.#saved = this.#options.load()
    this.#cursor = new LogCursor(this.#options.files, { start: this.#saved })
    return this.#cursor
  }

  /** `changed` as in LogWatch: true when there is more, false at the end. Resolves after the last line, or when the signal aborts. */
  async run(changed: (signal: AbortSignal) => Promise<boolean>, onWrite: (listener: () => void) => void, signal: AbortSignal): Promise<void> {
    const cursor = this.#cursor ?? this.open()
    onWrite(() => { cursor.keepUp() })
    try {
      do await this.#sendAll(cursor, signal)
      while (await changed(signal))
      await this.#sendAll(cursor, signal)
      for (const message of this.#splitter.rest()) if (!await this.#send(message, signal)) return
      await this.#save(cursor.position, signal)
    } finally {
      cursor.close()
      await this.#sink?.[Symbol.asyncDispose]()
    }
  }

  async #sendAll(cursor: LogCursor, signal: AbortSignal): Promise<void> {
    for (let chunk = cursor.next(); chunk !== undefined && !signal.aborted; chunk = cursor.next()) {
      const end = cursor.position
      if (end === undefined) return
      const start = { inode: end.inode, offset: end.offset - chunk.length }
      for (const message of this.#splitter.push(chunk, start)) if (!await this.#send(message, signal)) return
      if (this.#options.clock.monotonicMs() - this.#savedMs > SAVE_MS) await this.#save(end, signal)
    }
    await this.#save(cursor.position, signal)
  }

  /** False when the signal was aborted first. */
  async #send(message: LogMessage, signal: AbortSignal): Promise<boolean> {
    const { clock, logger, container } = this.#options
    for (let delayMs = RETRY_FIRST_MS; !signal.aborted; delayMs = Math.min(2 * delayMs, RETRY_MAX_MS)) {
      try {
        this.#sink ??= await this.#options.open()
        await this.#sink.send(message)
        return true
      } catch (err) {
        if (delayMs === RETRY_FIRST_MS) logger.warn('a log driver does not take a container\'s output; it is kept and sent later', { container, reason: messageOf(err) })
        await this.#sink?.[Symbol.asyncDispose]()
        this.#sink = undefined
        await clock.sleep(delayMs, signal).catch(() => undefined)
      }
    }
    return false
  }

  /** Not when the signal has aborted: what was read is not all sent then. */
  async #save(end: LogPosition | undefined, signal: AbortSignal): Promise<void> {
    const position = this.#splitter.resumeAt(end)
    if (signal.aborted || position === undefined || position.inode === this.#saved?.inode && position.offset === this.#saved.offset) return
    this.#savedMs = this.#options.clock.monotonicMs()
    this.#saved = position
    await this.#options.save(position)
  }
}
