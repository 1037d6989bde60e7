import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import type { ApiClient } from './api-client.ts'

/** What a command works with. */
export interface CliContext {
  /** Made at first use: -H is known only after parsing. */
  readonly api: () => ApiClient
  readonly clock: Clock
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(mode: boolean): unknown }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Aborted by ctrl-C. */
  readonly signal: AbortSignal
  /** Sets the exit status of the process. */
  setExitCode(code: number): void
}

/** Prints a line (nothing for an empty text). */
export function print(context: CliContext, text: string): void {
  if (text !== '') context.stdout.write(`${text}\n`)
}
