import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { BuildCacheRecord, BuildMessage, BuildRequest } from '../../../src/api/engine/build-request.ts'
import { hasCode, messageOf, ShoalError } from '../../../src/base/errors.ts'
import { createHexId } from '../../../src/base/ids.ts'
import type { Builder, Filters } from '../engine.ts'
import { checkFilters, untilMs } from '../filters.ts'
import { familiarKey, parseReference, referenceKey } from '../image/image-reference.ts'
import { Build } from './build.ts'
import { BuildArguments } from './build-arguments.ts'
import { BuildCache } from './build-cache.ts'
import { receiveContext, takeDockerfile, type BuildContext } from './build-context.ts'
import { planBuild } from './build-plan.ts'
import type { BuilderParts, BuildSession } from './build-session.ts'
import { CacheMounts } from './cache-mounts.ts'
import type { Instruction } from './instruction.ts'
import { parseDockerfile, type ParsedDockerfile } from './parse-dockerfile.ts'
import { receiveRemote } from './remote-context.ts'
import { CommandFailed } from './run-step.ts'

/** Builds at once; the next ones are refused, since each may hold a context and a container. */
const BUILDS_MAX = 64

/** Builds images from Dockerfiles, step by step, above the engine's containers and images. */
export class LocalBuilder implements Builder {
  readonly #parts: BuilderParts
  readonly #caches: CacheMounts
  readonly #running = new Map<string, AbortController>()
  readonly #builds = new Map<string, Build>()

  constructor(parts: BuilderParts) {
    this.#parts = parts
    this.#caches = new CacheMounts(join(parts.root, 'cache'), parts.clock)
  }

  get #markers(): string { return join(this.#parts.root, 'running') }
  get #secrets(): string { return join(this.#parts.root, 'secrets') }

  /** Removes what builds left that ended with the daemon. After the engine's own restore. */
  async restore(): Promise<void> {
    const { containers, kernel } = this.#parts
    await mkdir(this.#markers, { recursive: true, mode: 0o700 })
    for (const mount of kernel.mounts.under(this.#secrets)) await kernel.mounts.unmount(mount)
    await rm(this.#secrets, { recursive: true, force: true })
    await this.#caches.open()
    const tokens = new Set(await readdir(this.#markers))
    if (tokens.size === 0) return
    for (const container of await containers.list({ all: true })) {
      const name = container.Names?.[0]?.slice(1) ?? ''
      if (tokens.has(name.replace(/-\d+$/, ''))) await containers.remove(name, { force: true, volumes: true })
    }
    for (const token of tokens) await rm(join(this.#markers, token), { force: true })
  }

  async *build(request: BuildRequest, body: Readable, signal: AbortSignal): AsyncGenerator<BuildMessage, void> {
    if (this.#running.size >= BUILDS_MAX) throw new ShoalError('resource-exhausted', 'too-many-builds', `${BUILDS_MAX} builds are running; wait for one to end`)
    const tags = [...new Set(request.tags.map(tag => referenceKey(parseReference(tag))))]
    const token = `build-${createHexId(this.#parts.random).slice(0, 12)}`
    const cancel = new AbortController()
    this.#running.set(request.buildId === '' ? token : request.buildId, cancel)
    const ending = AbortSignal.any([signal, cancel.signal])
    try {
      await using context = await this.#receive(request, body, ending)
      const quiet: BuildMessage[] = []
      try {
        for await (const message of this.#messages(request, { context, tags, token, signal: ending })) {
          if (isResult(message)) { if (request.quiet) yield { stream: message.result } }
          else if (!request.quiet) yield message
          else if ('error' in message) yield* [...quiet, message]
          else quiet.push(message)
        }
      } catch (error) {
        if (quiet.length > 0) yield* quiet
        throw error
      }
    } catch (error) {
      throw ending.aborted ? ending.reason : error
    } finally {
      this.#running.delete(request.buildId === '' ? token : request.buildId)
    }
  }

  /** The name of a build that needs this image, if there is one. */
  userOf(imageId: string): string | undefined { return [...this.#builds].find(([, build]) => build.isUsing(imageId))?.[0] }

  async cancel(buildId: string): Promise<void> {
    this.#running.get(buildId)?.abort(new ShoalError('cancelled', 'build-cancelled', 'build cancelled'))
    await Promise.resolve()
  }

  async prune(options: { readonly all: boolean; readonly keepBytes: number; readonly filters: Filters }): Promise<{ readonly CachesDeleted: readonly string[] | null; readonly SpaceReclaimed: number }> {
    const { filters } = options
    checkFilters(filters, ['until', 'id', 'unused-for', 'label', 'label!'])
    // A prune of everything by label asks for this too; no cache has one.
    if (filters['label'] !== undefined) return { CachesDeleted: null, SpaceReclaimed: 0 }
    const until = filters['until']?.[0] ?? filters['unused-for']?.[0]
    const nowMs = this.#parts.clock.nowMs()
    const { ids, bytes } = await this.#caches.prune({ keepBytes: options.keepBytes, unusedSinceMs: until === undefined ? Infinity : untilMs(until, nowMs), ...(filters['id'] === undefined ? {} : { ids: filters['id'] }) })
    return { CachesDeleted: ids.length === 0 ? null : ids, SpaceReclaimed: bytes }
  }

  usage(): Promise<readonly BuildCacheRecord[]> { return this.#caches.list() }

  /** No context is read when the request names one elsewhere. */
  async #receive(request: BuildRequest, body: Readable, signal: AbortSignal): Promise<BuildContext> {
    const contextParts = { layers: this.#parts.store.layers, kernel: this.#parts.kernel }
    if (request.remote === undefined) return receiveContext(body, contextParts)
    body.resume()
    return receiveRemote(request.remote, request.dockerfile, contextParts, signal)
  }

  async *#messages(request: BuildRequest, given: { readonly context: BuildContext; readonly tags: readonly string[]; readonly token: string; readonly signal: AbortSignal }): AsyncGenerator<BuildMessage | Result, void> {
    const { store, architecture, images } = this.#parts
    const { dockerfile, instructions } = planOf(await takeDockerfile(given.context.root, request.dockerfile), request)
    const buildArgs = new Map(Object.entries(request.buildArgs).filter((entry): entry is [string, string] => entry[1] !== undefined))
    const args = new BuildArguments(buildArgs, architecture)
    const scratch = await store.layers.temporaryDirectory()
    await writeMarker(join(this.#markers, given.token))
    let steps = 0
    const session: BuildSession = {
      parts: this.#parts, request, args, scratch, caches: this.#caches, cache: new BuildCache(store, architecture, request.cacheFrom), escape: dockerfile.escape,
      contextRoot: given.context.root, token: given.token, signal: given.signal, next: () => ++steps,
    }
    try {
      for (const warning of dockerfile.warnings) yield { stream: `\u001b[91m${warning}\u001b[0m` }
      const build = new Build(session)
      this.#builds.set(given.token, build)
      yield* build.run(instructions)
      const unused = args.unused()
      if (unused.length > 0) yield { stream: `[Warning] One or more build-args [${unused.join(' ')}] were not consumed\n` }
      if (build.imageId === '') throw new ShoalError('invalid-argument', 'no-result', 'No image was generated. Is your Dockerfile empty?')
      yield { stream: `Successfully built ${build.imageId.slice(7, 19)}\n` }
      for (const key of given.tags) {
        const colon = key.lastIndexOf(':')
        await images.tag(build.imageId, key.slice(0, colon), key.slice(colon + 1))
        yield { stream: `Successfully tagged ${familiarKey(key)}\n` }
      }
      yield { result: `${build.imageId}\n` }
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error
      yield { errorDetail: { code: error.exitCode, message: error.message }, error: error.message }
    } finally {
      this.#builds.delete(given.token)
      await rm(scratch, { recursive: true, force: true })
      await rm(join(this.#markers, given.token), { force: true })
    }
  }
}

function planOf(text: string, request: BuildRequest): { readonly dockerfile: ParsedDockerfile; readonly instructions: readonly Instruction[] } {
  try {
    const dockerfile = parseDockerfile(text)
    return { dockerfile, instructions: planBuild(dockerfile, request) }
  } catch (error) {
    if (!hasCode(error, 'bad-dockerfile') || request.dockerfile === '') throw error
    throw new ShoalError('invalid-argument', 'bad-dockerfile', messageOf(error).replace(/^failed to parse Dockerfile:/, () => `failed to parse ${request.dockerfile}:`), { cause: error })
  }
}

/** What `docker build -q` prints. */
interface Result { readonly result: string }
function isResult(message: BuildMessage | Result): message is Result { return typeof message['result'] === 'string' }

async function writeMarker(path: string): Promise<void> { await writeFile(path, '', { flush: true }) }
