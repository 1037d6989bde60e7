import { parseFilters } from '../convert/filters.ts'
import { notSupported } from '../server/missing.ts'
import { json } from '../server/reply.ts'
import { route, type Method, type Route } from '../server/route.ts'

/** Parts of Docker's API that are left out on purpose: each says so, instead of "page not found". */
const REFUSED: readonly (readonly [Method, path: string, what: string])[] = [
  ['POST', '/build', 'building images; build elsewhere and bring the image with "docker load", as this'],
  ['POST', '/build/prune', 'a build cache'],
  ['POST', '/build/cancel', 'building images'],
  ['POST', '/session', 'a BuildKit session; building images'],
  ['POST', '/grpc', 'BuildKit; building images'],
  ['GET', '/plugins/privileges', 'a plugin'],
  ['POST', '/plugins/pull', 'a plugin'],
  ['POST', '/plugins/create', 'a plugin'],
  ['GET', '/plugins/{name...}/json', 'a plugin'],
  ['DELETE', '/plugins/{name...}', 'a plugin'],
  ['POST', '/plugins/{name...}/enable', 'a plugin'],
  ['POST', '/plugins/{name...}/disable', 'a plugin'],
  ['POST', '/plugins/{name...}/upgrade', 'a plugin'],
  ['POST', '/plugins/{name...}/push', 'a plugin'],
  ['POST', '/plugins/{name...}/set', 'a plugin'],
  ['GET', '/containers/{id}/checkpoints', 'a checkpoint'],
  ['POST', '/containers/{id}/checkpoints', 'a checkpoint'],
  ['DELETE', '/containers/{id}/checkpoints/{checkpoint}', 'a checkpoint'],
]

export function refusalRoutes(): readonly Route[] {
  return [
    route('GET', '/plugins', ({ query }) => {
      parseFilters(query.text('filters'), ['capability', 'enabled'])
      return json([])
    }),
    ...REFUSED.map(([method, path, what]) => route(method, path, () => { throw notSupported(what) })),
  ]
}
