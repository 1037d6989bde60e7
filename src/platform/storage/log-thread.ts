/** The thread of one log: blocks on the disk so that the process does not. Appends that wait when a flush begins share it. */
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads'
import { assertNever, messageOf, ShoalError } from '../../base/errors.ts'
import { NodeLogDisk } from './log-disk.ts'
import type { LogAnswer, LogFailure, LogRequest, LogThreadData } from './log-messages.ts'
import { unpackRecords } from './packed-records.ts'
import { SegmentLog } from './segment-log.ts'

/** Bytes after which a flush takes no more appends along: bounds the wait of the first. */
const FLUSH_BYTES_MAX = 8 * 1024 * 1024

type Append = LogRequest & { readonly kind: 'append' }

function serve(port: MessagePort, log: SegmentLog): void {
  const answer = (id: number, more: Omit<LogAnswer, 'id' | 'sizeBytes'> = {}): void => port.postMessage({ id, sizeBytes: log.sizeBytes, ...more } satisfies LogAnswer)
  const perform = (id: number, work: () => Omit<LogAnswer, 'id' | 'sizeBytes'>): void => {
    try {
      answer(id, work())
    } catch (error) {
      answer(id, { failure: failureOf(error) })
    }
  }
  const append = (batch: readonly Append[]): void => {
    try {
      const segment = log.append(batch.flatMap(({ packed }) => unpackRecords(packed)))
      for (const { id } of batch) answer(id, { segment })
    } catch (error) {
      // One record that does not fit must not fail its neighbours.
      if (batch.length > 1 && error instanceof ShoalError && error.code === 'record-too-large') for (const each of batch) append([each])
      else for (const { id } of batch) answer(id, { failure: failureOf(error) })
    }
  }
  const other = (request: Exclude<LogRequest, Append>): void => perform(request.id, () => {
    switch (request.kind) {
      case 'rewrite': return { segment: log.rewrite(request.records) }
      case 'drop': log.drop(request.before); return {}
      case 'read': return log.read(request.position ?? log.start) ?? {}
      case 'useKeys': log.useKeys(request.keys); return {}
      case 'close': log.close(); return {}
      default: return assertNever(request)
    }
  })
  port.on('message', (first: LogRequest) => {
    for (let request: LogRequest | undefined = first; request !== undefined;) {
      const batch: Append[] = []
      let bytes = 0
      for (; request?.kind === 'append' && bytes < FLUSH_BYTES_MAX; request = next(port)) {
        batch.push(request as Append)
        bytes += request.packed.byteLength
      }
      if (batch.length > 0) append(batch)
      if (request !== undefined && request.kind !== 'append') {
        other(request)
        if (request.kind === 'close') return port.close()
        request = next(port)
      }
    }
    log.prepare()
  })
  answer(0, { keyIds: log.keyIds })
}

function next(port: MessagePort): LogRequest | undefined {
  return (receiveMessageOnPort(port) as { readonly message: LogRequest } | undefined)?.message
}

function failureOf(error: unknown): LogFailure {
  return error instanceof ShoalError
    ? { errorKind: error.kind, code: error.code, message: error.message }
    : { errorKind: 'internal', code: 'log-write-failed', message: messageOf(error) }
}

if (parentPort === null) throw new ShoalError('internal', 'log-write-failed', 'the thread of a log is no program of its own')
const { path, options } = workerData as LogThreadData
try {
  serve(parentPort, SegmentLog.open(new NodeLogDisk(path), options))
} catch (error) {
  parentPort.postMessage({ id: 0, sizeBytes: 0, failure: failureOf(error) } satisfies LogAnswer)
}
