/** The thread of one log: blocks on the disk, and on the ring while there is nothing to do, so that the process does not. Appends that wait when a flush begins share it. */
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads'
import { assertNever, messageOf, ShoalError } from '../../base/errors.ts'
import { RingReader, type RingMemory } from './append-ring.ts'
import { NodeLogDisk } from './log-disk.ts'
import type { LogAnswer, LogFailure, LogRequest, LogThreadData } from './log-messages.ts'
import { unpackRecords } from './packed-records.ts'
import { SegmentLog } from './segment-log.ts'

/** Bytes after which a flush takes no more appends along: bounds the wait of the first. */
const FLUSH_BYTES_MAX = 8 * 1024 * 1024

interface Append { readonly id: number; readonly kind: 'append'; readonly records: readonly Uint8Array[] }
type Other = Exclude<LogRequest, { readonly kind: 'append' }>

function serve(port: MessagePort, ring: RingMemory, log: SegmentLog): void {
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
      const segment = log.append(batch.length === 1 ? batch[0]?.records ?? [] : batch.flatMap(({ records }) => records))
      for (const { id } of batch) answer(id, { segment })
    } catch (error) {
      // One record that does not fit must not fail its neighbours.
      if (batch.length > 1 && error instanceof ShoalError && error.code === 'record-too-large') for (const each of batch) append([each])
      else for (const { id } of batch) answer(id, { failure: failureOf(error) })
    }
  }
  const other = (request: Other): void => perform(request.id, () => {
    switch (request.kind) {
      case 'rewrite': return { segment: log.rewrite(request.records) }
      case 'drop': log.drop(request.before); return {}
      case 'read': return log.read(request.position ?? log.start) ?? {}
      case 'useKeys': log.useKeys(request.keys); return {}
      case 'close': log.close(); return {}
      default: return assertNever(request)
    }
  })
  answer(0, { keyIds: log.keyIds })
  const requests = new Requests(port, new RingReader(ring))
  for (;;) {
    const signal = requests.signal
    for (let request = requests.next(); request !== undefined;) {
      const batch: Append[] = []
      for (let bytes = 0; request?.kind === 'append' && bytes < FLUSH_BYTES_MAX; request = requests.next()) {
        batch.push(request)
        for (const record of request.records) bytes += record.length
      }
      if (batch.length > 0) append(batch)
      if (request !== undefined && request.kind !== 'append') {
        other(request)
        if (request.kind === 'close') return port.close()
        request = requests.next()
      }
    }
    log.prepare()
    requests.wait(signal)
  }
}

/** Requests in the order of their ids, whichever way they came. */
class Requests {
  readonly #port: MessagePort
  readonly #ring: RingReader
  #nextId = 1

  constructor(port: MessagePort, ring: RingReader) {
    this.#port = port
    this.#ring = ring
  }

  get signal(): number { return this.#ring.signal }

  /** Blocks until something came after `signal` was read. */
  wait(signal: number): void { this.#ring.wait(signal) }

  /** Undefined when there is none now. */
  next(): Append | Other | undefined {
    const records = this.#ring.take(this.#nextId)
    const request: Append | LogRequest | undefined = records === undefined ? this.#posted() : { id: this.#nextId, kind: 'append', records }
    if (request === undefined) return undefined
    this.#nextId += 1
    return request.kind === 'append' && 'packed' in request ? { id: request.id, kind: 'append', records: unpackRecords(request.packed) } : request
  }

  #posted(): LogRequest | undefined {
    return (receiveMessageOnPort(this.#port) as { readonly message: LogRequest } | undefined)?.message
  }
}

function failureOf(error: unknown): LogFailure {
  return error instanceof ShoalError
    ? { errorKind: error.kind, code: error.code, message: error.message }
    : { errorKind: 'internal', code: 'log-write-failed', message: messageOf(error) }
}

if (parentPort === null) throw new ShoalError('internal', 'log-write-failed', 'the thread of a log is no program of its own')
const { path, options, ring } = workerData as LogThreadData
const log = opened(parentPort)
// What is thrown from here on ends the thread, and so fails the log.
if (log !== undefined) serve(parentPort, ring, log)

function opened(port: MessagePort): SegmentLog | undefined {
  try {
    return SegmentLog.open(new NodeLogDisk(path), options)
  } catch (error) {
    port.postMessage({ id: 0, sizeBytes: 0, failure: failureOf(error) } satisfies LogAnswer)
    return undefined
  }
}
