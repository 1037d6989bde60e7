import { ShoalError } from '../../../src/base/errors.ts'
import { invalidLogOption } from './invalid-log-option.ts'
import type { LogOptionValues } from './log-option-values.ts'
import { parseLogSize } from './log-size.ts'
import { checkSyslogOptions } from './syslog-options.ts'

/** The drivers, as `docker info` lists them. */
export const LOG_DRIVERS: readonly string[] = ['journald', 'json-file', 'local', 'none', 'syslog']

/** Known to every driver: how the container is decoupled from it, and the copy that `docker logs` reads when the driver cannot. */
const COMMON: readonly string[] = ['mode', 'max-buffer-size', 'cache-disabled', 'cache-max-size', 'cache-max-file', 'cache-compress']
const PICKED: readonly string[] = ['labels', 'labels-regex', 'env', 'env-regex', 'tag']
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  'json-file': ['max-size', 'max-file', 'compress', ...PICKED],
  local: ['max-size', 'max-file', 'compress'],
  journald: PICKED,
  syslog: ['syslog-address', 'syslog-facility', 'syslog-format', 'syslog-tls-ca-cert', 'syslog-tls-cert', 'syslog-tls-key', 'syslog-tls-skip-verify', ...PICKED],
}

/**
 * What dockerd checks when a container is created: which options there are. Their values are looked at when it starts (planLog).
 * @throws `unsupported-log-driver`, `invalid-log-option` (invalid-argument)
 */
export function checkLogOptions(driver: string, options: LogOptionValues): void {
  if (driver === 'none') return
  const mode = options['mode'] ?? ''
  if (!['', 'blocking', 'non-blocking'].includes(mode)) throw invalidLogOption(`logger: logging mode not supported: ${mode}`)
  const buffer = options['max-buffer-size']
  if (buffer !== undefined) {
    if (mode !== 'non-blocking') throw invalidLogOption("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
    if (parseLogSize(buffer, { binary: true }) === undefined) throw invalidLogOption(`error parsing option max-buffer-size: invalid size: '${buffer}'`)
  }
  const known = OPTIONS[driver]
  if (known === undefined) throw new ShoalError('invalid-argument', 'unsupported-log-driver', `logger: no log driver named '${driver}' is registered`)
  const unknown = Object.keys(options).find(key => !known.includes(key) && !COMMON.includes(key))
  if (unknown !== undefined) throw invalidLogOption(`unknown log opt '${unknown}' for ${driver === 'local' ? 'log driver local' : `${driver} log driver`}`)
  if (driver === 'syslog') checkSyslogOptions(options)
}
