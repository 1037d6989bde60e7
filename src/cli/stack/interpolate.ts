import { ShoalError } from '../../base/errors.ts'

/**
 * Replaces $NAME, ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message}, ${NAME?message}, ${NAME:+other}, ${NAME+other} and $$ in a text.
 * @throws ShoalError `bad-stack-file` when a required variable is missing or the syntax is wrong
 */
export function interpolate(text: string, environment: Readonly<Record<string, string | undefined>>): string {
  return text.replace(/\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])([^}]*))?\}|(.?))/g, (whole, dollar: string | undefined, plain: string | undefined, name: string | undefined, operator: string | undefined, word = '', bad?: string) => {
    if (dollar !== undefined) return '$'
    if (plain !== undefined) return environment[plain] ?? ''
    if (name === undefined) throw new ShoalError('invalid-argument', 'bad-stack-file', `Invalid interpolation format "${whole}${bad ?? ''}" in: ${text}. You may need to escape any $ with another $`)
    const value = environment[name]
    const isUsable = operator?.startsWith(':') === true ? value !== undefined && value !== '' : value !== undefined
    switch (operator?.at(-1)) {
      case '-': return isUsable ? value ?? '' : word
      case '+': return isUsable ? word : ''
      case '?':
        if (!isUsable) throw new ShoalError('invalid-argument', 'bad-stack-file', `required variable ${name} is missing a value: ${word}`)
        return value ?? ''
      default: return value ?? ''
    }
  })
}

/** Interpolates every string in a parsed document; keys stay as they are. */
export function interpolateTree(value: unknown, environment: Readonly<Record<string, string | undefined>>): unknown {
  if (typeof value === 'string') return interpolate(value, environment)
  if (Array.isArray(value)) return value.map(item => interpolateTree(item, environment))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolateTree(item, environment)]))
}
