import { rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { ImageInspect, ImageSummary } from '../../../src/api/engine/engine-json.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Filters, ForPlatform, Images, ImportOptions } from '../engine.ts'
import type { EventLog } from '../event-log.ts'
import { commitImage, type CommitRequest, type CommittedContainer } from './commit-image.ts'
import { applyChanges } from './dockerfile-changes.ts'
import { imageHistory, imageInspect, imageMatches, imageSummary, IMAGE_FILTERS, namesMatching, type ImageUse } from './image-json.ts'
import { familiarKey, parseReference, referenceKey, type ImageReference } from './image-reference.ts'
import { ImageRemover, type Deleted } from './image-remover.ts'
import type { ImageStore, StoredImage } from './image-store.ts'
import { loadImages } from './load-images.ts'
import { matchesPlatform, parsePlatform, platformText, type Platform } from './platform.ts'
import { withProgress } from './progress.ts'
import { saveArchive, type SavedImage } from './save-archive.ts'
import { checkFilters } from '../filters.ts'

export interface LocalImagesOptions {
  readonly store: ImageStore
  readonly events: EventLog
  readonly clock: Clock
  /** Containers that use an image, running or not. */
  readonly usesOf: (imageId: string) => ImageUse
  /** "amd64" or "arm64". */
  readonly architecture: string
  /** Hands a container over to be made an image of, paused meanwhile if asked; tells of it when that is done. @throws `no-such-container` */
  readonly committing: (request: CommitRequest, work: (source: CommittedContainer) => Promise<StoredImage>, name: string | undefined) => Promise<StoredImage>
  readonly graphDriver: (image: StoredImage) => ImageInspect['GraphDriver']
  /** Throws away downloads that nobody is waiting for. @returns bytes */
  readonly pruneDownloads: () => Promise<number>
  /** What needs a registry. */
  readonly registry: RegistrySide
}

/** Structurally RegistryImages. */
export interface RegistrySide extends Required<Pick<Images, 'pull' | 'push' | 'distribution' | 'login' | 'search'>> {
  download<T>(url: string, signal: AbortSignal, use: (body: Readable, totalBytes: number) => Promise<T>): Promise<T>
}

/** The engine's images. */
export class LocalImages implements Images {
  readonly #options: LocalImagesOptions
  get #store(): ImageStore { return this.#options.store }

  readonly #remover: ImageRemover

  constructor(options: LocalImagesOptions) {
    this.#options = options
    this.#remover = new ImageRemover({ store: options.store, usesOf: options.usesOf, publish: (action, id) => { this.#publish(action, id, id) } })
  }

  async inspect(ref: string, options: ForPlatform = {}): Promise<ImageInspect> {
    const image = this.#imageFor(ref, options)
    return imageInspect(image, this.#store.namesOf(image.id), this.#store.digestsOf(image.id), this.#options.graphDriver(image))
  }

  async list(options: { readonly all?: boolean; readonly filters?: Filters; readonly sharedSize?: boolean }): Promise<readonly ImageSummary[]> {
    const filters = options.filters ?? {}
    checkFilters(filters, IMAGE_FILTERS)
    const bound = (key: 'before' | 'since'): number | undefined => {
      const ref = filters[key]?.[0]
      return ref === undefined ? undefined : Date.parse(this.#store.get(ref).file.created ?? '')
    }
    const limits = { beforeMs: bound('before'), sinceMs: bound('since'), nowMs: this.#options.clock.nowMs() }
    const shared = options.sharedSize === true ? await this.#sharedBytes() : undefined
    return this.#store.all()
      .map(image => ({ image, names: namesMatching({ keys: this.#store.namesOf(image.id), digests: this.#store.digestsOf(image.id) }, filters['reference']) }))
      .filter(({ image, names }) => imageMatches(image, names, filters, limits))
      // A step of a build is only shown by itself when nothing was built on it.
      .filter(({ image, names }) => options.all === true || names.keys.length + names.digests.length > 0 || this.#store.childrenOf(image.id).length === 0)
      .map(({ image, names }) => ({ ...imageSummary(image, names.keys, names.digests, this.#options.usesOf(image.id)), SharedSize: shared?.get(image.id) ?? -1 }))
      .sort((a, b) => (b.Created ?? 0) - (a.Created ?? 0))
  }

  async layersBytes(): Promise<number> { return [...(await this.#layerSizes()).values()].reduce((sum, bytes) => sum + bytes, 0) }

  async history(ref: string, options: ForPlatform = {}): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const image = this.#imageFor(ref, options)
    const sizes = await Promise.all(image.diffIds.map(async diffId => (await this.#store.layers.get(diffId))?.sizeBytes ?? 0))
    return imageHistory(image, this.#store.familyOf(image).map(({ id }) => ({ id, keys: this.#store.namesOf(id) })), sizes)
  }

  get pull(): RegistrySide['pull'] { return (request, signal) => this.#options.registry.pull(request, signal) }
  get push(): RegistrySide['push'] {
    return (request, signal) => {
      if (request.platform !== undefined) this.#imageFor(request.tag === undefined ? request.name : `${request.name}:${request.tag}`, request)
      return this.#options.registry.push(request, signal)
    }
  }
  get search(): RegistrySide['search'] { return (request, signal) => this.#options.registry.search(request, signal) }
  get distribution(): RegistrySide['distribution'] { return (name, auth, signal) => this.#options.registry.distribution(name, auth, signal) }
  get login(): RegistrySide['login'] { return (credentials, signal) => this.#options.registry.login(credentials, signal) }

  async import(tar: Readable, options: ImportOptions): Promise<{ readonly id: string }> {
    const key = options.repository === undefined || options.repository === '' ? undefined : keyOf(options.repository, options.tag)
    const config = applyChanges({}, options.changes)
    const layer = await this.#store.layers.add(tar)
    const created = new Date(this.#options.clock.nowMs()).toISOString()
    const comment = options.message === undefined || options.message === '' ? 'Imported from -' : options.message
    const file = { ...this.#platform(options.platform), created, comment, config, rootfs: { type: 'layers', diff_ids: [layer.diffId] }, history: [{ created, comment }] }
    const image = await this.#store.add(Buffer.from(JSON.stringify(file))).catch(async (error: unknown) => {
      await this.#store.dropLayers([layer.diffId])
      throw error
    })
    if (key !== undefined) await this.#store.name(key, image.id)
    this.#publish('import', image.id, key === undefined ? image.id : familiarKey(key))
    return { id: image.id }
  }

  importFrom(source: string, options: ImportOptions, signal?: AbortSignal): AsyncIterable<Readonly<Record<string, unknown>>> {
    const url = source.includes('://') ? source : `http://${source}`
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) throw new ShoalError('invalid-argument', 'bad-parameter', `unsupported protocol scheme: ${source}; give - or a URL with http or https`)
    return withProgress(() => this.#options.clock.monotonicMs(), signal, (progress, stop) => this.#options.registry.download(url, stop, async (body, totalBytes) => {
      progress.message(`Downloading from ${url}`)
      const { id } = await this.import(Readable.from(metered(body, bytes => { progress.bar('Importing', bytes, totalBytes) }), { objectMode: false }), { message: `Imported from ${source}`, ...options })
      progress.message(id)
    }))
  }

  async commit(request: CommitRequest): Promise<{ readonly Id: string }> {
    const key = request.repository === undefined || request.repository === '' ? undefined : keyOf(request.repository, request.tag)
    const { clock, architecture } = this.#options
    const image = await this.#options.committing(request, async source => {
      const added = await commitImage(source, request, { store: this.#store, architecture, created: new Date(clock.nowMs()).toISOString() })
      if (key !== undefined) await this.#store.name(key, added.id)
      return added
    }, key === undefined ? undefined : familiarKey(key))
    if (key !== undefined) this.#publish('tag', image.id, familiarKey(key))
    return { Id: image.id }
  }

  load(tar: Readable, options: { readonly quiet: boolean; readonly platform?: string }, signal?: AbortSignal): AsyncIterable<Readonly<Record<string, unknown>>> {
    const { clock } = this.#options
    const platform = this.#platform(undefined)
    const wanted = options.platform === undefined ? undefined : this.#platform(options.platform)
    return withProgress(() => clock.monotonicMs(), signal, (progress, stop) => loadImages(tar, {
      store: this.#store, platform, wanted, quiet: options.quiet, progress, signal: stop, onLoaded: image => { this.#publish('load', image.id, image.id) },
    }))
  }

  async save(refs: readonly string[], options: ForPlatform = {}): Promise<Readable> {
    const images = merged(refs.flatMap(ref => this.#saved(ref)))
    const wanted = options.platform === undefined ? undefined : this.#platform(options.platform)
    if (wanted !== undefined && !images.every(({ image }) => matchesPlatform(platformOf(image), wanted))) {
      throw new ShoalError('not-found', 'no-such-platform', `no suitable export target found for platform ${platformText(wanted)}`)
    }
    const scratch = await this.#store.layers.temporaryDirectory()
    const stream = saveArchive(images, this.#store, scratch)
    for (const { image } of images) this.#publish('save', image.id, image.id)
    // What stays goes at the next start of the daemon.
    stream.once('close', () => { rm(scratch, { recursive: true, force: true }).catch(() => undefined) })
    return stream
  }

  async tag(ref: string, repository: string, tag: string): Promise<void> {
    const image = this.#store.get(ref)
    const key = keyOf(repository, tag)
    if (/^(docker\.io\/library\/)?sha256:/.test(key)) throw new ShoalError('invalid-argument', 'invalid-reference', 'refusing to create an ambiguous tag using digest algorithm as name')
    await this.#store.name(key, image.id)
    this.#publish('tag', image.id, familiarKey(key))
  }

  remove(ref: string, options: { readonly force: boolean; readonly prune: boolean }): Promise<readonly Deleted[]> { return this.#remover.remove(ref, options) }

  async prune(filters: Filters): Promise<{ readonly ImagesDeleted: readonly Deleted[]; readonly SpaceReclaimed: number }> {
    const { deleted, bytes } = await this.#remover.prune(filters, this.#options.clock.nowMs())
    const reclaimed = bytes + await this.#options.pruneDownloads()
    this.#options.events.publish('image', 'prune', '', { reclaimed: String(reclaimed) })
    return { ImagesDeleted: deleted, SpaceReclaimed: reclaimed }
  }

  /** @throws `no-such-image`, `no-such-platform`, `invalid-platform` */
  #imageFor(ref: string, { platform }: ForPlatform): StoredImage {
    const image = this.#store.get(ref)
    if (platform === undefined) return image
    const [actual, wanted] = [platformOf(image), this.#platform(platform)]
    if (matchesPlatform(actual, wanted)) return image
    throw new ShoalError('not-found', 'no-such-platform', `image with reference ${ref} was found but its platform (${platformText(actual)}) does not match the specified platform (${platformText(wanted)})`)
  }

  /** Of the text of a request; this machine's without one. @throws `invalid-platform` */
  #platform(text: string | undefined): Platform {
    const own = { os: 'linux', architecture: this.#options.architecture }
    return text === undefined ? own : parsePlatform(text, own)
  }

  async #layerSizes(): Promise<ReadonlyMap<string, number>> {
    const diffIds = new Set(this.#store.all().flatMap(image => image.diffIds))
    return new Map(await Promise.all([...diffIds].map(async diffId => [diffId, (await this.#store.layers.get(diffId))?.sizeBytes ?? 0] as const)))
  }

  /** By image: the bytes of its layers that another image has too. */
  async #sharedBytes(): Promise<ReadonlyMap<string, number>> {
    const sizes = await this.#layerSizes()
    const users = new Map<string, number>()
    for (const diffId of this.#store.all().flatMap(image => [...new Set(image.diffIds)])) users.set(diffId, (users.get(diffId) ?? 0) + 1)
    return new Map(this.#store.all().map(image => [image.id, image.diffIds.filter(diffId => (users.get(diffId) ?? 0) > 1).reduce((sum, diffId) => sum + (sizes.get(diffId) ?? 0), 0)]))
  }

  /** A repository without a tag means all of its tags; an id means the image without names. */
  #saved(ref: string): readonly SavedImage[] {
    const reference = safeReference(ref)
    if (this.#store.find(ref) === undefined && reference !== undefined && this.#tagsOf(reference).length === 0) {
      throw new ShoalError('not-found', 'no-such-image', reference.tag === undefined && reference.digest === undefined ? `No such image: ${ref}` : 'reference does not exist')
    }
    const keys = reference === undefined ? [] : this.#tagsOf(reference)
    if (keys.length === 0) return [{ image: this.#store.get(ref), keys: [] }]
    const images = new Map(keys.map(key => { const image = this.#store.get(familiarKey(key)); return [image.id, image] as const }))
    return [...images.values()].map(image => ({ image, keys: keys.filter(key => this.#store.namesOf(image.id).includes(key)) }))
  }

  #tagsOf(reference: ImageReference): readonly string[] {
    if (reference.digest !== undefined) return []
    return this.#store.names().filter(key => reference.tag === undefined ? key.slice(0, key.lastIndexOf(':')) === reference.repository : key === referenceKey(reference))
  }

  #publish(action: string, id: string, name: string): void {
    this.#options.events.publish('image', action, id, { ...this.#store.find(id)?.file.config?.Labels, name })
  }
}

function platformOf({ file: { os = 'linux', architecture = '', variant } }: StoredImage): Platform {
  return { os, architecture, ...(variant === undefined || variant === '' ? {} : { variant }) }
}

async function* metered(body: AsyncIterable<Uint8Array>, onBytes: (bytes: number) => void): AsyncIterable<Uint8Array> {
  let bytes = 0
  for await (const chunk of body) {
    onBytes(bytes += chunk.length)
    yield chunk
  }
}

/** Each image once, with all of its names that were asked for. */
function merged(images: readonly SavedImage[]): readonly SavedImage[] {
  const result = new Map<string, SavedImage>()
  for (const { image, keys } of images) result.set(image.id, { image, keys: [...new Set([...result.get(image.id)?.keys ?? [], ...keys])] })
  return [...result.values()]
}

function keyOf(repository: string, tag: string | undefined): string {
  return referenceKey(parseReference(tag === undefined || tag === '' ? repository : `${repository}:${tag}`))
}

function safeReference(ref: string): ImageReference | undefined {
  try {
    return parseReference(ref)
  } catch {
    return undefined
  }
}
