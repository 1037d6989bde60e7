import { ShoalError } from '../../src/base/errors.ts'
import type { LogStream } from '../../src/api/swarm/logs.ts'
import type { Containers } from '../engine/engine.ts'
import type { TaskLogEntry, TaskLogOptions } from './controller.ts'

const HEADER_BYTES = 8
/** A longer line is a broken stream, not a log: the engine cuts lines at 16 KiB. */
const FRAME_BYTES_MAX = 1024 * 1024
const NEWLINE = 0x0a
const SPACE = 0x20

/** A container's output as entries of one line each. */
export async function* readContainerLogs(containers: Pick<Containers, 'logs'>, ref: string, options: TaskLogOptions, signal: AbortSignal): AsyncGenerator<TaskLogEntry, void, undefined> {
  const { tty, stream } = await containers.logs(ref, {
    stdout: options.stdout, stderr: options.stderr, follow: options.follow, timestamps: true,
    ...(options.tail === undefined ? {} : { tail: options.tail }),
    ...(options.sinceMs === 0 ? {} : { since: new Date(options.sinceMs).toISOString() }),
  })
  const stop = (): void => { stream.destroy() }
  signal.addEventListener('abort', stop, { once: true })
  try {
    const chunks = stream as AsyncIterable<Uint8Array>
    for await (const { kind, data } of tty ? lines(chunks) : frames(chunks)) yield entryOf(kind, data)
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
    stream.destroy()
  }
  signal.throwIfAborted()
}

/** Docker's 8-byte framing: stream number, three zeros, big-endian length. */
async function* frames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<{ readonly kind: LogStream; readonly data: Uint8Array }> {
  let pending = new Uint8Array()
  for await (const chunk of chunks) {
    pending = join(pending, chunk)
    for (;;) {
      if (pending.length < HEADER_BYTES) break
      const length = new DataView(pending.buffer, pending.byteOffset).getUint32(4)
      if (length > FRAME_BYTES_MAX) throw new ShoalError('internal', 'log-stream-damaged', `a log frame of ${length} bytes: the stream is damaged`)
      if (pending.length < HEADER_BYTES + length) break
      yield { kind: pending[0] === 2 ? 'stderr' : 'stdout', data: pending.slice(HEADER_BYTES, HEADER_BYTES + length) }
      pending = pending.slice(HEADER_BYTES + length)
    }
  }
}

async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<{ readonly kind: LogStream; readonly data: Uint8Array }> {
  let pending = new Uint8Array()
  for await (const chunk of chunks) {
    pending = join(pending, chunk)
    for (let end = pending.indexOf(NEWLINE); end >= 0; end = pending.indexOf(NEWLINE)) {
      yield { kind: 'stdout', data: pending.slice(0, end + 1) }
      pending = pending.slice(end + 1)
    }
  }
  if (pending.length > 0) yield { kind: 'stdout', data: pending }
}

/** Each entry begins with its time stamp and a space, as asked for. */
function entryOf(stream: LogStream, data: Uint8Array): TaskLogEntry {
  const space = data.indexOf(SPACE)
  if (space < 0) return { stream, timestamp: '', data }
  return { stream, timestamp: new TextDecoder().decode(data.subarray(0, space)), data: data.slice(space + 1) }
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(a.length + b.length)
  whole.set(a)
  whole.set(b, a.length)
  return whole
}
