import { ShoalError, messageOf, type ErrorKind } from '../../base/errors.ts'

/** The one place where an error's kind becomes an HTTP status (B04; D-025 for the kinds gRPC does not have). */
const STATUS: Readonly<Record<ErrorKind, number>> = {
  'invalid-argument': 400,
  'failed-precondition': 400,
  'unauthenticated': 401,
  'permission-denied': 403,
  'not-found': 404,
  'already-exists': 409,
  'conflict': 409,
  'not-modified': 304,
  'not-implemented': 501,
  'unavailable': 503,
  'resource-exhausted': 500,
  'deadline-exceeded': 500,
  'cancelled': 500,
  'unknown': 500,
  'internal': 500,
}

export interface ErrorReply { readonly status: number; readonly message: string }

/** Status and text for anything thrown by a route. */
export function errorReply(error: unknown): ErrorReply {
  if (error instanceof ShoalError) return { status: STATUS[error.kind], message: error.message }
  return { status: 500, message: messageOf(error) }
}
