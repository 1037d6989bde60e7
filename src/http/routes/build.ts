import type { Readable } from 'node:stream'
import type { BuildCacheRecord, BuildMessage, BuildRequest } from '../../api/engine/build-request.ts'
import type { HostConfig } from '../../api/engine/engine-json.ts'
import { ShoalError } from '../../base/errors.ts'
import { parseFilters, type Filters } from '../convert/filters.ts'
import { ULIMITS } from '../json/container-shapes.ts'
import { map, shaped, STRINGS, type Shape } from '../json/shape.ts'
import type { ApiRequest } from '../server/api-request.ts'
import { notSupported, supported } from '../server/missing.ts'
import type { Query } from '../server/query.ts'
import { empty, json, progress } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'

/** Structurally the engine's Builder. */
export interface BuildBackend {
  build(request: BuildRequest, context: Readable, signal: AbortSignal): AsyncIterable<BuildMessage>
  cancel(buildId: string): Promise<void>
  prune(options: { readonly all: boolean; readonly keepBytes: number; readonly filters: Filters }): Promise<{ readonly CachesDeleted: readonly string[] | null; readonly SpaceReclaimed: number }>
  usage(): Promise<readonly BuildCacheRecord[]>
}

/** Where `shoal build` puts secrets: JSON of id to base64, as base64. A header reaches neither the context nor a log. */
export const SECRETS_HEADER = 'x-shoal-build-secrets'
const WAY_OUT = 'set DOCKER_BUILDKIT=0 (and COMPOSE_DOCKER_CLI_BUILD=0) to build without BuildKit, or use "shoal build"'

export function buildRoutes(backend: BuildBackend | undefined): readonly Route[] {
  const builder = (): BuildBackend => supported(backend, 'building images', 'build elsewhere and bring the image with "docker load"')
  return [
    route('POST', '/build', async request => {
      const { query, body, signal } = request
      if (query.text('version') === '2') throw notSupported('BuildKit (version=2)', WAY_OUT)
      if (query.text('outputs') !== '' && query.text('outputs') !== 'null') throw notSupported('build outputs other than an image', WAY_OUT)
      const messages = builder().build(buildRequest(request), body, signal)[Symbol.asyncIterator]()
      // What is wrong with the request has a status of its own as long as nothing is sent.
      const first = await messages.next()
      return progress(continued(first, messages))
    }),
    route('POST', '/build/cancel', async ({ query }) => {
      await builder().cancel(query.text('id'))
      return empty(200)
    }),
    route('POST', '/build/prune', async ({ query }) => {
      const filters = parseFilters(query.text('filters'), ['description', 'id', 'inuse', 'label', 'label!', 'parent', 'private', 'shared', 'type', 'until', 'unused-for'])
      const { until, id, 'unused-for': unusedFor } = filters
      const keepBytes = query.integer('reserved-space') ?? query.integer('keep-storage') ?? 0
      return json(await builder().prune({ all: query.flag('all'), keepBytes, filters: { ...(until === undefined ? {} : { until }), ...(id === undefined ? {} : { id }), ...(unusedFor === undefined ? {} : { 'unused-for': unusedFor }) } }))
    }),
    route('POST', '/session', () => { throw notSupported('a BuildKit session', WAY_OUT) }),
    route('POST', '/grpc', () => { throw notSupported('BuildKit', WAY_OUT) }),
  ]
}

/** @throws `bad-parameter`, `bad-header` (invalid-argument), `not-supported` */
export function buildRequest(request: Pick<ApiRequest, 'query' | 'header'>): BuildRequest {
  const { query } = request
  if (query.flag('squash')) throw new ShoalError('invalid-argument', 'bad-parameter', 'squash is only supported with experimental mode; build in two stages and copy the result into the second')
  if (query.all('securityopt').some(option => option !== '' && option !== 'null' && option !== '[]')) throw new ShoalError('invalid-argument', 'bad-parameter', 'The daemon on this platform does not support setting security options on build')
  const isolation = query.text('isolation')
  if (isolation !== '' && isolation !== 'default') throw new ShoalError('invalid-argument', 'bad-parameter', `Unsupported isolation: "${isolation}"`)
  const remote = query.optional('remote')
  const alwaysRemove = query.flag('forcerm')
  return {
    dockerfile: query.text('dockerfile'), tags: query.all('t').filter(tag => tag !== ''), ...(remote === undefined ? {} : { remote }),
    quiet: query.flag('q'), noCache: query.flag('nocache'), pull: query.flag('pull'),
    cacheFrom: fromJson<readonly string[]>(query, 'cachefrom', STRINGS) ?? [],
    removeContainers: alwaysRemove || query.text('rm') === '' || query.flag('rm'), alwaysRemoveContainers: alwaysRemove,
    buildArgs: buildArgs(query),
    labels: fromJson<Readonly<Record<string, string>>>(query, 'labels', map('string')) ?? {},
    target: query.text('target'), platform: query.text('platform'), buildId: query.text('buildid'),
    hostConfig: hostConfig(query), registryAuth: registryAuth(request.header('x-registry-config')), secrets: secrets(request.header(SECRETS_HEADER)),
  }
}

/** Null is what a client has no value for. */
function buildArgs(query: Query): Readonly<Record<string, string | undefined>> {
  const given = fromJson<Readonly<Record<string, unknown>>>(query, 'buildargs', map('any')) ?? {}
  return Object.fromEntries(Object.entries(given).map(([name, value]) => {
    if (typeof value !== 'string' && value !== null && value !== undefined) throw new ShoalError('invalid-argument', 'bad-parameter', `error reading build args: ${name} must be a text`)
    return [name, value ?? undefined]
  }))
}

function hostConfig(query: Query): Partial<HostConfig> {
  const numbers = {
    Memory: query.integer('memory'), MemorySwap: query.integer('memswap'), CpuShares: query.integer('cpushares'), CpuPeriod: query.integer('cpuperiod'),
    CpuQuota: query.integer('cpuquota'), ShmSize: query.integer('shmsize'),
  }
  const texts = { CpusetCpus: query.text('cpusetcpus'), CpusetMems: query.text('cpusetmems'), CgroupParent: query.text('cgroupparent'), NetworkMode: query.text('networkmode') }
  const ulimits = fromJson<HostConfig['Ulimits']>(query, 'ulimits', ULIMITS)
  const hosts = query.all('extrahosts').flatMap(text => text.startsWith('[') ? parsed<readonly string[]>(text, 'extrahosts', STRINGS) : [text]).filter(host => host !== '' && host !== 'null')
  return {
    ...Object.fromEntries(Object.entries({ ...numbers, ...texts }).filter(([, value]) => value !== undefined && value !== '' && value !== 0)),
    ...(hosts.length === 0 ? {} : { ExtraHosts: hosts }), ...(ulimits === undefined ? {} : { Ulimits: ulimits }),
  }
}

function fromJson<T>(query: Query, name: string, shape: Shape): T | undefined {
  const text = query.text(name)
  return text === '' || text === 'null' ? undefined : parsed<T>(text, name, shape)
}

function parsed<T>(text: string, name: string, shape: Shape): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'bad-parameter', `error reading ${name === 'buildargs' ? 'build args' : name}: it is not JSON`, { cause })
  }
  return shaped(shape, value) as T
}

/** X-Registry-Config: {"registry": {username, password, …}} in base64. Each becomes what X-Registry-Auth is for one pull. */
function registryAuth(text: string | undefined): Readonly<Record<string, string>> {
  if (text === undefined || text === '') return {}
  return Object.fromEntries(Object.entries(headerJson(text, 'X-Registry-Config')).map(([host, auth]) => [host, Buffer.from(JSON.stringify(auth)).toString('base64url')]))
}

function secrets(text: string | undefined): ReadonlyMap<string, Uint8Array> {
  if (text === undefined || text === '') return new Map()
  return new Map(Object.entries(headerJson(text, 'X-Shoal-Build-Secrets')).map(([id, contents]) => [id, Buffer.from(String(contents), 'base64')]))
}

/** The message tells nothing of what is in the header. */
function headerJson(text: string, name: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(text, 'base64').toString('utf8'))
  } catch {
    value = undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ShoalError('invalid-argument', 'bad-header', `the header ${name} is not base64 of a JSON object`)
  return value as Readonly<Record<string, unknown>>
}

async function* continued<T>(first: IteratorResult<T>, rest: AsyncIterator<T>): AsyncIterable<T> {
  try {
    for (let next = first; next.done !== true; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}
