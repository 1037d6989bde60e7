import { formatTime } from './format-time.ts'
import type { LogMessage } from './log-sink.ts'
import type { SyslogPlan } from './syslog-options.ts'

const INFO = 6
const ERROR = 3
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export interface SyslogSender { readonly hostname: string; readonly pid: number }

/** One message as dockerd writes it (RFC 3164, RFC 5424, or the short form of local servers), with a line feed at its end. */
export function formatSyslog(plan: SyslogPlan, { hostname, pid }: SyslogSender, message: LogMessage): Buffer {
  const priority = plan.facility * 8 + (message.stream === 2 ? ERROR : INFO)
  const { tag } = plan
  const head = ((): string => {
    switch (plan.format) {
      case 'rfc3164': return `<${priority}>${stamp(message.atNs)} ${hostname} ${tag}[${pid}]: `
      case 'rfc5424': return `<${priority}>1 ${formatTime(message.atNs).slice(0, 19)}Z ${hostname} ${tag} ${pid} ${tag} - `
      case 'rfc5424micro': return `<${priority}>1 ${formatTime(message.atNs).slice(0, 26)}Z ${hostname} ${tag} ${pid} ${tag} - `
      case '': return `<${priority}>${stamp(message.atNs)} ${tag}[${pid}]: `
    }
  })()
  const body = Buffer.concat([Buffer.from(head), message.line, Buffer.from('\n')])
  // RFC 5425: over TLS a message says its length first.
  return plan.address.kind === 'tls' && plan.format.startsWith('rfc5424') ? Buffer.concat([Buffer.from(`${body.length} `), body]) : body
}

/** "Jan  2 15:04:05", in the local time zone as RFC 3164 wants it. */
function stamp(atNs: bigint): string {
  const at = new Date(Number(atNs / 1_000_000n))
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${MONTHS[at.getMonth()]} ${String(at.getDate()).padStart(2)} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}
