import type { ConfigSpec } from '../../api/engine/swarm-json.ts'
import { parseFilters } from '../convert/filters.ts'
import { objectVersion } from '../convert/object-version.ts'
import { control, lookup } from '../convert/rpc-error.ts'
import { configSpecFromJson, configToJson } from '../convert/secret.ts'
import { CONFIG_SPEC } from '../json/swarm-shapes.ts'
import { empty, json } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'
import type { ControlBackend } from './control-backend.ts'

export type ConfigsBackend = Pick<ControlBackend, 'get' | 'list' | 'create' | 'update' | 'remove'>

export function configRoutes(backend: ConfigsBackend): readonly Route[] {
  return [
    route('GET', '/configs', async ({ query, signal }) => {
      const filters = parseFilters(query.text('filters'), ['id', 'label', 'name'])
      return json((await control(backend.list('config', filters, signal))).map(configToJson))
    }),
    route('POST', '/configs/create', async request => {
      const spec = configSpecFromJson(await request.json<ConfigSpec>(CONFIG_SPEC))
      const { object } = await control(backend.create('config', spec, request.signal))
      return json({ ID: object.id }, 201)
    }),
    route('GET', '/configs/{id}', async ({ params, signal }) => json(configToJson(await lookup(backend.get('config', params.id ?? '', signal))))),
    route('POST', '/configs/{id}/update', async request => {
      const { params, query, signal } = request
      const version = objectVersion(query.text('version'), 'config')
      const spec = configSpecFromJson(await request.json<ConfigSpec>(CONFIG_SPEC))
      const { id } = await lookup(backend.get('config', params.id ?? '', signal))
      await control(backend.update({ kind: 'config', id, version, spec }, signal))
      return empty(200)
    }),
    route('DELETE', '/configs/{id}', async ({ params, signal }) => {
      const { id } = await lookup(backend.get('config', params.id ?? '', signal))
      await control(backend.remove('config', id, {}, signal))
      return empty(204)
    }),
  ]
}
