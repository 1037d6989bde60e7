import { ShoalError } from '../../../src/base/errors.ts'
import type { Filters } from '../engine.ts'
import { booleanFilter, checkFilters, matchesLabels } from '../filters.ts'
import { portsOf } from './container-json.ts'
import type { ContainerRecord } from './container-record.ts'

export const CONTAINER_FILTERS: readonly string[] = [
  'ancestor', 'before', 'exited', 'expose', 'health', 'id', 'is-task', 'isolation', 'label', 'name', 'network', 'publish', 'since', 'status', 'volume',
]
const STATUSES: readonly string[] = ['created', 'restarting', 'running', 'removing', 'paused', 'exited', 'dead']
const HEALTHS: readonly string[] = ['starting', 'healthy', 'unhealthy', 'none']

/** What a filter refers to, looked up once. */
export interface FilterFacts {
  /** Image ids that each `ancestor` stands for. */
  readonly ancestors: ReadonlySet<string> | undefined
  /** Creation times of the containers of `before` and `since`. */
  readonly beforeMs: number | undefined
  readonly sinceMs: number | undefined
}

/** @throws `invalid-filter` (invalid-argument) */
export function checkContainerFilters(filters: Filters): void {
  checkFilters(filters, CONTAINER_FILTERS)
  const refuse = (key: string, known: readonly string[]): void => {
    const bad = filters[key]?.find(value => !known.includes(value))
    if (bad !== undefined) throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter '${key}=${bad}'; use one of ${known.join(', ')}`)
  }
  refuse('status', STATUSES)
  refuse('health', HEALTHS)
  const exited = filters['exited']?.find(value => !/^-?\d+$/.test(value))
  if (exited !== undefined) throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter 'exited=${exited}': give an exit code`)
}

/** Values of one filter are alternatives, filters are all required. */
export function matchesFilters(record: ContainerRecord, filters: Filters, facts: FilterFacts): boolean {
  const any = (key: string, test: (value: string) => boolean): boolean => filters[key] === undefined || filters[key].length === 0 || filters[key].some(test)
  const created = Date.parse(record.created)
  const isTask = booleanFilter(filters, 'is-task')
  return any('id', value => record.id.startsWith(value))
    && any('name', value => nameMatches(record.name, value))
    && matchesLabels(filters['label'], record.config.Labels)
    && any('status', value => record.state.status === value)
    && any('health', value => (record.state.health?.Status ?? 'none') === value)
    && any('exited', value => record.state.status === 'exited' && record.state.exitCode === Number(value))
    && any('volume', value => record.mounts.some(mount => mount.Name === value || mount.Destination === value || mount.Source === value))
    && any('network', value => onNetwork(record, value))
    && any('publish', value => portsOf(record).some(port => port.PublicPort !== undefined && portMatches(value, port.PublicPort, port.Type ?? 'tcp')))
    && any('expose', value => Object.keys(record.config.ExposedPorts ?? {}).some(key => portMatches(value, Number(key.split('/')[0]), key.split('/')[1] ?? 'tcp')))
    && (isTask === undefined || isTask === ('com.docker.swarm.task.id' in (record.config.Labels ?? {})))
    && (facts.ancestors === undefined || facts.ancestors.has(record.imageId))
    && (facts.beforeMs === undefined || created < facts.beforeMs)
    && (facts.sinceMs === undefined || created > facts.sinceMs)
}

/** A regular expression over "/name" and "name". */
function nameMatches(name: string, pattern: string): boolean {
  try {
    const expression = new RegExp(pattern)
    return expression.test(`/${name}`) || expression.test(name)
  } catch {
    return name.includes(pattern)
  }
}

function onNetwork(record: ContainerRecord, wanted: string): boolean {
  const endpoints = { ...record.endpoints, ...record.sandbox?.endpoints }
  const mode = record.hostConfig.NetworkMode === 'default' ? 'bridge' : record.hostConfig.NetworkMode
  return wanted in endpoints || mode === wanted || Object.values(endpoints).some(endpoint => endpoint.NetworkID !== undefined && endpoint.NetworkID !== '' && endpoint.NetworkID.startsWith(wanted))
}

/** "80", "80/udp", "80-90/tcp" */
function portMatches(pattern: string, port: number, protocol: string): boolean {
  const [range = '', wanted = 'tcp'] = pattern.split('/')
  const [from = '', to = from] = range.split('-')
  return wanted === protocol && port >= Number(from) && port <= Number(to)
}
