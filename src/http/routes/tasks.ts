import type { Network, Task } from '../../api/swarm/objects.ts'
import { parseFilters } from '../convert/filters.ts'
import { control, lookup } from '../convert/rpc-error.ts'
import { taskToJson } from '../convert/task.ts'
import { array, json } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'
import type { ControlBackend } from './control-backend.ts'

export type TasksBackend = Pick<ControlBackend, 'get' | 'list'>

const FILTERS = ['id', 'label', 'name', 'node', 'service', 'desired-state', 'runtime', '_up-to-date']

export function taskRoutes(backend: TasksBackend): readonly Route[] {
  return [
    route('GET', '/tasks', async ({ query, signal }) => {
      const filters = parseFilters(query.text('filters'), FILTERS)
      // Clients take it for granted that a listed task is a container.
      const resolved = { runtime: ['container'], ...filters, ...await resolveRefs(backend, filters, signal) }
      const tasks = await control(backend.list('task', resolved, signal))
      const networks = await networksOf(backend, tasks, signal)
      return array(tasks, task => taskToJson(task, networks))
    }),
    route('GET', '/tasks/{id}', async ({ params, signal }) => {
      const task = await lookup(backend.get('task', params.id ?? '', signal))
      return json(taskToJson(task, await networksOf(backend, [task], signal)))
    }),
  ]
}

/** Filters may name services and nodes; tasks know only their ids. A name of nothing stays as it is and matches nothing. */
async function resolveRefs(backend: TasksBackend, filters: Readonly<Record<string, readonly string[]>>, signal: AbortSignal): Promise<Readonly<Record<string, readonly string[]>>> {
  const out: Record<string, readonly string[]> = {}
  for (const kind of ['service', 'node'] as const) {
    const refs = filters[kind]
    if (refs === undefined) continue
    out[kind] = await Promise.all(refs.map(async ref => (await lookup(backend.get(kind, ref, signal))).id))
  }
  return out
}

async function networksOf(backend: TasksBackend, tasks: readonly Task[], signal: AbortSignal): Promise<ReadonlyMap<string, Network>> {
  if (tasks.every(({ networks }) => networks.length === 0)) return new Map()
  const networks = await control(backend.list('network', {}, signal))
  return new Map(networks.map(network => [network.id, network]))
}
