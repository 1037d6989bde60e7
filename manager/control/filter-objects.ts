import { ShoalError } from '../../src/base/errors.ts'
import type { StringList } from '../../src/api/swarm/control.ts'
import type { Node, Service, Task } from '../../src/api/swarm/objects.ts'
import type { Annotations } from '../../src/api/swarm/specs.ts'
import { serviceMode } from '../../src/api/swarm/task-state.ts'
import type { ObjectKind, ObjectTypes, StoreView } from '../store/object-store.ts'
import { nameOf } from './find-object.ts'
import { isUpToDate } from './is-up-to-date.ts'

type Predicate<T> = (object: T, values: readonly string[], view: StoreView) => boolean
type Filters<T> = Readonly<Record<string, Predicate<T>>>

/**
 * The objects that pass every filter, in order of id (B10). Values of one filter are alternatives, labels must all match; names are prefixes.
 * @throws ShoalError `invalid-filter` (invalid-argument) on a filter the kind does not have
 */
export function filterObjects<K extends ObjectKind>(view: StoreView, kind: K, filters: Readonly<Record<string, StringList>>): readonly ObjectTypes[K][] {
  const known = FILTERS[kind] as unknown as Filters<ObjectTypes[K]>
  const wanted = Object.entries(filters).map(([name, { values }]) => {
    const predicate = Object.hasOwn(known, name) ? known[name] : undefined
    if (predicate === undefined) throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter '${name}'`)
    return { predicate, values }
  })
  const candidates = candidatesOf(view, kind, filters)
  return candidates.filter(object => wanted.every(({ predicate, values }) => values.length === 0 || predicate(object, values, view)))
}

/** Tasks of few services or nodes come from the store's index: progress displays ask for them several times a second. */
function candidatesOf<K extends ObjectKind>(view: StoreView, kind: K, filters: Readonly<Record<string, StringList>>): readonly ObjectTypes[K][] {
  const services = filters['service']?.values ?? []
  if (kind !== 'task' || services.length === 0) return view.list(kind)
  const ids = new Set(services.flatMap(ref => idsOf(view, 'service', ref)))
  return [...ids].flatMap(id => view.tasksOfService(id)) as unknown as readonly ObjectTypes[K][]
}

const byId: Predicate<{ readonly id: string }> = (object, values) => values.some(value => object.id.startsWith(value))
const byNameOf = <K extends ObjectKind>(kind: K): Predicate<ObjectTypes[K]> => (object, values) => values.some(value => nameOf(kind, object).startsWith(value))
const byLabel: Predicate<{ readonly spec?: { readonly annotations?: Annotations } }> = (object, values) => hasLabels(object.spec?.annotations?.labels, values)

const FILTERS: { readonly [K in ObjectKind]: Filters<ObjectTypes[K]> } = {
  node: {
    id: byId,
    name: byNameOf('node'),
    label: (node, values) => hasLabels(node.description?.engineLabels, values),
    'node.label': byLabel,
    role: (node, values) => values.includes(node.role),
    membership: (_node, values) => values.includes('accepted'),
  } satisfies Filters<Node>,
  service: {
    id: byId,
    name: byNameOf('service'),
    label: byLabel,
    mode: (service, values) => values.includes(serviceMode(service)),
    runtime: (_service, values) => values.includes('container'),
  } satisfies Filters<Service>,
  task: {
    id: byId,
    name: byNameOf('task'),
    label: (task, values) => hasLabels({ ...task.serviceAnnotations?.labels, ...task.annotations?.labels }, values),
    service: (task, values, view) => values.some(value => idsOf(view, 'service', value).includes(task.serviceId) || task.serviceId === value),
    node: (task, values, view) => values.some(value => idsOf(view, 'node', value).includes(task.nodeId) || task.nodeId === value),
    'desired-state': (task, values) => values.includes(task.desiredState),
    runtime: (task, values) => values.includes(task.spec?.attachment === undefined ? 'container' : 'attachment'),
    '_up-to-date': (task, values, view) => !values.includes('true') || isCurrent(task, view),
  } satisfies Filters<Task>,
  network: { id: byId, name: byNameOf('network'), label: byLabel },
  secret: { id: byId, name: byNameOf('secret'), names: (secret, values) => values.includes(nameOf('secret', secret)), label: byLabel },
  config: { id: byId, name: byNameOf('config'), names: (config, values) => values.includes(nameOf('config', config)), label: byLabel },
  cluster: { id: byId, name: byNameOf('cluster'), label: byLabel },
}

function isCurrent(task: Task, view: StoreView): boolean {
  const service = view.get('service', task.serviceId)
  return service !== undefined && isUpToDate(service, task, view.get('node', task.nodeId))
}

function idsOf(view: StoreView, kind: 'service' | 'node', ref: string): string[] {
  if (ref === '') return []
  if (view.get(kind, ref) !== undefined) return [ref]
  const named = view.findByName(kind, ref)
  if (named !== undefined) return [named.id]
  return view.list(kind).filter(object => object.id.startsWith(ref)).map(object => object.id)
}

/** Each wanted "key" or "key=value" must be there. */
function hasLabels(labels: Readonly<Record<string, string>> | undefined, wanted: readonly string[]): boolean {
  return wanted.every(text => {
    const at = text.indexOf('=')
    const key = at < 0 ? text : text.slice(0, at)
    if (labels === undefined || !Object.hasOwn(labels, key)) return false
    return at < 0 || labels[key] === text.slice(at + 1)
  })
}
