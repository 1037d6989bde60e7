import type { LogFields, Logger } from '../../base/logger.ts'

/** One line as it was logged. */
export interface LogLine { readonly level: string; readonly message: string; readonly fields: LogFields }

/** Keeps its lines, for tests. */
export class MemoryLogger implements Logger {
  readonly lines: LogLine[]
  readonly #fields: LogFields

  constructor(lines: LogLine[] = [], fields: LogFields = {}) {
    this.lines = lines
    this.#fields = fields
  }

  debug(message: string, fields?: LogFields): void { this.#add('debug', message, fields) }
  info(message: string, fields?: LogFields): void { this.#add('info', message, fields) }
  warn(message: string, fields?: LogFields): void { this.#add('warn', message, fields) }
  error(message: string, fields?: LogFields): void { this.#add('error', message, fields) }
  with(fields: LogFields): Logger { return new MemoryLogger(this.lines, { ...this.#fields, ...fields }) }

  #add(level: string, message: string, fields: LogFields = {}): void { this.lines.push({ level, message, fields: { ...this.#fields, ...fields } }) }
}
