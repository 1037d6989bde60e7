import { ShoalError } from '../../../src/base/errors.ts'
import type { Filters } from '../engine.ts'
import { booleanFilter, checkFilters, matchesLabels } from '../filters.ts'
import { portsOf } from './container-json.ts'
import type { ContainerRecord } from './container-record.ts'

export const CONTAINER_FILTERS: readonly string[] = [
  'ancestor', 'before', 'exited', 'expose', 'health', 'id', 'is-task', 'isolation', 'label', 'name', 'network', 'publish', 'since', 'status', 'volume',
]
const STATUSES: readonly string[] = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead']
const HEALTHS: readonly string[] = ['none', 'starting', 'healthy', 'unhealthy']

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
  const refuse = (key: string, what: string, known: readonly string[]): void => {
    const bad = filters[key]?.find(value => !known.includes(value))
    if (bad !== undefined) throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter '${key}=${bad}': invalid value for ${what} (${bad}): must be one of ${known.join(', ')}`)
  }
  refuse('status', 'state', STATUSES)
  refuse('health', 'health', HEALTHS)
  const exited = filters['exited']?.find(value => !/^-?\d+$/.test(value))
  if (exited !== undefined) throw new ShoalError('invalid-argument', 'invalid-filter', `strconv.Atoi: parsing ${JSON.stringify(exited)}: invalid syntax`)
  for (const key of ['publish', 'expose']) for (const value of filters[key] ?? []) checkPort(key, value)
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
    && portsMatch(record, filters['publish'] ?? [], filters['expose'] ?? [])
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

/** As in dockerd these two are alternatives, and both look at the ports of what runs. */
function portsMatch(record: ContainerRecord, publish: readonly string[], expose: readonly string[]): boolean {
  if (publish.length === 0 && expose.length === 0) return true
  return portsOf(record).some(({ PublicPort, PrivatePort, Type }) =>
    publish.some(value => PublicPort !== undefined && portMatches(value, PublicPort, Type ?? 'tcp')) || expose.some(value => PrivatePort !== undefined && portMatches(value, PrivatePort, Type ?? 'tcp')))
}

/** @throws `invalid-filter` */
function checkPort(key: string, value: string): void {
  const refuse = (why: string): ShoalError => new ShoalError('invalid-argument', 'invalid-filter', why)
  if (value.includes(':')) throw refuse(`filter for '${key}' should not contain ':': ${value}`)
  const [range = '', protocol = 'tcp'] = value.split('/')
  const bad = range.split('-').find(port => !/^\d+$/.test(port))
  if (range === '') throw refuse(`error while looking up for ${key} ${value}: empty string specified for ports`)
  if (bad !== undefined) throw refuse(`error while looking up for ${key} ${value}: strconv.ParseUint: parsing ${JSON.stringify(bad)}: invalid syntax`)
  const [from = '', to = from] = range.split('-')
  if (Number(to) < Number(from)) throw refuse(`error while looking up for ${key} ${value}: invalid range specified for port: ${range}`)
  if (protocol === '') throw refuse(`error while looking up for ${key} ${value}: invalid proto: ${protocol}`)
}

/** "80", "80/udp", "80-90/tcp" */
function portMatches(pattern: string, port: number, protocol: string): boolean {
  const [range = '', wanted = 'tcp'] = pattern.split('/')
  const [from = '', to = from] = range.split('-')
  return wanted === protocol && port >= Number(from) && port <= Number(to)
}
