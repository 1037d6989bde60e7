import type { Network } from '../../api/engine/engine-json.ts'
import type { Network as SwarmNetwork } from '../../api/swarm/objects.ts'
import { ShoalError } from '../../base/errors.ts'
import { untilMs } from './api-time.ts'
import type { Filters } from './filters.ts'

const PREDEFINED = ['bridge', 'host', 'none']

/** Applies the filters of GET /networks: values of one name are ORed (labels ANDed), names ANDed. Names and ids match by any part. */
export function matchesNetwork(network: Network, filters: Filters): boolean {
  return Object.entries(filters).every(([name, values]) => values.length === 0 || matchesOne(network, name, values, filters))
}

/** Applies the filters of POST /networks/prune: labels that must be there, or must not, and an age. */
export function matchesPrune(network: SwarmNetwork, filters: Filters, nowMs: number): boolean {
  const labels = network.spec?.annotations?.labels ?? {}
  const moments = (filters.until ?? []).map(text => untilMs(text, nowMs))
  return (filters.label ?? []).every(wanted => matchesLabel(labels, wanted))
    && !(filters['label!'] ?? []).some(unwanted => matchesLabel(labels, unwanted))
    && moments.every(atMs => (network.meta?.createdAtMs ?? 0) < atMs)
}

function matchesOne(network: Network, name: string, values: readonly string[], filters: Filters): boolean {
  switch (name) {
    case 'driver': return values.includes(network.Driver ?? '')
    case 'id': return values.some(value => (network.Id ?? '').includes(value))
    case 'name': return values.some(value => (network.Name ?? '').includes(value))
    case 'scope': return values.includes(network.Scope ?? '')
    case 'label': return values.every(value => matchesLabel(network.Labels ?? {}, value))
    case 'type': return values.some(value => isPredefined(network) === wantsPredefined(value))
    case 'dangling': return (Object.keys(network.Containers ?? {}).length === 0 && !isPredefined(network)) === dangling(filters)
    default: return false
  }
}

function dangling(filters: Filters): boolean {
  const values = filters.dangling ?? []
  if (values.length !== 1 || !['true', '1', 'false', '0'].includes(values[0] ?? '')) throw new ShoalError('invalid-argument', 'invalid-filter', 'invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")')
  return values[0] === 'true' || values[0] === '1'
}

function wantsPredefined(value: string): boolean {
  if (value !== 'builtin' && value !== 'custom') throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter: 'type'='${value.slice(0, 100)}'`)
  return value === 'builtin'
}

function isPredefined(network: Network): boolean {
  return PREDEFINED.includes(network.Name ?? '') || network.Ingress === true
}

/** "key" or "key=value". */
export function matchesLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const at = wanted.indexOf('=')
  if (at < 0) return Object.hasOwn(labels, wanted)
  const key = wanted.slice(0, at)
  return Object.hasOwn(labels, key) && labels[key] === wanted.slice(at + 1)
}
