import { ShoalError } from '../../../src/base/errors.ts'

/** A Dockerfile that cannot be read, in Docker's words: scripts look for them. */
export function dockerfileError(message: string, line?: number): ShoalError {
  return new ShoalError('invalid-argument', 'bad-dockerfile', line === undefined ? `failed to parse Dockerfile: ${message}` : `dockerfile parse error line ${line}: ${message}`)
}
