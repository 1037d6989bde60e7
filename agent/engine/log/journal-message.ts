import { formatTime } from './format-time.ts'
import type { LogMessage } from './log-sink.ts'

const INFO = '6'
const ERROR = '3'

/** One entry in the journal's native protocol (systemd's JOURNAL_NATIVE_PROTOCOL.md), with the fields that dockerd writes. */
export function formatJournalEntry(fields: Readonly<Record<string, string>>, message: LogMessage): Buffer {
  const own = { PRIORITY: message.stream === 2 ? ERROR : INFO, SYSLOG_TIMESTAMP: formatTime(message.atNs), ...(message.isPartial ? { CONTAINER_PARTIAL_MESSAGE: 'true' } : {}) }
  const parts = Object.entries({ ...fields, ...own }).filter(([name]) => name !== '').map(([name, value]) => field(name, Buffer.from(value)))
  return Buffer.concat([field('MESSAGE', message.line), ...parts])
}

/** A value with a line feed in it says its length. */
function field(name: string, value: Buffer): Buffer {
  if (!value.includes(10)) return Buffer.concat([Buffer.from(`${name}=`), value, Buffer.from('\n')])
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(value.length))
  return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.from('\n')])
}
