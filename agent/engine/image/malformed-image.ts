import { ShoalError } from '../../../src/base/errors.ts'

const REASON_LENGTH_MAX = 300

/** `malformed-image` (invalid-argument). The reason may come from the archive or from tar, so it is cut. */
export function malformedImage(reason: string, cause?: unknown): ShoalError {
  const short = reason.length > REASON_LENGTH_MAX ? `${reason.slice(0, REASON_LENGTH_MAX)}…` : reason
  return new ShoalError('invalid-argument', 'malformed-image', `the image archive cannot be read: ${short}`, { cause })
}
