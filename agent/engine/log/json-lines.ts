import { RECORD_HEAD } from './record-head.ts'

const NEWLINE = 0x0a
const BACKSLASH = 0x5c
const QUOTE = 0x22
const LOWER_N = 0x6e
const LOWER_E = 0x65
/** `{"log":"` */
const LEAD = Buffer.from('{"log":"')
/** From the quote behind the text to the fourth letter of "stdout" or "stderr": `","stream":"std`. */
const TO_STREAM = 15
/** `2024-01-02T03:04:05.000000006Z"}` */
const TIME_LENGTH = 32
const SECONDS_LENGTH = 19

/**
 * Lines of Docker's json-file, whole ones, as the records that readers know (log-cursor.ts). With `joined` neighbours of one stream are one record with
 * the time of the first: for whoever only wants the text, which is many times as fast.
 * Lines that are none of ours are left out.
 */
export class JsonLines {
  readonly #joined: boolean
  #seconds = Buffer.alloc(0)
  #secondsNs = 0n

  constructor(joined: boolean) { this.#joined = joined }

  /** @param bytes ends with a newline */
  toRecords(bytes: Buffer): Buffer {
    // A record's head is shorter than what a line has around its text, and escapes are longer than what they stand for.
    const out = Buffer.allocUnsafe(bytes.length)
    let to = 0
    let record = 0
    let openStream = 0
    for (let at = 0; at < bytes.length;) {
      const end = bytes.indexOf(NEWLINE, at)
      const line = this.#parse(bytes, at, end)
      at = end + 1
      if (line === undefined) continue
      if (!this.#joined || openStream !== line.stream) {
        record = to
        openStream = line.stream
        out.writeBigUInt64LE(this.#timeOf(bytes, end), to)
        out.writeUInt32LE(line.stream, to + 8)
        to += RECORD_HEAD
      }
      if (line.text === undefined) {
        bytes.copy(out, to, line.from, line.to)
        to += line.to - line.from
        if (line.hasEnd) out[to++] = NEWLINE
      } else to += out.write(line.text, to)
      out.writeUInt32BE(to - record - RECORD_HEAD, record + 12)
    }
    return out.subarray(0, to)
  }

  /** The text between `from` and `to`, or, with escapes in it, as `text`. */
  #parse(bytes: Buffer, from: number, end: number): { readonly stream: number; readonly from: number; readonly to: number; readonly hasEnd: boolean; readonly text?: string } | undefined {
    const start = from + LEAD.length
    if (end - from < LEAD.length + TIME_LENGTH || bytes.compare(LEAD, 0, LEAD.length, from, start) !== 0) return undefined
    const quote = bytes.indexOf(QUOTE, start)
    const escape = bytes.indexOf(BACKSLASH, start)
    if (escape < 0 || escape > quote) return { stream: streamAt(bytes, quote), from: start, to: quote, hasEnd: false }
    // Most lines: no escape but their end.
    if (bytes[escape + 1] === LOWER_N && bytes[escape + 2] === QUOTE) return { stream: streamAt(bytes, escape + 2), from: start, to: escape, hasEnd: true }
    try {
      const { log, stream } = JSON.parse(bytes.toString('utf8', from, end)) as { readonly log: unknown; readonly stream: unknown }
      return { stream: stream === 'stderr' ? 2 : 1, from: start, to: start, hasEnd: false, text: String(log) }
    } catch {
      return undefined
    }
  }

  /** Nanoseconds since the epoch. The date is read once a second. */
  #timeOf(bytes: Buffer, end: number): bigint {
    const from = end - TIME_LENGTH
    if (bytes.compare(this.#seconds, 0, this.#seconds.length, from, from + SECONDS_LENGTH) !== 0) {
      this.#seconds = Buffer.from(bytes.subarray(from, from + SECONDS_LENGTH))
      const atMs = Date.parse(`${this.#seconds.toString()}Z`)
      this.#secondsNs = Number.isNaN(atMs) ? 0n : BigInt(atMs) * 1_000_000n
    }
    let nanos = 0
    for (let at = from + SECONDS_LENGTH + 1; at < end - 3; at++) nanos = nanos * 10 + (bytes[at] ?? 0x30) - 0x30
    return this.#secondsNs + BigInt(nanos)
  }
}

function streamAt(bytes: Buffer, quote: number): number { return bytes[quote + TO_STREAM] === LOWER_E ? 2 : 1 }
