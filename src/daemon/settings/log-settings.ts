import { working } from './setting.ts'
import { MAP, textType, badConfig } from './setting-types.ts'

const DRIVERS: readonly string[] = ['journald', 'json-file', 'local', 'none', 'syslog']

/** What containers' logs go to when they do not say. */
export const LOG_SETTINGS = {
  logDriver: working({ flag: '--log-driver <name>', key: 'log-driver', type: textType(driverOf), fallback: 'json-file', help: `default driver for container logs: ${DRIVERS.join(', ')}` }),
  logOptions: working({ flag: '--log-opt <key=value>', key: 'log-opts', type: MAP, fallback: {}, help: 'default log driver options for containers' }),
} as const

function driverOf(name: string): string {
  if (!DRIVERS.includes(name)) throw badConfig(`logger: no log driver named '${name}' is registered; use one of ${DRIVERS.join(', ')}`)
  return name
}
