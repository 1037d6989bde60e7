/** Constant message, fields for data. Drivers log; pure code does not. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger that adds `fields` to each line. */
  with(fields: LogFields): Logger
}

/** Errors go under the key `err`. */
export type LogFields = Readonly<Record<string, unknown>>
