import { ShoalError } from '../../base/errors.ts'

const KEY = /^[a-z_][a-z0-9\-_.]+$/i
const VALUE = /^[a-z0-9:\-_\s.*()?+[\]\\^$|/]+$/i

/**
 * Checks the syntax `key==value` or `key!=value` of placement constraints.
 * @throws ShoalError `invalid-constraint` of kind unknown, as Docker answers here (C01)
 */
export function validateConstraints(constraints: readonly string[]): void {
  for (const constraint of constraints) validateConstraint(constraint)
}

function validateConstraint(constraint: string): void {
  const parts = constraint.split(/==|!=/)
  if (parts.length < 2) throw invalid('constraint expected one operator from ==, !=')
  const operator = constraint.includes('==') && !(constraint.indexOf('!=') >= 0 && constraint.indexOf('!=') < constraint.indexOf('==')) ? '==' : '!='
  const at = constraint.indexOf(operator)
  const key = constraint.slice(0, at).trim()
  const value = constraint.slice(at + operator.length).trim()
  if (!KEY.test(key)) throw invalid(`key '${key}' is invalid`)
  if (!VALUE.test(value)) throw invalid(`value '${value}' is invalid`)
}

function invalid(message: string): ShoalError {
  return new ShoalError('unknown', 'invalid-constraint', message)
}
