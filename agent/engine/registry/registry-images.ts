import type { Readable } from 'node:stream'
import type { DistributionInspect } from '../../../src/api/engine/engine-json.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Images } from '../engine.ts'
import type { EventLog } from '../event-log.ts'
import { familiarKey, familiarRepository, parseReference, referenceKey, type ImageReference } from '../image/image-reference.ts'
import type { ImageStore } from '../image/image-store.ts'
import { describeImage } from './describe-image.ts'
import type { LayerDownloads } from './layer-downloads.ts'
import { MEDIA } from './manifest.ts'
import { parsePlatform, type Platform } from '../image/platform.ts'
import { withProgress, type Progress, type ProgressLine } from '../image/progress.ts'
import { pullError } from './pull-error.ts'
import { pullImage } from './pull-image.ts'
import { pushImage } from './push-image.ts'
import type { Registries } from './registries.ts'
import { decodeRegistryAuth, type RegistryCredentials } from './registry-config.ts'
import { HUB_DOMAIN } from './registry-endpoints.ts'
import { clientError, RegistryRefusal, RegistryUnreachable } from './registry-error.ts'
import { RepositoryClient } from './repository-client.ts'
import { searchIndex } from './search-index.ts'

/** A longer one is cut in messages. */
const ADDRESS_SHOWN = 100
/** A name server that is well answers within a second. */
const NAME_PATIENCE_MS = 1000

export interface RegistryImagesOptions {
  readonly store: ImageStore
  readonly downloads: LayerDownloads
  readonly registries: Registries
  readonly events: EventLog
  readonly clock: Clock
  readonly platform: Platform
}

type PullRequest = Parameters<NonNullable<Images['pull']>>[0]
type PushRequest = Parameters<NonNullable<Images['push']>>[0]

/** What the engine's images do with registries. */
export class RegistryImages {
  readonly #options: RegistryImagesOptions

  constructor(options: RegistryImagesOptions) { this.#options = options }

  /** Docker's progress lines. The pull ends when the signal aborts or the lines are no longer read. @throws `invalid-reference`, `image-not-found`, `registry-refused`, `registry-unreachable` and more, while it is read */
  pull(request: PullRequest, signal?: AbortSignal): AsyncIterable<ProgressLine> {
    const reference = parseReference(request.reference)
    if (request.allTags && (reference.tag !== undefined || reference.digest !== undefined)) throw new ShoalError('invalid-argument', 'bad-parameter', "tag can't be used with --all-tags/-a")
    const platform = request.platform === undefined || request.platform === '' ? undefined : parsePlatform(request.platform, this.#options.platform)
    return withProgress(() => this.#options.clock.monotonicMs(), signal, async (progress, stop) => {
      try {
        await this.#pull(reference, { ...request, platform }, progress, stop)
      } catch (error) {
        stop.throwIfAborted()
        throw pullError(error, reference)
      }
    })
  }

  /** As pull(). Without a tag all tags of the repository go. @throws `image-not-found`, `registry-refused`, `registry-unreachable` */
  push(request: PushRequest, signal?: AbortSignal): AsyncIterable<ProgressLine> {
    const reference = parseReference(request.tag === undefined || request.tag === '' ? request.name : `${request.name}:${request.tag}`)
    if (reference.digest !== undefined) throw new ShoalError('invalid-argument', 'bad-parameter', 'cannot push a digest reference')
    return withProgress(() => this.#options.clock.monotonicMs(), signal, async (progress, stop) => {
      try {
        await this.#push(reference, decodeRegistryAuth(request.registryAuth), progress, stop)
      } catch (error) {
        stop.throwIfAborted()
        throw clientError(error)
      }
    })
  }

  /**
   * GET /distribution/{name}/json. A client waits for it before it creates a service: when the name of the registry cannot be resolved within NAME_PATIENCE_MS,
   * an image that is here is described by the digest that it came with, for no platform in particular (D-304).
   */
  async distribution(name: string, registryAuth: string | undefined, signal?: AbortSignal): Promise<DistributionInspect> {
    const reference = parseReference(name)
    try {
      const local = this.#options.store.find(name)
      if (local !== undefined && !await this.#options.registries.isNameKnown(reference.repository, NAME_PATIENCE_MS, signal)) return this.#describeLocal(local.id, reference)
      return await this.#options.registries.atRepository(reference.repository, decodeRegistryAuth(registryAuth), { mirrors: true, signal }, async (session, path) =>
        describeImage(new RepositoryClient(session, path), reference.digest ?? reference.tag ?? 'latest', signal))
    } catch (error) {
      throw distributionError(error)
    }
  }

  /** @throws RegistryUnreachable for an image that was not pulled */
  #describeLocal(id: string, { repository }: ImageReference): DistributionInspect {
    const digest = this.#options.store.digestsOf(id).find(key => key.startsWith(`${repository}@`))?.slice(repository.length + 1)
    if (digest === undefined) throw new RegistryUnreachable(`the name of the registry of ${familiarRepository(repository)} cannot be resolved, and the image here has no digest of it`)
    return { Descriptor: { mediaType: MEDIA.ociManifest, digest, size: 0 }, Platforms: [] }
  }

  /** Checks credentials: POST /auth. @throws `login-denied` (unauthenticated), `registry-unreachable` */
  async login(credentials: RegistryCredentials, signal?: AbortSignal): Promise<{ readonly Status: string; readonly IdentityToken: string }> {
    const address = (credentials.serveraddress ?? '').replace(/^https?:\/\//, '').replace(/\/.*$/, '')
    const domain = address === '' || address === 'index.docker.io' ? HUB_DOMAIN : address
    if (!URL.canParse(`https://${domain}`)) throw new ShoalError('invalid-argument', 'bad-registry-address', `invalid registry address: ${JSON.stringify(address.slice(0, ADDRESS_SHOWN))}`)
    try {
      const { identityToken } = await this.#options.registries.at(domain, credentials, { mirrors: false, signal }, async session => session.verify(signal))
      return { Status: 'Login Succeeded', IdentityToken: identityToken }
    } catch (error) {
      if (error instanceof RegistryRefusal && (error.status === 401 || error.status === 403)) throw new ShoalError('unauthenticated', 'login-denied', error.message, { cause: error })
      throw clientError(error)
    }
  }

  /** docker search. */
  async search(request: Parameters<NonNullable<Images['search']>>[0], signal?: AbortSignal): Promise<readonly Readonly<Record<string, unknown>>[]> {
    try {
      return await searchIndex(this.#options.registries, request, signal)
    } catch (error) {
      throw clientError(error)
    }
  }

  /** A file of the web, for `docker import URL`. @throws `registry-refused`, `registry-unreachable` */
  async download<T>(url: string, signal: AbortSignal, use: (body: Readable, totalBytes: number) => Promise<T>): Promise<T> {
    try {
      return await this.#options.registries.download(new URL(url), signal, use)
    } catch (error) {
      throw clientError(error)
    }
  }

  async #pull(reference: ImageReference, request: Omit<PullRequest, 'platform'> & { readonly platform: Platform | undefined }, progress: Progress, signal: AbortSignal): Promise<void> {
    const { store, downloads, registries, platform, events } = this.#options
    const { downloadsMax, attemptsMax } = registries.config
    const isNew = await registries.atRepository(reference.repository, decodeRegistryAuth(request.registryAuth), { mirrors: true, signal }, async (session, path) => {
      const client = new RepositoryClient(session, path)
      const tags = request.allTags ? await client.tags(signal) : [reference.tag ?? 'latest']
      let isAnyNew = false
      for (const tag of tags) {
        const isThisNew = await pullImage({ ...reference, tag }, { store, downloads, client, progress, platform: request.platform ?? platform, isPlatformAsked: request.platform !== undefined, downloadsMax, attemptsMax, signal })
        isAnyNew ||= isThisNew
      }
      return isAnyNew
    })
    const shown = request.allTags ? familiarRepository(reference.repository) : familiarKey(referenceKey(reference))
    progress.message(`Status: ${isNew ? 'Downloaded newer image' : 'Image is up to date'} for ${shown}`)
    events.publish('image', 'pull', shown, { ...store.find(shown)?.file.config?.Labels, name: familiarRepository(reference.repository) })
  }

  async #push(reference: ImageReference, credentials: RegistryCredentials, progress: Progress, signal: AbortSignal): Promise<void> {
    const { store, registries, clock, events } = this.#options
    const { repository } = reference
    const { uploadsMax, attemptsMax } = registries.config
    progress.message(`The push refers to repository [${repository}]`)
    const tags = store.names().filter(key => key.slice(0, key.lastIndexOf(':')) === repository).map(key => key.slice(key.lastIndexOf(':') + 1))
    if (tags.length === 0) throw new ShoalError('not-found', 'image-not-found', `An image does not exist locally with the tag: ${familiarRepository(repository)}`)
    if (reference.tag !== undefined && !tags.includes(reference.tag)) throw new ShoalError('not-found', 'image-not-found', `tag does not exist: ${familiarKey(referenceKey(reference))}`)
    await registries.atRepository(repository, credentials, { mirrors: false, signal }, async (session, path) => {
      const client = new RepositoryClient(session, path, 'pull,push')
      for (const tag of reference.tag === undefined ? tags : [reference.tag]) {
        const image = store.get(`${repository}:${tag}`)
        await pushImage(image, tag, { store, client, progress, repository, uploadsMax, attemptsMax, clock, signal })
      }
    })
    const shown = reference.tag === undefined ? familiarRepository(repository) : familiarKey(referenceKey(reference))
    events.publish('image', 'push', shown, { name: familiarRepository(repository) })
  }
}

function distributionError(error: unknown): unknown {
  if (error instanceof RegistryRefusal && ['DENIED', 'UNAUTHORIZED', 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN'].includes(error.registryCode)) {
    return error.status === 401 || error.registryCode === 'DENIED' ? new ShoalError('permission-denied', 'registry-denied', error.message, { cause: error }) : new ShoalError('not-found', 'image-not-found', error.message, { cause: error })
  }
  return clientError(error)
}

