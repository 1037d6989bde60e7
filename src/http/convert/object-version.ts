import { ShoalError } from '../../base/errors.ts'

/** The `version` parameter of an update (B08). @throws ShoalError `bad-parameter` */
export function objectVersion(text: string, kind: string): number {
  if (/^\d{1,16}$/.test(text)) return Number(text)
  throw new ShoalError('invalid-argument', 'bad-parameter', `invalid ${kind} version '${text.slice(0, 100)}': strconv.ParseUint: parsing ${JSON.stringify(text.slice(0, 100))}: invalid syntax`)
}
