import { createHash } from 'node:crypto'
import { hasCode, ShoalError } from '../../../src/base/errors.ts'
import type { Filters } from '../engine.ts'
import { booleanFilter, checkFilters, matchesPruneLabels, untilMs } from '../filters.ts'
import type { ImageUse } from './image-json.ts'
import { familiarKey, parseReference, referenceKey } from './image-reference.ts'
import type { ImageStore, StoredImage } from './image-store.ts'

export type Deleted = { readonly Untagged?: string; readonly Deleted?: string }

export interface ImageRemoverOptions {
  readonly store: ImageStore
  /** Containers that use an image, running or not. */
  readonly usesOf: (imageId: string) => ImageUse
  readonly publish: (action: 'untag' | 'delete', id: string) => void
}

/** Why an image must stay. Hard: even if forced. */
interface Conflict { readonly isHard: boolean; readonly isUse: boolean; readonly reason: string }

/** `docker rmi` and prune, by dockerd's rules: which names go, what is in the way, and what goes with an image. */
export class ImageRemover {
  readonly #options: ImageRemoverOptions
  get #store(): ImageStore { return this.#options.store }

  constructor(options: ImageRemoverOptions) { this.#options = options }

  /** A name goes by itself while others are left; an id only when all names are of one repository, unless forced. @throws `image-in-use` (conflict), `no-such-image` */
  async remove(ref: string, { force, prune }: { readonly force: boolean; readonly prune: boolean }): Promise<readonly Deleted[]> {
    const image = this.#store.get(ref)
    const records: Deleted[] = []
    if (isIdPrefix(image.id, ref)) {
      if (isOneReference(this.#keysOf(image))) {
        const conflict = this.#conflict(image, { soft: !force, references: false })
        if (conflict !== undefined) throw conflictError(image, conflict)
        for (const key of this.#keysOf(image)) records.push(await this.#untag(image, key))
      }
      await this.#delete(image, { force, prune, isQuiet: false }, records)
      return records
    }
    const key = referenceKey(parseReference(ref))
    const user = this.#options.usesOf(image.id)
    const userId = user.running ?? user.stopped
    if (!force && isOneReference(this.#keysOf(image)) && userId !== undefined) {
      throw new ShoalError('conflict', 'image-in-use', `conflict: unable to remove repository reference ${JSON.stringify(ref)} (must force) - container ${userId.slice(0, 12)} is using its referenced image ${short(image)}`)
    }
    records.push(await this.#untag(image, key))
    if (!key.includes('@')) await this.#untagDigests(image, repositoryOf(key), records)
    if (this.#keysOf(image).length === 0) await this.#delete(image, { force, prune, isQuiet: true }, records)
    return records
  }

  /** Dangling images, or with dangling=false all that no container uses. `freed` are bytes of layers. */
  async prune(filters: Filters, nowMs: number): Promise<{ readonly deleted: readonly Deleted[]; readonly bytes: number }> {
    checkFilters(filters, ['dangling', 'label', 'label!', 'until'])
    const danglingOnly = booleanFilter(filters, 'dangling') ?? true
    const until = filters['until']?.[0]
    const beforeMs = until === undefined ? Infinity : untilMs(until, nowMs)
    const deleted: Deleted[] = []
    const sizes = await this.#chainSizes()
    for (const image of this.#store.all()) {
      const keys = this.#keysOf(image)
      if (keys.length === 0 && this.#store.childrenOf(image.id).length > 0) continue
      if (Date.parse(image.file.created ?? '1970-01-01T00:00:00Z') > beforeMs || !matchesPruneLabels(filters, image.file.config?.Labels)) continue
      if (danglingOnly && keys.some(key => !key.includes('@'))) continue
      for (const ref of keys.length === 0 ? [image.id] : keys) deleted.push(...await this.#removeUnused(ref))
    }
    return { deleted, bytes: deleted.reduce((sum, { Deleted: id = '' }) => sum + (sizes.get(id) ?? 0), 0) }
  }

  /** What is in use, or went together with another, stays out of it. */
  async #removeUnused(ref: string): Promise<readonly Deleted[]> {
    try {
      return await this.remove(ref, { force: false, prune: true })
    } catch (error) {
      if (hasCode(error, 'image-in-use') || hasCode(error, 'no-such-image')) return []
      throw error
    }
  }

  /** The digests of a repository are of no use without one of its tags. */
  async #untagDigests(image: StoredImage, repository: string, records: Deleted[]): Promise<void> {
    const left = this.#keysOf(image).filter(key => repositoryOf(key) === repository)
    if (left.some(key => !key.includes('@'))) return
    for (const key of left) records.push(await this.#untag(image, key))
  }

  /** Quiet: a conflict is only told when the image would be left with neither name nor user. */
  async #delete(image: StoredImage, options: { readonly force: boolean; readonly prune: boolean; readonly isQuiet: boolean }, records: Deleted[]): Promise<void> {
    const conflict = this.#conflict(image, { soft: !options.force, references: true })
    if (conflict !== undefined) {
      const isDangling = this.#keysOf(image).length === 0 && this.#store.childrenOf(image.id).length === 0
      if (options.isQuiet && (!isDangling || conflict.isUse)) return
      throw conflictError(image, conflict)
    }
    for (const key of this.#keysOf(image)) records.push(await this.#untag(image, key))
    const chains = chainIds(image)
    const dropped = new Set(await this.#store.remove(image.id))
    this.#options.publish('delete', image.id)
    records.push({ Deleted: image.id })
    for (const [at, diffId] of [...image.diffIds.entries()].reverse()) if (dropped.delete(diffId)) records.push({ Deleted: chains[at] ?? diffId })
    const parent = options.prune ? this.#store.find(image.origin.parent ?? '') : undefined
    if (parent !== undefined) await this.#delete(parent, { force: false, prune: true, isQuiet: true }, records)
  }

  #conflict(image: StoredImage, consider: { readonly soft: boolean; readonly references: boolean }): Conflict | undefined {
    const use = this.#options.usesOf(image.id)
    if (this.#store.childrenOf(image.id).length > 0) return { isHard: true, isUse: false, reason: 'image has dependent child images' }
    if (use.running !== undefined) return { isHard: true, isUse: true, reason: `image is being used by running container ${use.running.slice(0, 12)}` }
    if (!consider.soft) return undefined
    if (consider.references && this.#keysOf(image).length > 0) return { isHard: false, isUse: false, reason: 'image is referenced in multiple repositories' }
    if (use.stopped !== undefined) return { isHard: false, isUse: true, reason: `image is being used by stopped container ${use.stopped.slice(0, 12)}` }
    return undefined
  }

  #keysOf(image: StoredImage): readonly string[] { return [...this.#store.namesOf(image.id), ...this.#store.digestsOf(image.id)] }

  async #untag(image: StoredImage, key: string): Promise<Deleted> {
    await this.#store.unname(key)
    this.#options.publish('untag', image.id)
    return { Untagged: familiarKey(key) }
  }

  async #chainSizes(): Promise<ReadonlyMap<string, number>> {
    const sizes = new Map<string, number>()
    for (const image of this.#store.all()) {
      const chains = chainIds(image)
      for (const [at, diffId] of image.diffIds.entries()) sizes.set(chains[at] ?? '', (await this.#store.layers.get(diffId))?.sizeBytes ?? 0)
    }
    return sizes
  }
}

/** At most one tag, and digests of its repository alone. */
function isOneReference(keys: readonly string[]): boolean {
  const tags = keys.filter(key => !key.includes('@'))
  return tags.length <= 1 && (keys.length <= 1 || new Set(keys.map(repositoryOf)).size === 1)
}

function isIdPrefix(id: string, ref: string): boolean { return id.startsWith(ref) || id.slice('sha256:'.length).startsWith(ref) }
function repositoryOf(key: string): string { return key.includes('@') ? key.slice(0, key.indexOf('@')) : key.slice(0, key.lastIndexOf(':')) }
function short(image: StoredImage): string { return image.id.slice(7, 19) }

/** What each layer is called together with those below it (OCI image specification, Layer ChainID). */
function chainIds(image: StoredImage): readonly string[] {
  const chains: string[] = []
  for (const diffId of image.diffIds) {
    const below = chains.at(-1)
    chains.push(below === undefined ? diffId : `sha256:${createHash('sha256').update(`${below} ${diffId}`).digest('hex')}`)
  }
  return chains
}

function conflictError(image: StoredImage, { isHard, reason }: Conflict): ShoalError {
  return new ShoalError('conflict', 'image-in-use', `conflict: unable to delete ${short(image)} (${isHard ? 'cannot be forced' : 'must be forced'}) - ${reason}`)
}
