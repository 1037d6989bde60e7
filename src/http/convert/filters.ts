import { ShoalError } from '../../base/errors.ts'

/** Values by filter name, as `?filters=` carries them. */
export type Filters = Readonly<Record<string, readonly string[]>>

/**
 * Reads the JSON of a `filters` parameter: {"label":["x"]} or, from old clients, {"label":{"x":true}}.
 * @param accepted names the endpoint knows; without them any is taken
 * @throws ShoalError `invalid-filter` (invalid-argument)
 */
export function parseFilters(text: string, accepted?: readonly string[]): Filters {
  if (text.trim() === '') return {}
  const filters = Object.fromEntries(Object.entries(parseObject(text)).map(([name, values]) => [name, valuesOf(name, values)]))
  for (const name of Object.keys(filters)) {
    if (accepted?.includes(name) === false) throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter '${name}'`)
  }
  return filters
}

/** The one truth value of a filter such as dangling. @throws ShoalError `invalid-filter` */
export function filterFlag(filters: Filters, name: string): boolean | undefined {
  const values = filters[name] ?? []
  if (values.length === 0) return undefined
  if (values.every(value => ['1', 'true', 't'].includes(value.toLowerCase()))) return true
  if (values.every(value => ['0', 'false', 'f'].includes(value.toLowerCase()))) return false
  throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter '${name}=[${values.join(' ')}]'`)
}

function parseObject(text: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filters: ${(cause as Error).message.slice(0, 200)}`, { cause })
  }
  if (value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw new ShoalError('invalid-argument', 'invalid-filter', 'invalid filters: must be a JSON object of lists')
  return value
}

function valuesOf(name: string, values: unknown): readonly string[] {
  if (Array.isArray(values) && values.every(value => typeof value === 'string')) return values
  if (typeof values === 'object' && values !== null && !Array.isArray(values)) return Object.entries(values).filter(([, on]) => on === true).map(([value]) => value)
  throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter '${name}': its values must be a list of strings`)
}
