import { ShoalError } from '../../base/errors.ts'

/**
 * The shape of a JSON value from outside. Everything is optional, null counts as absent, unknown fields are dropped and field names match
 * without regard to case, all as Go's decoder does it, so that clients written against Docker find the same tolerance here.
 */
export type Shape =
  | 'string' | 'integer' | 'number' | 'boolean' | 'any'
  /** A list of strings; one string counts as a list of one (Cmd, Entrypoint). */
  | 'words'
  | { readonly kind: 'list'; readonly of: Shape }
  | { readonly kind: 'map'; readonly of: Shape }
  | { readonly kind: 'object'; readonly fields: Readonly<Record<string, Shape>>; readonly byLowerCase: ReadonlyMap<string, string> }

/** What 64-bit integers, signed or not, hold: more is no integer to the kernel and to other clients, though it is one to JSON. */
const INTEGER_MIN = -(2 ** 63)
const INTEGER_MAX = 2 ** 64

export function list(of: Shape): Shape { return { kind: 'list', of } }
export function map(of: Shape): Shape { return { kind: 'map', of } }
export function object(fields: Readonly<Record<string, Shape>>): Shape {
  return { kind: 'object', fields, byLowerCase: new Map(Object.keys(fields).map(name => [name.toLowerCase(), name])) }
}
export const STRINGS: Shape = list('string')
export const STRING_MAP: Shape = map('string')

/** `value` in that shape, or undefined for null. @throws ShoalError `invalid-json` (invalid-argument) naming the field */
export function shaped(shape: Shape, value: unknown, path = ''): unknown {
  if (value === null || value === undefined) return undefined
  if (typeof shape === 'string') return shapedScalar(shape, value, path)
  if (shape.kind === 'list') {
    if (!Array.isArray(value)) throw mismatch(path, 'a list', value)
    return value.map((item, index) => shaped(shape.of, item, `${path}[${index}]`) ?? zeroOf(shape.of))
  }
  if (typeof value !== 'object' || Array.isArray(value)) throw mismatch(path, 'an object', value)
  const entries: [string, unknown][] = []
  for (const [key, item] of Object.entries(value)) {
    const name = shape.kind === 'map' ? key : Object.hasOwn(shape.fields, key) ? key : shape.byLowerCase.get(key.toLowerCase())
    if (name === undefined) continue
    const inner = shaped(shape.kind === 'map' ? shape.of : shape.fields[name] ?? 'any', item, path === '' ? name : `${path}.${name}`)
    if (inner !== undefined || shape.kind === 'map') entries.push([name, inner ?? (shape.kind === 'map' ? zeroOf(shape.of) : undefined)])
  }
  return Object.fromEntries(entries)
}

/** What Go's decoder makes of null inside of a list or a map. */
function zeroOf(shape: Shape): unknown {
  switch (shape) {
    case 'string': return ''
    case 'integer': case 'number': return 0
    case 'boolean': return false
    case 'any': return undefined
    case 'words': return []
    default: return shape.kind === 'list' ? [] : {}
  }
}

function shapedScalar(shape: Shape & string, value: unknown, path: string): unknown {
  switch (shape) {
    case 'any': return value
    case 'words':
      if (typeof value === 'string') return [value]
      return shaped(STRINGS, value, path)
    case 'integer':
      if (typeof value === 'number' && Number.isInteger(value) && value >= INTEGER_MIN && value <= INTEGER_MAX) return value
      throw mismatch(path, 'an integer', value)
    default:
      if (typeof value === shape) return value
      throw mismatch(path, `a ${shape}`, value)
  }
}

function mismatch(path: string, wanted: string, value: unknown): ShoalError {
  const got = Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `the ${typeof value} ${JSON.stringify(value)}`
  return new ShoalError('invalid-argument', 'invalid-json', `invalid JSON: ${path === '' ? 'the body' : path} must be ${wanted}, got ${got}`.slice(0, 500))
}
