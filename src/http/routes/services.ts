import type { ServiceSpec as ServiceSpecJson } from '../../api/engine/swarm-json.ts'
import type { ServiceSpec } from '../../api/swarm/specs.ts'
import { ShoalError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import { adjustForVersion } from '../convert/adjust-for-version.ts'
import { parseFilters } from '../convert/filters.ts'
import { objectVersion } from '../convert/object-version.ts'
import { randomName } from '../convert/random-name.ts'
import { control, lookup } from '../convert/rpc-error.ts'
import { serviceToJson } from '../convert/service.ts'
import { serviceSpecFromJson } from '../convert/service-spec.ts'
import { SERVICE_SPEC } from '../json/swarm-shapes.ts'
import type { ApiRequest } from '../server/api-request.ts'
import { isAtLeast } from '../server/api-version.ts'
import { array, empty, json, type Reply } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'
import type { ControlBackend } from './control-backend.ts'

export type ServicesBackend = Pick<ControlBackend, 'get' | 'list' | 'create' | 'update' | 'remove' | 'serviceStatuses'>

/** @param random names services that come without a name */
export function serviceRoutes(backend: ServicesBackend, random: Random): readonly Route[] {
  return [
    route('GET', '/services', request => list(backend, request)),
    route('POST', '/services/create', async request => {
      const spec = await readSpec(request, random)
      const { object, warnings } = await control(backend.create('service', spec, request.signal))
      return json({ ID: object.id, ...warnings.length === 0 ? {} : { Warnings: warnings } }, 201)
    }),
    route('GET', '/services/{id}', async ({ params, query, signal }) => {
      const withDefaults = readInsertDefaults(query.text('insertDefaults'))
      return json(serviceToJson(await lookup(backend.get('service', params.id ?? '', signal)), { withDefaults }))
    }),
    route('DELETE', '/services/{id}', async ({ params, signal }) => {
      const { id } = await lookup(backend.get('service', params.id ?? '', signal))
      await control(backend.remove('service', id, {}, signal))
      return empty(200)
    }),
    route('POST', '/services/{id}/update', request => update(backend, request, random)),
  ]
}

async function list(backend: ServicesBackend, { query, version, signal }: ApiRequest): Promise<Reply> {
  const filters = parseFilters(query.text('filters'), ['id', 'label', 'mode', 'name', 'runtime'])
  const services = await control(backend.list('service', filters, signal))
  if (!query.flag('status') || !isAtLeast(version, 41) || services.length === 0) return array(services, service => serviceToJson(service))
  const statuses = await control(backend.serviceStatuses(services.map(({ id }) => id), signal))
  const byId = new Map(statuses.map(status => [status.serviceId, status]))
  return array(services, service => serviceToJson(service, {
    status: byId.get(service.id) ?? { serviceId: service.id, runningTasks: 0, desiredTasks: 0, completedTasks: 0 },
  }))
}

async function update(backend: ServicesBackend, request: ApiRequest, random: Random): Promise<Reply> {
  const { params, query, signal } = request
  const version = objectVersion(query.text('version'), 'service')
  const rollback = query.text('rollback')
  if (!['', 'none', 'previous'].includes(rollback)) throw new ShoalError('invalid-argument', 'bad-parameter', `unrecognized rollback option ${rollback.slice(0, 100)}`)
  const registryAuthFrom = query.text('registryAuthFrom')
  if (registryAuthFrom !== '' && registryAuthFrom !== 'spec' && registryAuthFrom !== 'previous-spec') {
    throw new ShoalError('invalid-argument', 'bad-parameter', `unsupported registryAuthFrom value: ${registryAuthFrom.slice(0, 100)}`)
  }
  const spec = await readSpec(request, random)
  const { id } = await lookup(backend.get('service', params.id ?? '', signal))
  const isRollback = rollback === 'previous'
  const { warnings } = await control(backend.update({
    kind: 'service', id, version, registryAuthFrom, ...isRollback ? { rollback: true } : { spec },
  }, signal))
  return json(warnings.length === 0 ? {} : { Warnings: warnings })
}

/** The credentials of the header become part of the spec, where the nodes find them (B13). */
async function readSpec(request: ApiRequest, random: Random): Promise<ServiceSpec> {
  const body = adjustForVersion(await request.json<ServiceSpecJson>(SERVICE_SPEC), request.version)
  if (body.TaskTemplate?.PluginSpec !== undefined) throw new ShoalError('not-implemented', 'not-supported', 'services of plugins are not supported by shoal')
  const spec = serviceSpecFromJson({ ...body, Name: body.Name || randomName(random) })
  const registryAuth = request.header('x-registry-auth') ?? ''
  if (registryAuth === '' || spec.task?.container === undefined) return spec
  return { ...spec, task: { ...spec.task, container: { ...spec.task.container, registryAuth } } }
}

function readInsertDefaults(text: string): boolean {
  if (text === '') return false
  if (/^(1|t|true)$/i.test(text)) return true
  if (/^(0|f|false)$/i.test(text)) return false
  throw new ShoalError('invalid-argument', 'bad-parameter', `invalid value for insertDefaults: ${text.slice(0, 100)}`)
}
