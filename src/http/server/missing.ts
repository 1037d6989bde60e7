import { ShoalError } from '../../base/errors.ts'

/** Answers an optional backend method, or refuses. @throws ShoalError `not-supported` (not-implemented) */
export function supported<T>(method: T | undefined, what: string): T {
  if (method === undefined) throw notSupported(what)
  return method
}

/** The refusal of something Docker has and this product leaves out. */
export function notSupported(what: string): ShoalError {
  return new ShoalError('not-implemented', 'not-supported', `${what} is not supported by shoal`)
}
