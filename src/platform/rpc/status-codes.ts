import { Metadata, status, type ServiceError } from '@grpc/grpc-js'
import { messageOf, ShoalError, type ErrorKind } from '../../base/errors.ts'
import { ERROR_TEXT_MAX } from './rpc-limits.ts'

const CODE_KEY = 'shoal-error-code'
const KIND_KEY = 'shoal-error-kind'
/** What grpc-js says when it could not connect. */
const NEVER_LEFT = /No connection established|Name resolution failed/
/** The host is there, and says that nobody listens: at a Unix socket of this one, that there is none. */
const REFUSED = /ECONNREFUSED|ENOENT/

const STATUS_OF_KIND: Readonly<Record<ErrorKind, status>> = {
  'invalid-argument': status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  'already-exists': status.ALREADY_EXISTS,
  'failed-precondition': status.FAILED_PRECONDITION,
  'permission-denied': status.PERMISSION_DENIED,
  'unauthenticated': status.UNAUTHENTICATED,
  'resource-exhausted': status.RESOURCE_EXHAUSTED,
  'unavailable': status.UNAVAILABLE,
  'not-implemented': status.UNIMPLEMENTED,
  'deadline-exceeded': status.DEADLINE_EXCEEDED,
  'cancelled': status.CANCELLED,
  'conflict': status.ABORTED,
  'not-modified': status.OUT_OF_RANGE,
  'unknown': status.UNKNOWN,
  'internal': status.INTERNAL,
}

/** What a server sends for a thrown value: gRPC status by kind; kind and code also travel in the trailer, so that the client loses nothing. */
export function statusOfError(error: unknown): { readonly code: status; readonly details: string; readonly metadata: Metadata } {
  const known = error instanceof ShoalError ? error : new ShoalError('internal', 'internal-error', messageOf(error), { cause: error })
  const metadata = new Metadata()
  metadata.set(CODE_KEY, known.code)
  metadata.set(KIND_KEY, known.kind)
  return { code: STATUS_OF_KIND[known.kind], details: known.message.slice(0, ERROR_TEXT_MAX), metadata }
}

/**
 * The ShoalError a client throws for a failed call. Statuses that gRPC itself made get the codes `rpc-refused`, `rpc-not-connected`, `rpc-unavailable`, `deadline-exceeded`,
 * `cancelled`, `no-such-method`, `message-too-large` or `rpc-failed`.
 */
export function errorOfStatus(error: ServiceError, target: string): ShoalError {
  const kind = one(error.metadata, KIND_KEY)
  const code = one(error.metadata, CODE_KEY)
  if (code !== undefined && isErrorKind(kind)) return new ShoalError(kind, code, error.details, { cause: error })
  const text = `${target}: ${readable(error.details)}`
  switch (error.code) {
    case status.UNAVAILABLE: return new ShoalError('unavailable', unavailableCode(error.details), text, { cause: error })
    case status.DEADLINE_EXCEEDED: return new ShoalError('deadline-exceeded', 'deadline-exceeded', `${target} did not answer in time`, { cause: error })
    case status.CANCELLED: return new ShoalError('cancelled', 'cancelled', `the call to ${target} was cancelled`, { cause: error })
    case status.UNIMPLEMENTED: return new ShoalError('not-implemented', 'no-such-method', text, { cause: error })
    case status.RESOURCE_EXHAUSTED: return new ShoalError('resource-exhausted', 'message-too-large', text, { cause: error })
    default: return new ShoalError('unavailable', 'rpc-failed', text, { cause: error })
  }
}

/** Without a connection the call never left: it may be made again, whatever it does. */
function unavailableCode(details: string): string {
  if (!NEVER_LEFT.test(details)) return 'rpc-unavailable'
  return REFUSED.test(details) ? 'rpc-refused' : 'rpc-not-connected'
}

/** grpc-js's text without its internals: "No connection established. Last error: X (time). Resolution note: …". */
function readable(details: string): string {
  const reason = /^No connection established(?:\. Last error: (.*?))?(?: \([\d:.TZ-]+\))?\.? ?(?:Resolution note:.*)?$/s.exec(details)
  if (reason === null) return details
  const why = reason[1]?.replace(/^Error: /, '') ?? ''
  const hint = why.includes('ECONNRESET') ? '; is this node\'s certificate one of that cluster?' : ''
  return `no connection${why === '' ? '' : `: ${why}`}${hint}`
}

function one(metadata: Metadata | undefined, key: string): string | undefined {
  const value = metadata?.get(key)[0]
  return value === undefined ? undefined : String(value)
}

/** Whether another side's word is a kind of error. */
export function isErrorKind(text: unknown): text is ErrorKind {
  return typeof text === 'string' && Object.hasOwn(STATUS_OF_KIND, text)
}
