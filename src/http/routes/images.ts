import type { Readable } from 'node:stream'
import type { ContainerConfig, ImageInspect, ImageSummary } from '../../api/engine/engine-json.ts'
import { ShoalError } from '../../base/errors.ts'
import { filterFlag, parseFilters, type Filters } from '../convert/filters.ts'
import { platformParameter } from '../convert/platform.ts'
import { completeImage, completeImageInspect } from '../convert/summaries.ts'
import { CONTAINER_CONFIG } from '../json/container-shapes.ts'
import type { ApiRequest } from '../server/api-request.ts'
import { isAtLeast } from '../server/api-version.ts'
import { supported } from '../server/missing.ts'
import { empty, json, progress, type Reply } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'

type Progress = AsyncIterable<Readonly<Record<string, unknown>>>
type Removed = readonly { readonly Untagged?: string; readonly Deleted?: string }[]

export interface PullRequest { readonly reference: string; readonly platform?: string; readonly registryAuth?: string; readonly allTags: boolean }
export interface PushRequest { readonly name: string; readonly tag?: string; readonly platform?: string; readonly registryAuth?: string }
export interface ImportRequest { readonly repository?: string; readonly tag?: string; readonly message?: string; readonly platform?: string; readonly changes: readonly string[] }
/** "os[/architecture[/variant]]": the image must be for it. */
export interface ForPlatform { readonly platform?: string }
export interface CommitRequest {
  readonly container: string; readonly repository?: string; readonly tag?: string; readonly comment?: string; readonly author?: string; readonly pause: boolean
  readonly changes: readonly string[]; readonly config?: ContainerConfig
}

/** Structurally the engine's Images. Optional methods answer 501 when they are missing. */
export interface ImagesBackend {
  inspect(ref: string, options?: ForPlatform): Promise<ImageInspect>
  list(options: { readonly all?: boolean; readonly filters?: Filters; readonly sharedSize?: boolean }): Promise<readonly ImageSummary[]>
  history(ref: string, options?: ForPlatform): Promise<readonly Readonly<Record<string, unknown>>[]>
  import(tar: Readable, options: ImportRequest): Promise<{ readonly id: string }>
  /** Imports from a URL, with lines of progress. */
  importFrom?(url: string, options: ImportRequest, signal?: AbortSignal): Progress
  load(tar: Readable, options: { readonly quiet: boolean; readonly platform?: string }, signal?: AbortSignal): Progress
  save(refs: readonly string[], options?: ForPlatform): Promise<Readable>
  tag(ref: string, repository: string, tag: string): Promise<void>
  remove(ref: string, options: { readonly force: boolean; readonly prune: boolean }): Promise<Removed>
  prune(filters: Filters): Promise<{ readonly ImagesDeleted: Removed; readonly SpaceReclaimed: number }>
  pull?(request: PullRequest, signal?: AbortSignal): Progress
  push?(request: PushRequest, signal?: AbortSignal): Progress
  commit?(request: CommitRequest): Promise<{ readonly Id: string }>
  /** A registry's index of version 1. */
  search?(request: { readonly term: string; readonly limit?: number; readonly filters: Filters; readonly registryAuth?: string }, signal?: AbortSignal): Promise<readonly Readonly<Record<string, unknown>>[]>
}

export function imageRoutes(backend: ImagesBackend): readonly Route[] {
  return [
    route('GET', '/images/json', async ({ query, version }) => {
      const given = parseFilters(query.text('filters'), ['before', 'dangling', 'label', 'label!', 'reference', 'since', 'until'])
      // What the filter "reference" was before it had a name.
      const old = isAtLeast(version, 41) ? undefined : query.optional('filter')
      const filters = old === undefined ? given : { ...given, reference: [...given['reference'] ?? [], old] }
      return json((await backend.list({ all: query.flag('all'), filters, sharedSize: query.flag('shared-size') })).map(image => completeImage(image, version)))
    }),
    route('GET', '/images/search', async request => {
      const { query, signal } = request
      const search = supported(backend.search, 'searching a registry')
      const filters = parseFilters(query.text('filters'), ['is-automated', 'is-official', 'stars'])
      return json(await search.call(backend, { term: query.text('term'), filters, ...given('limit', query.integer('limit')), ...given('registryAuth', request.header('x-registry-auth')) }, signal))
    }),
    route('GET', '/images/get', async ({ query }) => tar(await backend.save(query.all('names').flatMap(names => names.split(',')), given('platform', platformParameter(query))))),
    route('GET', '/images/{name...}/json', async ({ params, query, version }) => json(completeImageInspect(await backend.inspect(params.name ?? '', given('platform', platformParameter(query))), version))),
    route('GET', '/images/{name...}/history', async ({ params, query }) => json(await backend.history(params.name ?? '', given('platform', platformParameter(query))))),
    route('GET', '/images/{name...}/get', async ({ params, query }) => tar(await backend.save([params.name ?? ''], given('platform', platformParameter(query))))),
    route('POST', '/images/create', request => create(backend, request)),
    route('POST', '/images/load', ({ body, query, signal }) => progress(backend.load(body, { quiet: query.flag('quiet', true), ...given('platform', platformParameter(query)) }, signal))),
    route('POST', '/images/prune', async ({ query }) => {
      const filters = parseFilters(query.text('filters'), ['dangling', 'label', 'label!', 'until'])
      filterFlag(filters, 'dangling')
      const { ImagesDeleted, SpaceReclaimed } = await backend.prune(filters)
      return json({ ImagesDeleted: ImagesDeleted.length === 0 ? null : ImagesDeleted, SpaceReclaimed })
    }),
    route('POST', '/images/{name...}/tag', async ({ params, query }) => {
      await backend.tag(params.name ?? '', query.text('repo'), query.text('tag') || 'latest')
      return empty(201)
    }),
    route('POST', '/images/{name...}/push', request => {
      const push = supported(backend.push, 'pushing to a registry')
      const { params, query, signal, version } = request
      return begun(push.call(backend, { name: params.name ?? '', ...given('tag', query.optional('tag')), ...given('platform', isAtLeast(version, 46) ? platformParameter(query) : undefined), ...given('registryAuth', request.header('x-registry-auth')) }, signal))
    }),
    route('DELETE', '/images/{name...}', async ({ params, query }) => json(await backend.remove(params.name ?? '', { force: query.flag('force'), prune: !query.flag('noprune') }))),
    route('POST', '/commit', request => commit(backend, request)),
  ]
}

/** fromSrc imports a file system, fromImage pulls. */
async function create(backend: ImagesBackend, request: ApiRequest): Promise<Reply> {
  const { query, body, signal } = request
  const source = query.optional('fromSrc')
  if (source !== undefined) {
    const [repository, tag] = splitTag(query.text('repo'), query.text('tag'))
    const options = { ...given('repository', repository), ...given('tag', tag), ...given('message', query.optional('message')), ...given('platform', query.optional('platform')), changes: query.all('changes') }
    if (source !== '-') return begun(supported(backend.importFrom, 'importing an image from a URL', 'download it and use "docker import -"').call(backend, source, options, signal))
    const { id } = await backend.import(body, options)
    return progress(once({ status: id }))
  }
  // A colon at the end is how some clients ask for all tags.
  const image = query.text('fromImage').replace(/:$/, '')
  if (image === '') throw new ShoalError('invalid-argument', 'bad-parameter', 'one of fromImage and fromSrc is required')
  const pull = supported(backend.pull, 'pulling from a registry', 'bring the image with "docker load" or "docker import"')
  const tag = query.text('tag')
  const reference = tag === '' ? image : `${image}${tag.includes(':') ? '@' : ':'}${tag}`
  // A name without anything behind it means all of its tags: the CLI adds "latest" itself.
  const allTags = tag === '' && !/[:@][^/]*$/.test(image)
  return begun(pull.call(backend, { reference, allTags, ...given('platform', query.optional('platform')), ...given('registryAuth', request.header('x-registry-auth')) }, signal))
}

async function commit(backend: ImagesBackend, request: ApiRequest): Promise<Reply> {
  const run = supported(backend.commit, 'making an image from a container')
  const { query } = request
  const config = await request.optionalJson<ContainerConfig>(CONTAINER_CONFIG)
  const result = await run.call(backend, {
    container: query.text('container'), pause: query.flag('pause', true), changes: query.all('changes'), ...given('repository', query.optional('repo')),
    ...given('tag', query.optional('tag')), ...given('comment', query.optional('comment')), ...given('author', query.optional('author')), ...given('config', config),
  })
  return json(result, 201)
}

/** Clients send "name:tag" in repo, or the tag beside it. */
function splitTag(repo: string, tag: string): readonly [string | undefined, string | undefined] {
  if (repo === '') return [undefined, undefined]
  const colon = repo.lastIndexOf(':')
  if (tag !== '' || colon < 0 || repo.indexOf('/', colon) >= 0) return [repo, tag || undefined]
  return [repo.slice(0, colon), repo.slice(colon + 1)]
}

function tar(stream: Readable): Reply {
  return { kind: 'stream', contentType: 'application/x-tar', stream }
}

function given<K extends string, V>(name: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : { [name]: value } as { readonly [P in K]?: V }
}

/** Until the first line there is still a status to answer with. */
async function begun(lines: Progress): Promise<Reply> {
  const iterator = lines[Symbol.asyncIterator]()
  const first = await iterator.next()
  return progress((async function* () {
    try {
      for (let next = first; next.done !== true; next = await iterator.next()) yield next.value
    } finally {
      await iterator.return?.()
    }
  })())
}

async function* once(value: unknown): AsyncIterable<unknown> { yield value }
