import { ShoalError } from '../../base/errors.ts'

/**
 * A moment as the API takes it: seconds since the epoch, with or without fraction, or RFC 3339. Milliseconds since the epoch.
 * @throws ShoalError `bad-parameter`
 */
export function apiTimeMs(text: string, name: string): number {
  const seconds = /^-?\d{1,15}(?:\.\d{1,9})?$/.test(text) ? Number(text) * 1000 : NaN
  const atMs = Number.isNaN(seconds) && /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : seconds
  if (Number.isNaN(atMs)) throw new ShoalError('invalid-argument', 'bad-parameter', `invalid value for "${name}": "${text.slice(0, 100)}" is neither a Unix time nor RFC 3339`)
  return atMs
}
