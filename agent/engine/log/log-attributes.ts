import { invalidLogOption } from './invalid-log-option.ts'
import type { LoggedContainer } from './log-tag.ts'

/**
 * What the options labels, labels-regex, env and env-regex pick from a container: shown by `docker logs --details`, fields in the journal.
 * @throws `invalid-log-option` (invalid-argument) on a bad expression
 */
export function logAttributes(options: Readonly<Record<string, string>>, container: LoggedContainer, keyOf: (key: string) => string = key => key): Readonly<Record<string, string>> {
  const env = Object.fromEntries(container.env.filter(entry => entry.includes('=')).map(entry => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]))
  const picked = [
    ...listed(options['labels'], container.labels), ...matching(options['labels-regex'], container.labels), ...listed(options['env'], env), ...matching(options['env-regex'], env),
  ]
  return Object.fromEntries(picked.map(([key, value]) => [keyOf(key), value]))
}

function listed(keys: string | undefined, values: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return (keys ?? '').split(',').flatMap(key => Object.hasOwn(values, key) ? [[key, values[key] ?? ''] as const] : [])
}

function matching(pattern: string | undefined, values: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  if (pattern === undefined || pattern === '') return []
  let expression: RegExp
  try {
    expression = new RegExp(pattern)
  } catch (cause) {
    throw invalidLogOption(`error parsing regexp: \`${pattern}\`: ${(cause as Error).message}`)
  }
  return Object.entries(values).filter(([key]) => expression.test(key))
}

/** "k=v,k2=v2", keys in order, both encoded as in a query: what stands before each line of `docker logs --details`. */
export function formatAttributes(attributes: Readonly<Record<string, string>>): string {
  return Object.entries(attributes).toSorted(([a], [b]) => a < b ? -1 : 1).map(pair => pair.map(escapeQuery).join('=')).join(',')
}

function escapeQuery(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`).replaceAll('%20', '+')
}
