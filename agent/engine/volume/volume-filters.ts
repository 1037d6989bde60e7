import { ShoalError } from '../../../src/base/errors.ts'
import type { Filters } from '../engine.ts'
import { checkFilters, matchesLabels } from '../filters.ts'
import type { VolumeRecord } from './volume-records.ts'

const TRUE: readonly string[] = ['1', 'true']
const FALSE: readonly string[] = ['0', 'false']

/**
 * The filter of docker volume ls. Of several values one must fit, but for labels, which must all be there.
 * @throws `invalid-filter` (invalid-argument)
 */
export function volumeFilter(filters: Filters, isUsed: (name: string) => boolean): (record: VolumeRecord) => boolean {
  checkFilters(filters, ['dangling', 'driver', 'label', 'name'])
  const dangling = danglingFilter(filters['dangling'])
  return record =>
    (dangling === undefined || dangling !== isUsed(record.name))
    && matchesLabels(filters['label'], record.labels)
    && (filters['driver'] === undefined || filters['driver'].includes(record.driver ?? 'local'))
    && (filters['name'] === undefined || filters['name'].some(pattern => matchesName(pattern, record.name)))
}

function danglingFilter(values: readonly string[] | undefined): boolean | undefined {
  const value = values?.[0]?.toLowerCase()
  if (values === undefined || value === undefined) return undefined
  if (values.length === 1 && TRUE.includes(value)) return true
  if (values.length === 1 && FALSE.includes(value)) return false
  throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter 'dangling=[${values.join(' ')}]'`)
}

/** A part of the name, or a regular expression. */
function matchesName(pattern: string, name: string): boolean {
  if (name.includes(pattern)) return true
  try {
    return new RegExp(pattern).test(name)
  } catch {
    return false
  }
}
