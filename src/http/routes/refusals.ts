import { ShoalError } from '../../base/errors.ts'
import { parseFilters } from '../convert/filters.ts'
import type { ApiRequest } from '../server/api-request.ts'
import { notSupported } from '../server/missing.ts'
import { json } from '../server/reply.ts'
import { route, type Method, type Route } from '../server/route.ts'

const PLUGINS_INSTEAD = 'run a volume plugin yourself; it is found by its socket in /run/docker/plugins'

/** Parts of Docker's API that are left out on purpose: each says so, instead of "page not found". */
const REFUSED: readonly (readonly [Method, path: string, what: string, instead?: string])[] = [
  ['GET', '/plugins/privileges', 'installing plugins', PLUGINS_INSTEAD],
  ['POST', '/plugins/pull', 'installing plugins', PLUGINS_INSTEAD],
  ['POST', '/plugins/create', 'creating plugins', PLUGINS_INSTEAD],
  ['GET', '/containers/{id}/checkpoints', 'checkpointing containers'],
  ['POST', '/containers/{id}/checkpoints', 'checkpointing containers'],
  ['DELETE', '/containers/{id}/checkpoints/{checkpoint}', 'checkpointing containers'],
]
const ON_ONE_PLUGIN: readonly (readonly [Method, path: string])[] = [
  ['GET', '/plugins/{name...}/json'], ['DELETE', '/plugins/{name...}'], ['POST', '/plugins/{name...}/enable'], ['POST', '/plugins/{name...}/disable'],
  ['POST', '/plugins/{name...}/upgrade'], ['POST', '/plugins/{name...}/push'], ['POST', '/plugins/{name...}/set'],
]

/** What is truthfully empty (plugins) answers as empty, so that `docker inspect` and `docker system prune` go on. */
export function refusalRoutes(): readonly Route[] {
  return [
    route('GET', '/plugins', ({ query }) => {
      parseFilters(query.text('filters'), ['capability', 'enabled'])
      return json([])
    }),
    ...ON_ONE_PLUGIN.map(([method, path]) => route(method, path, noPlugin)),
    ...REFUSED.map(([method, path, what, instead]) => route(method, path, () => { throw notSupported(what, instead) })),
  ]
}

function noPlugin({ params }: ApiRequest): never {
  throw new ShoalError('not-found', 'no-such-plugin', `plugin "${params.name ?? ''}" not found`)
}
