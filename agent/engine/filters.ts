import { ShoalError } from '../../src/base/errors.ts'
import type { Filters } from './engine.ts'

/** @throws `invalid-filter` (invalid-argument) for a key that this list does not know */
export function checkFilters(filters: Filters, known: readonly string[]): void {
  for (const key of Object.keys(filters)) {
    if (!known.includes(key)) throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter '${key}'`)
  }
}

/** True when every "key" or "key=value" of the filter is among the labels; keys ending in "!" are for prune's `label!`. */
export function matchesLabels(wanted: readonly string[] | undefined, labels: Readonly<Record<string, string>> | null | undefined): boolean {
  return (wanted ?? []).every(text => {
    const [key = '', ...rest] = text.split('=')
    const value = labels?.[key]
    return value !== undefined && (rest.length === 0 || value === rest.join('='))
  })
}

/** prune's `label` and `label!` together. */
export function matchesPruneLabels(filters: Filters, labels: Readonly<Record<string, string>> | null | undefined): boolean {
  return matchesLabels(filters['label'], labels) && !(filters['label!'] ?? []).some(text => matchesLabels([text], labels))
}

/** `until` as the API takes it: seconds since the epoch, RFC 3339, or a duration before now ("10m"). @returns milliseconds @throws `invalid-filter` */
export function untilMs(text: string, nowMs: number): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  const duration = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(text)
  if (duration !== null && text !== '') return nowMs - ((Number(duration[1] ?? 0) * 60 + Number(duration[2] ?? 0)) * 60 + Number(duration[3] ?? 0)) * 1000
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new ShoalError('invalid-argument', 'invalid-filter', `failed to parse value as time or duration: ${JSON.stringify(text)}`)
  return at
}

/** "true", "1", "t" and their opposites. @throws `invalid-filter` */
export function booleanFilter(filters: Filters, key: string): boolean | undefined {
  const value = filters[key]?.[0]
  if (value === undefined) return undefined
  if (['1', 't', 'true', 'True', 'TRUE'].includes(value)) return true
  if (['0', 'f', 'false', 'False', 'FALSE'].includes(value)) return false
  throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter '${key}=[${(filters[key] ?? []).join(' ')}]'`)
}
