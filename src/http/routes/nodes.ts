import type { NodeSpec } from '../../api/engine/swarm-json.ts'
import { parseFilters } from '../convert/filters.ts'
import { nodeSpecFromJson, nodeToJson } from '../convert/node.ts'
import { objectVersion } from '../convert/object-version.ts'
import { control, lookup } from '../convert/rpc-error.ts'
import { NODE_SPEC } from '../json/swarm-shapes.ts'
import { array, empty, json } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'
import type { ControlBackend } from './control-backend.ts'

export type NodesBackend = Pick<ControlBackend, 'get' | 'list' | 'update' | 'remove'>

export function nodeRoutes(backend: NodesBackend): readonly Route[] {
  return [
    route('GET', '/nodes', async ({ query, signal }) => {
      const filters = parseFilters(query.text('filters'), ['id', 'label', 'node.label', 'membership', 'name', 'role'])
      return array(await control(backend.list('node', filters, signal)), nodeToJson)
    }),
    route('GET', '/nodes/{id}', async ({ params, signal }) => json(nodeToJson(await lookup(backend.get('node', params.id ?? '', signal))))),
    route('POST', '/nodes/{id}/update', async request => {
      const { params, query, signal } = request
      const version = objectVersion(query.text('version'), 'node')
      const spec = nodeSpecFromJson(await request.json<NodeSpec>(NODE_SPEC))
      const { id } = await lookup(backend.get('node', params.id ?? '', signal))
      await control(backend.update({ kind: 'node', id, version, spec }, signal))
      return empty(200)
    }),
    route('DELETE', '/nodes/{id}', async ({ params, query, signal }) => {
      const { id } = await lookup(backend.get('node', params.id ?? '', signal))
      await control(backend.remove('node', id, { force: query.flag('force') }, signal))
      return empty(200)
    }),
  ]
}
