import type {
  ContainerConfig, ContainerCreateResponse, ContainerInspectResponse, ContainerSummary, ContainerWaitResponse, HostConfig, NetworkingConfig,
} from '../../api/engine/engine-json.ts'
import type { WaitCondition } from '../../api/engine/engine-calls.ts'
import { ShoalError } from '../../base/errors.ts'
import { parseFilters, type Filters } from '../convert/filters.ts'
import { completeContainer } from '../convert/summaries.ts'
import { CONTAINER_CREATE, CONTAINER_UPDATE } from '../json/container-shapes.ts'
import type { ApiRequest } from '../server/api-request.ts'
import { isAtLeast } from '../server/api-version.ts'
import { supported } from '../server/missing.ts'
import { empty, json, nullIfEmpty, type Reply } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'
import { terminalSize } from './terminal-size.ts'

export interface StopOptions { readonly signal?: string; readonly timeoutSeconds?: number }
/** Body of POST /containers/{id}/update. */
export type ContainerUpdate = Partial<HostConfig>

/** Structurally the engine's Containers. Optional methods answer 501 when they are missing. */
export interface ContainersBackend {
  create(request: { readonly name?: string; readonly config: ContainerConfig; readonly hostConfig?: HostConfig; readonly networkingConfig?: NetworkingConfig; readonly platform?: string; readonly shallowReadOnly?: boolean }): Promise<{ readonly Id: string; readonly Warnings: readonly string[] }>
  start(ref: string): Promise<void>
  stop(ref: string, options?: StopOptions): Promise<void>
  restart(ref: string, options?: StopOptions): Promise<void>
  kill(ref: string, signal?: string): Promise<void>
  pause(ref: string): Promise<void>
  unpause(ref: string): Promise<void>
  rename(ref: string, name: string): Promise<void>
  resize(ref: string, size: { readonly height: number; readonly width: number }): Promise<void>
  remove(ref: string, options?: { readonly force?: boolean; readonly volumes?: boolean }): Promise<void>
  removeLink?(ref: string): Promise<void>
  inspect(ref: string, options?: { readonly size?: boolean }): Promise<ContainerInspectResponse>
  list(options: { readonly all?: boolean; readonly limit?: number; readonly size?: boolean; readonly filters?: Filters }): Promise<readonly ContainerSummary[]>
  wait(ref: string, condition: WaitCondition, signal?: AbortSignal): Promise<{ readonly result: Promise<ContainerWaitResponse> }>
  top(ref: string, psArgs?: string): Promise<{ readonly Titles: readonly string[]; readonly Processes: readonly (readonly string[])[] }>
  stats(ref: string, options: { readonly stream: boolean; readonly oneShot: boolean }, signal?: AbortSignal): AsyncIterable<Readonly<Record<string, unknown>>>
  prune(filters: Filters): Promise<{ readonly ContainersDeleted: readonly string[]; readonly SpaceReclaimed: number }>
  update?(ref: string, changes: ContainerUpdate): Promise<{ readonly Warnings: readonly string[] }>
}

const LIST_FILTERS = [
  'ancestor', 'before', 'exited', 'expose', 'health', 'id', 'is-task', 'isolation', 'label', 'label!', 'name', 'network', 'publish', 'since', 'status', 'volume',
]

/** Life and listing; streams are in container-streams.ts, files in container-files.ts. */
export function containerRoutes(backend: ContainersBackend): readonly Route[] {
  return [
    route('GET', '/containers/json', async ({ query }) => json((await backend.list({
      all: query.flag('all'), size: query.flag('size'), ...limitOf(query.integer('limit')),
      filters: withLegacy(parseFilters(query.text('filters'), LIST_FILTERS), { since: query.optional('since'), before: query.optional('before') }),
    })).map(completeContainer))),
    route('POST', '/containers/create', request => create(backend, request)),
    route('POST', '/containers/prune', async ({ query }) => prune(await backend.prune(parseFilters(query.text('filters'), ['until', 'label', 'label!'])))),
    route('GET', '/containers/{id}/json', async ({ params, query }) => json(await backend.inspect(params.id ?? '', { size: query.flag('size') }))),
    route('GET', '/containers/{id}/top', async ({ params, query }) => json(await backend.top(params.id ?? '', query.optional('ps_args')))),
    route('GET', '/containers/{id}/stats', request => stats(backend, request)),
    route('POST', '/containers/{id}/start', act(request => backend.start(idOf(request)))),
    route('POST', '/containers/{id}/stop', act(request => backend.stop(idOf(request), stopOptions(request)))),
    route('POST', '/containers/{id}/restart', act(request => backend.restart(idOf(request), stopOptions(request)))),
    route('POST', '/containers/{id}/kill', act(request => backend.kill(idOf(request), request.query.optional('signal')))),
    route('POST', '/containers/{id}/pause', act(request => backend.pause(idOf(request)))),
    route('POST', '/containers/{id}/unpause', act(request => backend.unpause(idOf(request)))),
    route('POST', '/containers/{id}/rename', act(request => backend.rename(idOf(request), request.query.text('name')))),
    route('POST', '/containers/{id}/resize', async request => {
      await backend.resize(idOf(request), terminalSize(request.query))
      return empty(200)
    }),
    route('POST', '/containers/{id}/wait', request => wait(backend, request)),
    route('POST', '/containers/{id}/update', async request => {
      const update = supported(backend.update, 'changing the limits of a container')
      return json({ Warnings: nullIfEmpty((await update.call(backend, idOf(request), await request.json<ContainerUpdate>(CONTAINER_UPDATE))).Warnings) })
    }),
    route('DELETE', '/containers/{id}', act(request => {
      if (request.query.flag('link')) return supported(backend.removeLink, 'removing a link between containers').call(backend, idOf(request))
      return backend.remove(idOf(request), { force: request.query.flag('force'), volumes: request.query.flag('v') })
    })),
  ]
}

async function create(backend: ContainersBackend, request: ApiRequest): Promise<Reply> {
  const { HostConfig: hostConfig, NetworkingConfig: networkingConfig, ...config } =
    await request.json<ContainerConfig & { HostConfig?: HostConfig; NetworkingConfig?: NetworkingConfig }>(CONTAINER_CREATE)
  if (Object.keys(config).length === 0) throw new ShoalError('invalid-argument', 'bad-parameter', 'config cannot be empty in order to create a container')
  try {
    const { Id, Warnings } = await backend.create({
      config, ...named(request.query.optional('name')), ...platformOf(request.query.optional('platform')),
      ...hostConfig === undefined ? {} : { hostConfig },
      ...(isAtLeast(request.version, 44) ? {} : { shallowReadOnly: true }), ...networkingConfig === undefined ? {} : { networkingConfig },
    })
    return json({ Id, Warnings } satisfies ContainerCreateResponse, 201)
  } catch (error) {
    throw onlyImageMissing(error)
  }
}

/** Clients take 404 here for a missing image and pull it; a missing network or container must not look like that. */
function onlyImageMissing(error: unknown): unknown {
  if (!(error instanceof ShoalError) || error.kind !== 'not-found' || error.code === 'no-such-image') return error
  return new ShoalError('invalid-argument', error.code, error.message, { cause: error })
}

async function wait(backend: ContainersBackend, request: ApiRequest): Promise<Reply> {
  const condition = request.query.text('condition') || 'not-running'
  if (condition !== 'not-running' && condition !== 'next-exit' && condition !== 'removed') {
    throw new ShoalError('invalid-argument', 'bad-parameter', `invalid condition: "${condition.slice(0, 100)}"`)
  }
  const { result } = await backend.wait(idOf(request), condition, request.signal)
  return { kind: 'later', body: result }
}

async function stats(backend: ContainersBackend, request: ApiRequest): Promise<Reply> {
  const stream = request.query.flag('stream', true)
  const values = backend.stats(idOf(request), { stream, oneShot: request.query.flag('one-shot') }, request.signal)
  const iterator = values[Symbol.asyncIterator]()
  // The first value decides on the status: an unknown container must be a 404, not a broken stream.
  const first = await iterator.next()
  return { kind: 'lines', values: resumed(first, iterator), progress: false }
}

async function* resumed<T>(first: IteratorResult<T>, rest: AsyncIterator<T>): AsyncIterable<T> {
  try {
    for (let next = first; next.done !== true; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}

function prune({ ContainersDeleted, SpaceReclaimed }: Awaited<ReturnType<ContainersBackend['prune']>>): Reply {
  return json({ ContainersDeleted: nullIfEmpty(ContainersDeleted), SpaceReclaimed })
}

function act(work: (request: ApiRequest) => Promise<void>): (request: ApiRequest) => Promise<Reply> {
  return async request => {
    await work(request)
    return empty(204)
  }
}

function idOf({ params }: ApiRequest): string { return params.id ?? '' }

function stopOptions({ query }: ApiRequest): StopOptions {
  const signal = query.optional('signal')
  const timeoutSeconds = query.integer('t')
  return { ...signal === undefined ? {} : { signal }, ...timeoutSeconds === undefined ? {} : { timeoutSeconds } }
}

function limitOf(limit: number | undefined): { readonly limit?: number } {
  return limit === undefined || limit <= 0 ? {} : { limit }
}

function named(name: string | undefined): { readonly name?: string } {
  return name === undefined ? {} : { name }
}

function platformOf(platform: string | undefined): { readonly platform?: string } {
  return platform === undefined || platform === '' ? {} : { platform }
}

function withLegacy(filters: Filters, legacy: Readonly<Record<string, string | undefined>>): Filters {
  const added = Object.entries(legacy).flatMap(([name, value]) => value === undefined ? [] : [[name, [value]] as const])
  return { ...filters, ...Object.fromEntries(added) }
}
