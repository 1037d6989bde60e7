import type { EventMessage } from '../../api/engine/engine-json.ts'
import type { Filters } from './filters.ts'
import { matchesLabel } from './network-filter.ts'

/** Filters that name a type of object. As in dockerd what is none of the known filters filters nothing. */
const TYPES: readonly string[] = ['config', 'container', 'daemon', 'network', 'node', 'plugin', 'secret', 'service', 'volume']

/** Applies the filters of GET /events. A filter named like an object type keeps only events of that type, by id or name (or a beginning of them). */
export function matchesEvent(event: EventMessage, filters: Filters): boolean {
  return Object.entries(filters).every(([name, values]) => values.length === 0 || matchesOne(event, name, values))
}

function matchesOne(event: EventMessage, name: string, values: readonly string[]): boolean {
  const attributes = event.Actor?.Attributes ?? {}
  switch (name) {
    case 'event': return values.some(value => event.Action === value || event.Action?.startsWith(`${value}:`) === true)
    case 'type': return values.includes(event.Type ?? '')
    case 'scope': return values.includes(event.scope ?? '')
    case 'label': return values.every(value => matchesLabel(attributes, value))
    case 'image': return values.some(value => [event.Type === 'image' ? event.Actor?.ID : undefined, attributes.image, attributes.name].some(image => isImage(image, value)))
    default: return !TYPES.includes(name) || event.Type === name && values.some(value => event.Actor?.ID?.startsWith(value) === true || attributes.name?.startsWith(value) === true)
  }
}

/** With or without its tag. */
function isImage(image: string | undefined, wanted: string): boolean {
  return image !== undefined && (image === wanted || image.replace(/:[^:/]*$/, '') === wanted)
}
