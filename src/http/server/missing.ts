import { ShoalError } from '../../base/errors.ts'

/** An optional backend method, or the refusal that it is missing. @throws ShoalError `not-supported` (not-implemented) */
export function supported<T>(method: T | undefined, what: string, instead?: string): T {
  if (method === undefined) throw notSupported(what, instead)
  return method
}

/** The refusal of something Docker has and this product leaves out. @param instead what the user can do */
export function notSupported(what: string, instead?: string): ShoalError {
  return new ShoalError('not-implemented', 'not-supported', `${what} is not supported by shoal${instead === undefined ? '' : `: ${instead}`}`)
}
