/** One line of a container, or a piece of one that is longer than LINE_MAX. */
export interface LogMessage {
  /** 1 standard output, 2 standard error. */
  readonly stream: number
  readonly atNs: bigint
  /** Without the line feed. */
  readonly line: Buffer
  /** The line goes on in the next message of the stream. */
  readonly isPartial: boolean
}

/** Where a remote log driver sends lines. */
export interface LogSink extends AsyncDisposable {
  /** Resolves when the message is handed over. @throws `log-send-failed` (unavailable): the sink is of no more use */
  send(message: LogMessage): Promise<void>
}
