/** What went wrong, in the words that both HTTP and gRPC map from (one file each). */
export type ErrorKind =
  | 'invalid-argument' | 'not-found' | 'already-exists' | 'failed-precondition' | 'permission-denied' | 'unauthenticated'
  | 'resource-exhausted' | 'unavailable' | 'not-implemented' | 'deadline-exceeded' | 'cancelled' | 'conflict' | 'not-modified' | 'unknown' | 'internal'

/**
 * The one error class of the project.
 * `code` is stable and stands in an errors.md (a test holds both to each other); `message` tells what happened, to which object, and what to do next.
 */
export class ShoalError extends Error {
  override readonly name = 'ShoalError'
  readonly kind: ErrorKind
  readonly code: string
  constructor(kind: ErrorKind, code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
    this.code = code
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** True for a ShoalError with this code. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof ShoalError && error.code === code
}

/** The end of an exhaustive switch. */
export function assertNever(value: never): never {
  throw new ShoalError('internal', 'unexpected-value', `unexpected value ${JSON.stringify(value)}`)
}
