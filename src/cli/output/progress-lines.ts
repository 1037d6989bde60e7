import type { Readable } from 'node:stream'
import { ShoalError } from '../../base/errors.ts'
import type { CliContext } from '../cli-context.ts'

/** One line of what image operations report. */
interface ProgressMessage { readonly id?: string; readonly status?: string; readonly stream?: string; readonly progress?: string; readonly error?: string; readonly errorDetail?: { readonly message?: string }; readonly aux?: unknown }

/**
 * Prints a JSON progress stream as it comes: on a terminal each id keeps its line and shows how far it is, elsewhere only what happened is said.
 * Quiet prints nothing. @throws ShoalError `api-error` with the daemon's text when the operation failed
 */
export async function printProgress(context: CliContext, stream: Readable, options: { readonly isQuiet?: boolean } = {}): Promise<void> {
  const out = context.stdout
  const rows = new Map<string, number>()
  for await (const message of messagesOf(stream)) {
    const failure = message.errorDetail?.message ?? message.error
    if (failure !== undefined) throw new ShoalError('unknown', 'api-error', failure)
    if (options.isQuiet === true || message.aux !== undefined) continue
    if (message.stream !== undefined) out.write(message.stream)
    else if (out.isTTY === true && message.id !== undefined) drawRow(context, rows, message.id, message)
    else if (message.progress === undefined || message.progress === '') out.write(`${message.id === undefined ? '' : `${message.id}: `}${message.status ?? ''}\n`)
  }
}

/** Goes up to the id's line, writes it anew, and comes back down. */
function drawRow({ stdout }: CliContext, rows: Map<string, number>, id: string, { status = '', progress = '' }: ProgressMessage): void {
  const known = rows.get(id)
  if (known === undefined) {
    rows.set(id, rows.size)
    stdout.write('\n')
  }
  const up = rows.size - (rows.get(id) ?? 0)
  const text = `${id}: ${status} ${progress}`.trimEnd().slice(0, Math.max(20, (stdout.columns ?? 80) - 1))
  stdout.write(`\u001b[${up}A\r\u001b[2K${text}\r\u001b[${up}B`)
}

async function* messagesOf(stream: Readable): AsyncIterable<ProgressMessage> {
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as ProgressMessage
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as ProgressMessage
}
