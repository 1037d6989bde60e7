import { pino, type Logger as Pino } from 'pino'
import { ShoalError } from '../../base/errors.ts'
import type { LogFields, Logger } from '../../base/logger.ts'

/** The lowest level that is written. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal'

const SEVERITY: Readonly<Record<LogLevel, number>> = { debug: 20, info: 30, warn: 40, error: 50, fatal: 60 }

/** JSON lines on standard error. */
export class PinoLogger implements Logger {
  readonly #pino: Pino
  /** One for a logger and all that were made of it by with(), so that a change reaches everyone; pino's children keep a level of their own. */
  readonly #lowest: { level: LogLevel }

  constructor(pinoLogger: Pino, lowest: { level: LogLevel } = { level: 'debug' }) {
    this.#pino = pinoLogger
    this.#lowest = lowest
  }

  static create(level: LogLevel): PinoLogger {
    return new PinoLogger(pino({ level: 'debug', base: null, serializers: { err: describeError }, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true })), { level })
  }

  /** From now on, for every logger of this family. */
  setLevel(level: LogLevel): void { this.#lowest.level = level }

  debug(message: string, fields: LogFields = {}): void { this.#write('debug', message, fields) }
  info(message: string, fields: LogFields = {}): void { this.#write('info', message, fields) }
  warn(message: string, fields: LogFields = {}): void { this.#write('warn', message, fields) }
  error(message: string, fields: LogFields = {}): void { this.#write('error', message, fields) }
  with(fields: LogFields): Logger { return new PinoLogger(this.#pino.child(fields), this.#lowest) }

  #write(level: Exclude<LogLevel, 'fatal'>, message: string, fields: LogFields): void {
    if (SEVERITY[level] >= SEVERITY[this.#lowest.level]) this.#pino[level](fields, message)
  }
}

/** An expected failure says what happened in its message; only a surprise needs its stack. */
function describeError(error: unknown): unknown {
  if (error instanceof ShoalError && error.kind !== 'internal') return { code: error.code, message: error.message }
  return error instanceof Error ? pino.stdSerializers.err(error) : error
}
