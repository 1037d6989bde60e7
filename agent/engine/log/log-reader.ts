import { Readable } from 'node:stream'
import { ShoalError } from '../../../src/base/errors.ts'
import type { LogOptions } from '../../../src/api/engine/engine-calls.ts'
import { formatTime } from './format-time.ts'
import { LogCursor, READ_BYTES, type LogFiles } from './log-cursor.ts'
import { RECORD_HEAD } from './record-head.ts'

const FRAME_HEAD = 8

export interface LogSource extends LogFiles {
  readonly tty: boolean
  /** Resolves at the next write, false at the end of the container. */
  readonly changed: ((signal: AbortSignal) => Promise<boolean>) | undefined
  /** Calls `listener` at each write, also while the reader of the stream is slow. */
  readonly onWrite?: (listener: () => void) => void
  /** What `details` shows before each line. */
  readonly attributes: string
}

/** A container's log as the API streams it: framed unless `tty`. Destroying the stream ends following. */
export function openLog(source: LogSource, options: LogOptions): Readable {
  const abort = new AbortController()
  const stream = Readable.from(read(source, options, abort.signal), { objectMode: false, highWaterMark: READ_BYTES })
  stream.once('close', () => abort.abort(new Error('closed')))
  return stream
}

async function* read(source: LogSource, options: LogOptions, signal: AbortSignal): AsyncIterable<Buffer> {
  const window = { sinceNs: parseTime(options.since), untilNs: parseTime(options.until) }
  const byLine = options.timestamps === true || options.tail !== undefined && options.tail >= 0 || window.sinceNs !== undefined || window.untilNs !== undefined || options.details === true
  const lines = new LineSplitter(options, source)
  const framer = new LineFramer(options, source.tty)
  const cursor = new LogCursor(source, { isJoined: !byLine })
  source.onWrite?.(() => { cursor.keepUp() })
  try {
    let held: Buffer[] = []
    const wantedLines = options.tail !== undefined && options.tail >= 0 ? options.tail : undefined
    for (;;) {
      const chunk = cursor.next()
      if (chunk !== undefined) {
        if (!byLine) { yield* framer.push(chunk); continue }
        const out = lines.split(chunk, window)
        if (wantedLines === undefined || lines.live) { if (out.length > 0) yield Buffer.concat(out) }
        else held = lastOf([...held, ...out], wantedLines)
        if (lines.pastUntil) {
          if (held.length > 0) yield Buffer.concat(held)
          return
        }
        continue
      }
      yield* framer.flush()
      const following = options.follow === true && source.changed !== undefined
      if (!lines.live && !following) held.push(...lines.rest(window))
      if (wantedLines !== undefined && !lines.live) held = lastOf(held, wantedLines)
      if (held.length > 0) yield Buffer.concat(held)
      held = []
      lines.live = true
      if (options.follow !== true || source.changed === undefined || !await source.changed(signal)) {
        for (const last of drain(cursor)) yield* byLine ? lines.split(last, window) : framer.push(last)
        yield* framer.flush()
        const rest = lines.rest(window)
        if (rest.length > 0) yield Buffer.concat(rest)
        return
      }
    }
  } finally {
    cursor.close()
  }
}

function lastOf<T>(items: T[], count: number): T[] { return count === 0 ? [] : items.slice(-count) }

function* drain(cursor: LogCursor): Iterable<Buffer> {
  for (let chunk = cursor.next(); chunk !== undefined; chunk = cursor.next()) yield chunk
}

/** The fast way, for whoever wants everything as it was: one frame a line, copied once. */
class LineFramer {
  readonly #options: LogOptions
  readonly #tty: boolean
  /** The beginning of a line whose end is in a later record, by stream. */
  readonly #open = new Map<number, Buffer>()

  constructor(options: LogOptions, tty: boolean) {
    this.#options = options
    this.#tty = tty
  }

  *push(chunk: Buffer): Iterable<Buffer> {
    for (let at = 0; at < chunk.length;) {
      const end = at + RECORD_HEAD + chunk.readUInt32BE(at + 12)
      const stream = chunk[at + 8] ?? 1
      const bytes = chunk.subarray(at + RECORD_HEAD, end)
      if (wants(stream, this.#options)) {
        if (this.#tty) yield bytes
        else yield* this.#frame(stream, bytes)
      }
      at = end
    }
  }

  /** Lines without an end, when there is no more for now. */
  *flush(): Iterable<Buffer> {
    for (const [stream, bytes] of this.#open) yield frameLines(stream, bytes, [bytes.length])
    this.#open.clear()
  }

  *#frame(stream: number, bytes: Buffer): Iterable<Buffer> {
    const before = this.#open.get(stream)
    const text = before === undefined ? bytes : Buffer.concat([before, bytes])
    const ends: number[] = []
    for (let at = text.indexOf(10); at >= 0; at = text.indexOf(10, at + 1)) ends.push(at + 1)
    const whole = ends.at(-1) ?? 0
    // A line that is longer than a read is given out in pieces, so that no line can fill the memory.
    if (whole === 0 && text.length > READ_BYTES) ends.push(text.length)
    const taken = ends.at(-1) ?? 0
    if (taken < text.length) this.#open.set(stream, text.subarray(taken))
    else this.#open.delete(stream)
    if (taken > 0) yield frameLines(stream, text, ends)
  }
}

/** The pieces of `text` that end at `ends`, each with a frame header. */
function frameLines(stream: number, text: Buffer, ends: readonly number[]): Buffer {
  const out = Buffer.allocUnsafe((ends.at(-1) ?? 0) + FRAME_HEAD * ends.length)
  let from = 0
  let to = 0
  for (const end of ends) {
    out.writeUInt32BE(stream * 0x1000000, to)
    out.writeUInt32BE(end - from, to + 4)
    text.copy(out, to + FRAME_HEAD, from, end)
    to += FRAME_HEAD + end - from
    from = end
  }
  return out
}

function wants(stream: number, options: LogOptions): boolean { return stream === 2 ? options.stderr : options.stdout }

interface TimeWindow { readonly sinceNs: bigint | undefined; readonly untilNs: bigint | undefined }

/** Puts lines together across records; a line has the time of its first byte. */
class LineSplitter {
  /** Past the end of what was there at the start: lines are given out as they come. */
  live = false
  pastUntil = false
  readonly #options: LogOptions
  readonly #source: LogSource
  readonly #open = new Map<number, { readonly atNs: bigint; bytes: Buffer }>()

  constructor(options: LogOptions, source: LogSource) {
    this.#options = options
    this.#source = source
  }

  split(chunk: Buffer, window: TimeWindow): Buffer[] {
    const out: Buffer[] = []
    for (let at = 0; at < chunk.length;) {
      const end = at + RECORD_HEAD + chunk.readUInt32BE(at + 12)
      const stream = chunk[at + 8] ?? 1
      if (wants(stream, this.#options)) this.#record(stream, chunk.readBigUInt64LE(at), chunk.subarray(at + RECORD_HEAD, end), window, out)
      at = end
    }
    return out
  }

  /** The last line may have no end. */
  rest(window: TimeWindow): Buffer[] {
    const out: Buffer[] = []
    for (const [stream, { atNs, bytes }] of this.#open) this.#emit(stream, atNs, bytes, window, out)
    this.#open.clear()
    return out
  }

  #record(stream: number, atNs: bigint, bytes: Buffer, window: TimeWindow, out: Buffer[]): void {
    let rest = bytes
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const open = this.#open.get(stream)
      const line = rest.subarray(0, end + 1)
      this.#open.delete(stream)
      this.#emit(stream, open?.atNs ?? atNs, open === undefined ? line : Buffer.concat([open.bytes, line]), window, out)
      rest = rest.subarray(end + 1)
    }
    if (rest.length === 0) return
    const open = this.#open.get(stream) ?? { atNs, bytes: Buffer.alloc(0) }
    open.bytes = Buffer.concat([open.bytes, rest])
    this.#open.set(stream, open)
    // A line that is longer than a read is given out in pieces, so that no line can fill the memory.
    if (open.bytes.length <= READ_BYTES) return
    this.#open.delete(stream)
    this.#emit(stream, open.atNs, open.bytes, window, out)
  }

  #emit(stream: number, atNs: bigint, line: Buffer, window: TimeWindow, out: Buffer[]): void {
    if (window.sinceNs !== undefined && atNs < window.sinceNs) return
    if (window.untilNs !== undefined && atNs > window.untilNs) { this.pastUntil = true; return }
    const prefix = Buffer.from(`${this.#options.timestamps === true ? `${formatTime(atNs)} ` : ''}${this.#options.details === true ? `${this.#source.attributes} ` : ''}`)
    const body = prefix.length === 0 ? line : Buffer.concat([prefix, line])
    if (this.#source.tty) { out.push(body); return }
    const head = Buffer.alloc(8)
    head[0] = stream
    head.writeUInt32BE(body.length, 4)
    out.push(Buffer.concat([head, body]))
  }
}

/** "1700000000.123456789" or RFC 3339. @throws `invalid-time` (invalid-argument) */
export function parseTime(text: string | undefined): bigint | undefined {
  if (text === undefined || text === '' || text === '0') return undefined
  const seconds = /^(\d+)(?:\.(\d{1,9}))?$/.exec(text)
  if (seconds !== null) return BigInt(seconds[1] ?? '0') * 1_000_000_000n + BigInt((seconds[2] ?? '').padEnd(9, '0'))
  const rfc = /^(.*?T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9})\d*)?(Z|[+-]\d{2}:?\d{2})?$/.exec(text)
  const wholeMs = Date.parse(rfc === null ? text : `${rfc[1]}${rfc[3] ?? 'Z'}`)
  if (Number.isNaN(wholeMs)) throw new ShoalError('invalid-argument', 'invalid-time', `invalid time ${JSON.stringify(text)}: give seconds since the epoch or RFC 3339`)
  return BigInt(wholeMs) * 1_000_000n + BigInt((rfc?.[2] ?? '').padEnd(9, '0'))
}
