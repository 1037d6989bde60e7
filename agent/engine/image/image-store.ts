import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import type { Logger } from '../../../src/base/logger.ts'
import { damagedRecord, readJson, removeUnfinished, writeDurably } from '../durable-file.ts'
import { Mutex } from '../mutex.ts'
import { parseImageConfig, type ImageConfigFile } from './image-config.ts'
import { familiarKey, parseReference, referenceKey } from './image-reference.ts'
import type { LayerStore } from './layer-store.ts'

export interface StoredImage {
  /** "sha256:…" */
  readonly id: string
  readonly file: ImageConfigFile
  readonly diffIds: readonly string[]
  readonly sizeBytes: number
  readonly origin: ImageOrigin
}

/** How an image came to be on this host; not part of the image. */
export interface ImageOrigin {
  /** Id of the image it was made from here, by a build or commit; '' for none. */
  readonly parent?: string
  /** What a step of a build must be for this image to be its result again. */
  readonly buildKey?: string
}

/**
 * Images and their names, in memory and on disk: a config's bytes under its digest, the names in one file. A name is a key "repository:tag" or, for what
 * came from or went to a registry, "repository@sha256:…" with the manifest's digest. Layers are shared through LayerStore.
 */
export class ImageStore {
  readonly layers: LayerStore
  readonly #root: string
  readonly #images = new Map<string, StoredImage>()
  readonly #writing = new Mutex()
  /** Layers in use by pulls and loads that have not made their image yet. */
  readonly #dropping = new Mutex()
  readonly #pins = new Map<string, number>()
  #isDamaged = false
  /** "docker.io/library/busybox:latest" -> id */
  #names: ReadonlyMap<string, string> = new Map()

  readonly #logger: Logger
  readonly #isUsed: (diffId: string) => boolean

  /** @param isUsed whether a container has the layer, whatever became of its image */
  constructor(root: string, layers: LayerStore, logger: Logger, isUsed: (diffId: string) => boolean = () => false) {
    this.#isUsed = isUsed
    this.#root = root
    this.layers = layers
    this.#logger = logger
  }

  /** Reads what is on disk. What is damaged is reported and left there: the other images are not less for it. */
  async open(): Promise<void> {
    await mkdir(this.#configs, { recursive: true, mode: 0o700 })
    for (const folder of [this.#root, this.#configs]) await removeUnfinished(folder)
    await this.layers.open()
    const files = await readdir(this.#configs)
    for (const name of files) {
      // Written before the image, removed after it.
      if (name.endsWith('.origin') && !files.includes(name.replace(/origin$/, 'json'))) await rm(join(this.#configs, name), { force: true })
      if (!name.endsWith('.json')) continue
      const path = join(this.#configs, name)
      const read = async (): Promise<void> => {
        const image = await this.#read(await readFile(path), await readJson<ImageOrigin>(path.replace(/json$/, 'origin')) ?? {})
        if (image.id !== `sha256:${name.slice(0, -'.json'.length)}`) throw damagedRecord(path)
        this.#images.set(image.id, image)
      }
      await read().catch((err: unknown) => {
        this.#isDamaged = true
        this.#logger.error('an image\'s configuration is damaged, so the image is not there; remove the file and load the image again', { path, reason: messageOf(err) })
      })
    }
    this.#names = new Map([...await this.#readNames()].filter(([, id]) => this.#images.has(id)))
  }

  get #configs(): string { return join(this.#root, 'configs') }
  get #namesPath(): string { return join(this.#root, 'names.json') }

  all(): readonly StoredImage[] { return [...this.#images.values()] }
  /** All stored keys with a tag, sorted. */
  names(): readonly string[] { return [...this.#names.keys()].filter(key => !key.includes('@')).sort() }
  /** Stored keys of an image with a tag, sorted. */
  namesOf(id: string): readonly string[] { return this.#keysOf(id).filter(key => !key.includes('@')) }
  /** Stored keys of an image with a digest, sorted. */
  digestsOf(id: string): readonly string[] { return this.#keysOf(id).filter(key => key.includes('@')) }
  #keysOf(id: string): readonly string[] { return [...this.#names].filter(([, target]) => target === id).map(([key]) => key).sort() }

  /** Images that were made from this one here; '' for those made from nothing. */
  childrenOf(id: string): readonly StoredImage[] { return this.all().filter(image => image.origin.parent === id) }

  /** The image, the one it was made from here, and so on. */
  familyOf(image: StoredImage): readonly StoredImage[] {
    const parent = image.origin.parent === undefined ? undefined : this.#images.get(image.origin.parent)
    return parent === undefined ? [image] : [image, ...this.familyOf(parent)]
  }

  /** By name, full id, or unique id prefix. */
  find(ref: string): StoredImage | undefined {
    const hex = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(ref)?.[1]
    const full = hex?.length === 64 ? this.#images.get(`sha256:${hex}`) : undefined
    if (full !== undefined) return full
    const named = this.#named(ref)
    if (named !== undefined || hex === undefined) return named
    const matches = this.all().filter(image => image.id.startsWith(`sha256:${hex}`))
    if (matches.length > 1) throw new ShoalError('invalid-argument', 'ambiguous-reference', `image id ${ref} is the beginning of ${matches.length} images; give more characters`)
    return matches[0]
  }

  /** @throws `no-such-image` (not-found), `invalid-reference` (invalid-argument) for what can be neither name nor id */
  get(ref: string): StoredImage {
    const image = this.find(ref)
    if (image === undefined && !/^(sha256:)?[0-9a-f]{1,64}$/.test(ref)) parseReference(ref)
    if (image === undefined) throw new ShoalError('not-found', 'no-such-image', `No such image: ${familiarName(ref)}`)
    return image
  }

  /** Adds an image whose layers are in the layer store already; durable. @throws `malformed-image` */
  async add(config: Uint8Array, origin: ImageOrigin = {}): Promise<StoredImage> {
    const image = await this.#read(config, origin)
    const path = join(this.#configs, image.id.slice(7))
    // Layers are trusted because an image has them; what no image has goes when the daemon starts (D-480).
    if (image.diffIds.some(diffId => !this.all().some(other => other.diffIds.includes(diffId)))) await this.layers.sync()
    // One after the other: the same image may be loaded twice at once.
    await this.#writing.run(async () => {
      if (Object.keys(origin).length > 0) await writeDurably(`${path}.origin`, JSON.stringify(origin), { sync: false })
      await writeDurably(`${path}.json`, config, { sync: true })
      this.#images.set(image.id, image)
    })
    return image
  }

  /** The configuration as it came, byte for byte. */
  configBytes(id: string): Promise<Buffer> { return readFile(join(this.#configs, `${id.slice(7)}.json`)) }

  /** Points names at an image, all or none; the image that had one before stays, maybe nameless. */
  async name(key: string, id: string, ...more: readonly string[]): Promise<void> {
    await this.#rename(names => new Map([...names, ...[key, ...more].map(each => [each, id] as const)]))
  }

  async unname(key: string): Promise<void> { await this.#rename(names => new Map([...names].filter(([name]) => name !== key))) }

  /** Deletes an image and the layers that no other image has. @returns their digests */
  async remove(id: string): Promise<readonly string[]> {
    const image = this.#images.get(id)
    if (image === undefined) return []
    await this.#rename(names => new Map([...names].filter(([, target]) => target !== id)))
    this.#images.delete(id)
    await rm(join(this.#configs, `${id.slice(7)}.json`), { force: true })
    await rm(join(this.#configs, `${id.slice(7)}.origin`), { force: true })
    return this.dropLayers(image.diffIds)
  }

  /** Deletes these layers if no image has them and nobody has pinned them. @returns those */
  async dropLayers(diffIds: readonly string[]): Promise<readonly string[]> {
    const dropped: string[] = []
    for (const diffId of new Set(diffIds)) {
      await this.#dropping.run(async () => {
        if (this.#pins.has(diffId) || this.#isUsed(diffId) || this.all().some(image => image.diffIds.includes(diffId))) return
        await this.layers.remove(diffId)
        dropped.push(diffId)
      })
    }
    return dropped
  }

  /** Keeps layers from being deleted while an image is made of them. The function that is returned ends that, and deletes those that no image took. */
  async pin(diffIds: readonly string[]): Promise<() => Promise<void>> {
    const mine = [...new Set(diffIds)]
    await this.#dropping.run(async () => { for (const diffId of mine) this.#pins.set(diffId, (this.#pins.get(diffId) ?? 0) + 1) })
    return async () => {
      for (const diffId of mine) {
        const count = (this.#pins.get(diffId) ?? 0) - 1
        if (count > 0) this.#pins.set(diffId, count)
        else this.#pins.delete(diffId)
      }
      await this.dropLayers(mine)
    }
  }

  /** Deletes the layers that a killed daemon left behind without an image. Not while an image cannot be read: they may be its own. */
  async sweep(): Promise<void> {
    if (!this.#isDamaged) await this.dropLayers(await this.layers.all())
  }

  #named(ref: string): StoredImage | undefined {
    let key: string
    try {
      // A digest says all: the tag beside it is for people.
      key = referenceKey(parseReference(ref))
    } catch {
      return undefined
    }
    const id = this.#names.get(key)
    return id === undefined ? undefined : this.#images.get(id)
  }

  async #readNames(): Promise<ReadonlyMap<string, string>> {
    try {
      const names = await readJson<Record<string, string>>(this.#namesPath) ?? {}
      if (Array.isArray(names)) throw damagedRecord(this.#namesPath)
      return new Map(Object.entries(names))
    } catch (err) {
      this.#logger.error('the names of the images are damaged; images are there by their ids, name them again with docker tag', { path: this.#namesPath, reason: messageOf(err) })
      return new Map()
    }
  }

  async #read(bytes: Uint8Array, origin: ImageOrigin): Promise<StoredImage> {
    const file = parseImageConfig(bytes)
    const diffIds = file.rootfs?.diff_ids ?? []
    const layers = await Promise.all(diffIds.map(diffId => this.layers.get(diffId)))
    const missing = diffIds.find((_, at) => layers[at] === undefined)
    if (missing !== undefined) throw new ShoalError('internal', 'layer-damaged', `the layer ${missing} is missing or damaged in ${this.layers.directory(missing)}; pull or load the image again`)
    const sizeBytes = layers.reduce((sum, layer) => sum + (layer?.sizeBytes ?? 0), 0)
    return { id: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, file, diffIds, sizeBytes, origin }
  }

  async #rename(change: (names: ReadonlyMap<string, string>) => ReadonlyMap<string, string>): Promise<void> {
    await this.#writing.run(async () => {
      const names = change(this.#names)
      await writeDurably(this.#namesPath, JSON.stringify(Object.fromEntries(names)), { sync: true })
      this.#names = names
    })
  }
}

/** "busybox" is shown as "busybox:latest" in messages, as Docker does. */
function familiarName(ref: string): string {
  try {
    const reference = parseReference(ref)
    return reference.digest === undefined ? familiarKey(referenceKey(reference)) : ref
  } catch {
    return ref
  }
}
