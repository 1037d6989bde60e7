import type { SecretSpec } from '../../api/engine/swarm-json.ts'
import { parseFilters } from '../convert/filters.ts'
import { objectVersion } from '../convert/object-version.ts'
import { control, lookup } from '../convert/rpc-error.ts'
import { secretSpecFromJson, secretToJson } from '../convert/secret.ts'
import { SECRET_SPEC } from '../json/swarm-shapes.ts'
import { empty, json } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'
import type { ControlBackend } from './control-backend.ts'

export type SecretsBackend = Pick<ControlBackend, 'get' | 'list' | 'create' | 'update' | 'remove'>

export function secretRoutes(backend: SecretsBackend): readonly Route[] {
  return [
    route('GET', '/secrets', async ({ query, signal }) => {
      const filters = parseFilters(query.text('filters'), ['id', 'label', 'name', 'names'])
      return json((await control(backend.list('secret', filters, signal))).map(secretToJson))
    }),
    route('POST', '/secrets/create', async request => {
      const spec = secretSpecFromJson(await request.json<SecretSpec>(SECRET_SPEC))
      const { object } = await control(backend.create('secret', spec, request.signal))
      return json({ ID: object.id }, 201)
    }),
    route('GET', '/secrets/{id}', async ({ params, signal }) => json(secretToJson(await lookup(backend.get('secret', params.id ?? '', signal))))),
    route('POST', '/secrets/{id}/update', async request => {
      const { params, query, signal } = request
      const version = objectVersion(query.text('version'), 'secret')
      const spec = secretSpecFromJson(await request.json<SecretSpec>(SECRET_SPEC))
      const { id } = await lookup(backend.get('secret', params.id ?? '', signal))
      await control(backend.update({ kind: 'secret', id, version, spec }, signal))
      return empty(200)
    }),
    route('DELETE', '/secrets/{id}', async ({ params, signal }) => {
      const { id } = await lookup(backend.get('secret', params.id ?? '', signal))
      await control(backend.remove('secret', id, {}, signal))
      return empty(204)
    }),
  ]
}
