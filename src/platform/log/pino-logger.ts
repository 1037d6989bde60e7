import { pino, type Logger as Pino } from 'pino'
import { ShoalError } from '../../base/errors.ts'
import type { LogFields, Logger } from '../../base/logger.ts'

/** The lowest level that is written. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal'

/** JSON lines on standard error. */
export class PinoLogger implements Logger {
  readonly #pino: Pino

  constructor(pinoLogger: Pino) { this.#pino = pinoLogger }

  static create(level: LogLevel): PinoLogger {
    return new PinoLogger(pino({ level, base: null, serializers: { err: describeError }, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true })))
  }

  debug(message: string, fields: LogFields = {}): void { this.#pino.debug(fields, message) }
  info(message: string, fields: LogFields = {}): void { this.#pino.info(fields, message) }
  warn(message: string, fields: LogFields = {}): void { this.#pino.warn(fields, message) }
  error(message: string, fields: LogFields = {}): void { this.#pino.error(fields, message) }
  with(fields: LogFields): Logger { return new PinoLogger(this.#pino.child(fields)) }
}

/** An expected failure says what happened in its message; only a surprise needs its stack. */
function describeError(error: unknown): unknown {
  if (error instanceof ShoalError && error.kind !== 'internal') return { code: error.code, message: error.message }
  return error instanceof Error ? pino.stdSerializers.err(error) : error
}
