import type { LogPosition } from './log-cursor.ts'
import { RECORD_HEAD } from './record-head.ts'
import type { LogMessage } from './log-sink.ts'

/** Docker's pieces of long lines are as long. */
const LINE_MAX = 16 * 1024

interface OpenLine { readonly atNs: bigint; readonly bytes: Buffer; readonly from: LogPosition; readonly order: number }

/** Makes messages of the monitor's records, for drivers that send lines. */
export class MessageSplitter {
  readonly #open = new Map<number, OpenLine>()
  #order = 0

  /** Where to begin again so that nothing is lost: the oldest record with bytes that are not in a message yet, else `end`. */
  resumeAt(end: LogPosition | undefined): LogPosition | undefined {
    return [...this.#open.values()].toSorted((a, b) => a.order - b.order)[0]?.from ?? end
  }

  /** `start` is the place of the chunk's first record. */
  *push(chunk: Buffer, start: LogPosition): Iterable<LogMessage> {
    for (let at = 0; at < chunk.length;) {
      const end = at + RECORD_HEAD + chunk.readUInt32BE(at + 12)
      this.#order++
      yield* this.#record(chunk[at + 8] ?? 1, { atNs: chunk.readBigUInt64LE(at), bytes: chunk.subarray(at + RECORD_HEAD, end), from: { inode: start.inode, offset: start.offset + at }, order: this.#order })
      at = end
    }
  }

  /** Lines without an end, at the end of the container. */
  *rest(): Iterable<LogMessage> {
    for (const [stream, { atNs, bytes }] of this.#open) yield { stream, atNs, line: bytes, isPartial: false }
    this.#open.clear()
  }

  *#record(stream: number, record: OpenLine): Iterable<LogMessage> {
    const before = this.#open.get(stream)
    this.#open.delete(stream)
    let text = before === undefined ? record.bytes : Buffer.concat([before.bytes, record.bytes])
    let atNs = before?.atNs ?? record.atNs
    while (text.length > 0) {
      const feed = text.indexOf(10)
      if (feed >= 0 && feed <= LINE_MAX) {
        yield { stream, atNs, line: text.subarray(0, feed), isPartial: false }
        text = text.subarray(feed + 1)
      } else if (text.length > LINE_MAX) {
        yield { stream, atNs, line: text.subarray(0, LINE_MAX), isPartial: true }
        text = text.subarray(LINE_MAX)
      } else {
        const isOld = before !== undefined && text.length > record.bytes.length
        this.#open.set(stream, { ...(isOld ? before : record), atNs, bytes: Buffer.from(text) })
        return
      }
      atNs = record.atNs
    }
  }
}
