import { ShoalError } from '../../base/errors.ts'
import { isAddressWithin } from './ip-range.ts'
import type { Node } from './objects.ts'

/** One placement constraint, like `node.labels.disk == ssd`. */
export interface Constraint { readonly key: string; readonly operator: '==' | '!='; readonly value: string }

const OPERATORS = ['==', '!='] as const
const KEY = /^[a-z_][a-z0-9\-_.]+$/i
const VALUE = /^[a-z0-9:\-_\s.*()?+[\]\\^$|/]+$/i
const NODE_LABEL = 'node.labels.'
const ENGINE_LABEL = 'engine.labels.'

/**
 * Parses constraint expressions; all must hold (see matchesConstraints).
 * @throws ShoalError `constraint-malformed` (unknown: the reference answers a bad constraint with HTTP 500)
 */
export function parseConstraints(expressions: readonly string[]): readonly Constraint[] {
  return expressions.map(parseConstraint)
}

function parseConstraint(expression: string): Constraint {
  const operator = OPERATORS.find(candidate => expression.includes(candidate))
  if (operator === undefined) throw malformed(`constraint expected one operator from ${OPERATORS.join(', ')}`)
  const at = expression.indexOf(operator)
  const key = expression.slice(0, at).trim()
  const value = expression.slice(at + operator.length).trim()
  if (!KEY.test(key)) throw malformed(`key '${key}' is invalid`)
  if (!VALUE.test(value)) throw malformed(`value '${value}' is invalid`)
  return { key, operator, value }
}

function malformed(message: string): ShoalError { return new ShoalError('unknown', 'constraint-malformed', message) }

/** True when the node meets all constraints. An unknown key is never met, whatever the operator. */
export function matchesConstraints(constraints: readonly Constraint[], node: Node): boolean {
  return constraints.every(constraint => matches(constraint, node))
}

/** As matchesConstraints, from the text in a spec, parsed once for many nodes; a malformed constraint is never met. */
export function compileConstraints(expressions: readonly string[] | undefined): (node: Node) => boolean {
  if (expressions === undefined || expressions.length === 0) return () => true
  try {
    const constraints = parseConstraints(expressions)
    return node => matchesConstraints(constraints, node)
  } catch (error) {
    if (error instanceof ShoalError && error.code === 'constraint-malformed') return () => false
    throw error
  }
}

/** For a single node; see compileConstraints. */
export function nodeMeetsConstraints(expressions: readonly string[] | undefined, node: Node): boolean {
  return compileConstraints(expressions)(node)
}

function matches({ key, operator, value }: Constraint, node: Node): boolean {
  const lowerKey = key.toLowerCase()
  const wantsEqual = operator === '=='
  if (lowerKey === 'node.ip') return isAddressWithin(node.status?.addr ?? '', value, wantsEqual)
  const actual = valueOf(lowerKey, key, node)
  if (actual === undefined) return false
  return (actual.toLowerCase() === value.toLowerCase()) === wantsEqual
}

/** Undefined for a key that does not exist; a missing label or description is "". */
function valueOf(lowerKey: string, key: string, node: Node): string | undefined {
  if (lowerKey.startsWith(NODE_LABEL)) return node.spec?.annotations?.labels[key.slice(NODE_LABEL.length)] ?? ''
  if (lowerKey.startsWith(ENGINE_LABEL)) return node.description?.engineLabels[key.slice(ENGINE_LABEL.length)] ?? ''
  switch (lowerKey) {
    case 'node.id': return node.id
    case 'node.hostname': return node.description?.hostname ?? ''
    case 'node.role': return node.role
    case 'node.platform.os': return node.description?.platform?.os ?? ''
    case 'node.platform.arch': return node.description?.platform?.architecture ?? ''
    default: return undefined
  }
}
