import { ShoalError, type ErrorKind } from '../../base/errors.ts'
import { isSwarmStateError } from './swarm-state-error.ts'

/** Names of gRPC's status codes; scripts match on them (B04). */
const CODE_NAMES: Readonly<Record<ErrorKind, string>> = {
  'invalid-argument': 'InvalidArgument', 'not-found': 'NotFound', 'already-exists': 'AlreadyExists', 'failed-precondition': 'FailedPrecondition',
  'permission-denied': 'PermissionDenied', 'unauthenticated': 'Unauthenticated', 'resource-exhausted': 'ResourceExhausted', 'unavailable': 'Unavailable',
  'not-implemented': 'Unimplemented', 'deadline-exceeded': 'DeadlineExceeded', 'cancelled': 'Canceled', 'conflict': 'Aborted', 'not-modified': 'Unknown',
  'unknown': 'Unknown', 'internal': 'Internal',
}

/** Awaits a call of the control service and gives its failures the prefix that users of Docker see. */
export async function control<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    throw prefixed(error)
  }
}

/** As control(), for looking an object up by id or name: there Docker's daemon itself says "service X not found", without prefix. */
export async function lookup<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    if (error instanceof ShoalError && (error.kind === 'not-found' || error.kind === 'invalid-argument')) throw error
    throw prefixed(error)
  }
}

function prefixed(cause: unknown): unknown {
  if (!(cause instanceof ShoalError) || isSwarmStateError(cause)) return cause
  return new ShoalError(cause.kind, cause.code, `rpc error: code = ${CODE_NAMES[cause.kind]} desc = ${cause.message}`, { cause })
}
