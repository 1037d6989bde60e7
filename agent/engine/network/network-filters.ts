import type { Network } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { isPredefined } from './network-request.ts'

export type Filters = Readonly<Record<string, readonly string[]>>

const LIST_FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type']
const PRUNE_FILTERS = ['label', 'label!', 'until']

/** Filters of GET /networks: values of one key are alternatives (all of them for label), keys must all hold. @throws `invalid-filter` */
export function matchesList(network: Network, filters: Filters): boolean {
  checkKeys(filters, LIST_FILTERS)
  const some = (key: string, test: (value: string) => boolean): boolean => (filters[key]?.length ?? 0) === 0 || (filters[key] ?? []).some(test)
  return some('name', value => (network.Name ?? '').includes(value))
    && some('id', value => (network.Id ?? '').startsWith(value))
    && some('driver', value => network.Driver === value)
    && some('scope', value => network.Scope === value)
    && some('type', value => (isPredefined(network.Name ?? '') ? 'builtin' : 'custom') === value)
    && some('dangling', value => isTrue(value) === (Object.keys(network.Containers ?? {}).length === 0 && !isPredefined(network.Name ?? '')))
    && (filters['label'] ?? []).every(value => hasLabel(network, value))
}

/** Filters of POST /networks/prune. `until` is a duration (10m), or seconds since the epoch, or a date. @throws `invalid-filter` */
export function matchesPrune(network: Network, filters: Filters, nowMs: number): boolean {
  checkKeys(filters, PRUNE_FILTERS)
  return (filters['label'] ?? []).every(value => hasLabel(network, value))
    && !(filters['label!'] ?? []).some(value => hasLabel(network, value))
    && (filters['until'] ?? []).every(value => Date.parse(network.Created ?? '') < parseUntil(value, nowMs))
}

function hasLabel(network: Network, wanted: string): boolean {
  const at = wanted.indexOf('=')
  const actual = network.Labels?.[at < 0 ? wanted : wanted.slice(0, at)]
  return actual !== undefined && (at < 0 || actual === wanted.slice(at + 1))
}

function parseUntil(text: string, nowMs: number): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
  if (/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    return nowMs - [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0)
  }
  const atMs = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text)
  if (Number.isNaN(atMs)) throw new ShoalError('invalid-argument', 'invalid-filter', `failed to parse value as time or duration: "${text}"`)
  return atMs
}

function isTrue(text: string): boolean { return text === 'true' || text === '1' }

function checkKeys(filters: Filters, known: readonly string[]): void {
  for (const key of Object.keys(filters)) if (!known.includes(key)) throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter '${key}'`)
}
