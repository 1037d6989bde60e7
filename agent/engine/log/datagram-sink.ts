import { ShoalError } from '../../../src/base/errors.ts'
import type { DatagramSender, Kernel } from '../../kernel/kernel.ts'
import type { LogMessage, LogSink } from './log-sink.ts'

/** A local server that is behind is asked again so often. */
const RETRY_MS = 5

/**
 * Sends each message as one datagram to the first of `paths` that is a socket with a reader.
 * @throws `log-send-failed` (unavailable) with `missing` when there is none
 */
export function datagramSink(kernel: Kernel, paths: readonly string[], format: (message: LogMessage) => Buffer, pause: (delayMs: number) => Promise<void>, missing: string): LogSink {
  const sender = firstOf(kernel, paths)
  if (sender === undefined) throw sendFailed(missing)
  return {
    async send(message) {
      const bytes = format(message)
      while (!sender.send(bytes)) await pause(RETRY_MS)
    },
    [Symbol.asyncDispose]: async () => { sender.close() },
  }
}

function firstOf(kernel: Kernel, paths: readonly string[]): DatagramSender | undefined {
  for (const path of paths) {
    const sender = kernel.processes.connectDatagram(path)
    if (sender !== undefined) return sender
  }
  return undefined
}

export function sendFailed(reason: string): ShoalError { return new ShoalError('unavailable', 'log-send-failed', reason) }
