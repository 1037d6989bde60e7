/** What went wrong, in the words that both HTTP and gRPC map from (one file each). */
export const ERROR_KINDS = [
  'invalid-argument', 'not-found', 'already-exists', 'failed-precondition', 'permission-denied', 'unauthenticated',
  'resource-exhausted', 'unavailable', 'not-implemented', 'deadline-exceeded', 'cancelled', 'conflict', 'not-modified', 'unknown', 'internal',
] as const
export type ErrorKind = typeof ERROR_KINDS[number]

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

/** The text of anything that was thrown; of a write that found no room, wherever that was, what to do. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return isDiskFull(error) ? diskFullMessage((error as NodeJS.ErrnoException).path) : error.message
}

/** Whether the system refused to write because there is no room, or no more for this user. */
export function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return error instanceof Error && (code === 'ENOSPC' || code === 'EDQUOT')
}

/** In Docker's words, and what to do. */
export function diskFullMessage(path?: string): string {
  // What was opened below a folder that is held open has no name but that.
  const what = path?.replace(/^\/proc\/self\/fd\/\d+\//, '').replace(/\.new$/, '')
  return `no space left on device${what === undefined || what === '' ? '' : `: ${what} cannot be written`}; make room (df and df -i tell whether bytes or inodes are short; docker system prune) and try again`
}

/** True for a ShoalError with this code. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof ShoalError && error.code === code
}

/** The end of an exhaustive switch. */
export function assertNever(value: never): never {
  throw new ShoalError('internal', 'unexpected-value', `unexpected value ${JSON.stringify(value)}`)
}
