import { existsSync } from 'node:fs'
import { invalidLogOption } from './invalid-log-option.ts'
import type { LogOptionValues } from './log-option-values.ts'

export type SyslogFormat = '' | 'rfc3164' | 'rfc5424' | 'rfc5424micro'

export type SyslogAddress =
  | { readonly kind: 'datagram' | 'stream'; readonly paths: readonly string[] }
  | { readonly kind: 'udp' | 'tcp' | 'tls'; readonly host: string; readonly port: number }

/** One container's way to a syslog server. */
export interface SyslogPlan {
  readonly address: SyslogAddress
  readonly facility: number
  readonly format: SyslogFormat
  readonly tag: string
  readonly tls: { readonly caFile: string; readonly certFile: string; readonly keyFile: string; readonly skipVerify: boolean }
}

const PORT = 514
const TLS_PORT = 6514
const FORMATS: readonly string[] = ['', 'rfc3164', 'rfc5424', 'rfc5424micro']
/** In the order of their numbers (RFC 5424, 6.2.1); 12 to 15 have no name. */
const FACILITIES: readonly string[] = ['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp', '', '', '', '', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7']
const DAEMON = 3
/** Where a local server listens, tried in this order. */
const LOCAL_PATHS: readonly string[] = ['/dev/log', '/var/run/syslog', '/var/run/log']

/** @throws `invalid-log-option` (invalid-argument) */
export function checkSyslogOptions(options: LogOptionValues): void {
  const address = parseAddress(options['syslog-address'] ?? '')
  if ('paths' in address && options['syslog-address'] !== undefined && options['syslog-address'] !== '') {
    const missing = address.paths.find(path => !existsSync(path))
    if (missing !== undefined) throw invalidLogOption(`stat ${missing}: no such file or directory`)
  }
  parseFacility(options['syslog-facility'] ?? '')
  formatOf(options)
}

/** @throws `invalid-log-option` (invalid-argument) */
export function planSyslog(options: LogOptionValues, tag: string): SyslogPlan {
  return {
    address: parseAddress(options['syslog-address'] ?? ''), facility: parseFacility(options['syslog-facility'] ?? ''), format: formatOf(options), tag,
    tls: {
      caFile: options['syslog-tls-ca-cert'] ?? '', certFile: options['syslog-tls-cert'] ?? '', keyFile: options['syslog-tls-key'] ?? '',
      // As dockerd: that the option is there is enough.
      skipVerify: options['syslog-tls-skip-verify'] !== undefined,
    },
  }
}

/** "udp://host[:port]", "tcp://…", "tcp+tls://…", "unix:///path", "unixgram:///path"; "" for the local server. @throws `invalid-log-option` */
export function parseAddress(text: string): SyslogAddress {
  if (text === '') return { kind: 'datagram', paths: LOCAL_PATHS }
  const [, scheme = '', rest = ''] = /^(unix|unixgram|udp|tcp|tcp\+tls):\/\/(.*)$/.exec(text) ?? []
  if (scheme === '' || rest === '') throw invalidLogOption(`syslog-address should be in form proto://address, got ${text}`)
  // dockerd's "unix" is a stream socket.
  if (scheme === 'unix' || scheme === 'unixgram') return { kind: scheme === 'unix' ? 'stream' : 'datagram', paths: [rest] }
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]+)\]|([^:/]+))(?::(\d{1,5}))?\/?$/.exec(rest) ?? []
  const host = bracketed ?? plain
  if (host === '') throw invalidLogOption(`syslog-address should be in form proto://address, got ${text}`)
  const kind = scheme === 'tcp+tls' ? 'tls' : scheme === 'tcp' ? 'tcp' : 'udp'
  return { kind, host, port: port === undefined ? (kind === 'tls' ? TLS_PORT : PORT) : Number(port) }
}

function parseFacility(text: string): number {
  if (text === '') return DAEMON
  const named = FACILITIES.indexOf(text)
  if (named >= 0) return named
  const number = /^\d{1,2}$/.test(text) ? Number(text) : -1
  if (number < 0 || number > 23) throw invalidLogOption('invalid syslog facility')
  return number
}

function formatOf(options: LogOptionValues): SyslogFormat {
  const format = options['syslog-format'] ?? ''
  if (!FORMATS.includes(format)) throw invalidLogOption('Invalid syslog format')
  return format as SyslogFormat
}
