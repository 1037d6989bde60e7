import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { readJson, writeDurably } from '../durable-file.ts'
import { Mutex } from '../mutex.ts'
import { familiarKey, parseReference, referenceKey } from './image-reference.ts'
import type { LayerStore } from './layer-store.ts'

/** The image configuration of the OCI image specification; its bytes' digest is the image's id. */
export interface ImageConfigFile {
  readonly architecture?: string
  readonly os?: string
  readonly variant?: string
  readonly created?: string
  readonly author?: string
  readonly comment?: string
  readonly docker_version?: string
  readonly config?: ImageConfig
  readonly rootfs?: { readonly type?: string; readonly diff_ids?: readonly string[] }
  readonly history?: readonly { readonly created?: string; readonly created_by?: string; readonly comment?: string; readonly author?: string; readonly empty_layer?: boolean }[]
}

export interface StoredImage {
  /** "sha256:…" */
  readonly id: string
  readonly file: ImageConfigFile
  readonly diffIds: readonly string[]
  readonly sizeBytes: number
}

/** Images and their names, in memory and on disk: a config's bytes under its digest, the names in one file. Layers are shared through LayerStore. */
export class ImageStore {
  readonly layers: LayerStore
  readonly #root: string
  readonly #images = new Map<string, StoredImage>()
  readonly #naming = new Mutex()
  /** "docker.io/library/busybox:latest" -> id */
  #names: ReadonlyMap<string, string> = new Map()

  constructor(root: string, layers: LayerStore) {
    this.#root = root
    this.layers = layers
  }

  async open(): Promise<void> {
    await mkdir(this.#configs, { recursive: true, mode: 0o700 })
    await this.layers.open()
    for (const name of await readdir(this.#configs)) {
      if (name.endsWith('.json')) await this.#load(await readFile(join(this.#configs, name)))
    }
    const names = await readJson<Record<string, string>>(this.#namesPath) ?? {}
    this.#names = new Map(Object.entries(names).filter(([, id]) => this.#images.has(id)))
  }

  get #configs(): string { return join(this.#root, 'configs') }
  get #namesPath(): string { return join(this.#root, 'names.json') }

  all(): readonly StoredImage[] { return [...this.#images.values()] }
  /** All stored keys, sorted. */
  names(): readonly string[] { return [...this.#names.keys()].sort() }
  /** Stored keys of an image, sorted. */
  namesOf(id: string): readonly string[] { return [...this.#names].filter(([, target]) => target === id).map(([key]) => key).sort() }

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

  /** @throws `no-such-image` (not-found) */
  get(ref: string): StoredImage {
    const image = this.find(ref)
    if (image === undefined) throw new ShoalError('not-found', 'no-such-image', `No such image: ${familiarName(ref)}`)
    return image
  }

  /** Adds an image whose layers are in the layer store already; durable. @throws `malformed-image` */
  async add(config: Uint8Array): Promise<StoredImage> {
    const image = await this.#load(config)
    await writeDurably(join(this.#configs, `${image.id.slice(7)}.json`), config, { sync: true })
    return image
  }

  /** The configuration as it came, byte for byte. */
  configBytes(id: string): Promise<Buffer> { return readFile(join(this.#configs, `${id.slice(7)}.json`)) }

  /** Points a name at an image; the image that had it before stays, maybe nameless. */
  async name(key: string, id: string): Promise<void> { await this.#rename(names => new Map([...names, [key, id]])) }

  async unname(key: string): Promise<void> { await this.#rename(names => new Map([...names].filter(([name]) => name !== key))) }

  /** Deletes an image and the layers that no other image has. @returns their digests */
  async remove(id: string): Promise<readonly string[]> {
    const image = this.#images.get(id)
    if (image === undefined) return []
    await this.#rename(names => new Map([...names].filter(([, target]) => target !== id)))
    this.#images.delete(id)
    await rm(join(this.#configs, `${id.slice(7)}.json`), { force: true })
    const kept = new Set(this.all().flatMap(other => other.diffIds))
    const orphans = [...new Set(image.diffIds)].filter(diffId => !kept.has(diffId))
    for (const diffId of orphans) await this.layers.remove(diffId)
    return orphans
  }

  /** Deletes these layers if no image has them: after a load that failed half way. */
  async dropLayers(diffIds: readonly string[]): Promise<void> {
    const kept = new Set(this.all().flatMap(image => image.diffIds))
    for (const diffId of diffIds) if (!kept.has(diffId)) await this.layers.remove(diffId)
  }

  #named(ref: string): StoredImage | undefined {
    let key: string
    try {
      const reference = parseReference(ref)
      if (reference.digest !== undefined && reference.tag === undefined) return this.#images.get(reference.digest)
      key = referenceKey(reference)
    } catch {
      return undefined
    }
    const id = this.#names.get(key)
    return id === undefined ? undefined : this.#images.get(id)
  }

  async #load(bytes: Uint8Array): Promise<StoredImage> {
    const file = parseConfig(bytes)
    const diffIds = file.rootfs?.diff_ids ?? []
    const layers = await Promise.all(diffIds.map(diffId => this.layers.get(diffId)))
    const sizeBytes = layers.reduce((sum, layer) => sum + (layer?.sizeBytes ?? 0), 0)
    const image = { id: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, file, diffIds, sizeBytes }
    this.#images.set(image.id, image)
    return image
  }

  async #rename(change: (names: ReadonlyMap<string, string>) => ReadonlyMap<string, string>): Promise<void> {
    await this.#naming.run(async () => {
      const names = change(this.#names)
      await writeDurably(this.#namesPath, JSON.stringify(Object.fromEntries(names)), { sync: true })
      this.#names = names
    })
  }
}

function parseConfig(bytes: Uint8Array): ImageConfigFile {
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as ImageConfigFile
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'malformed-image', 'the image configuration is not JSON', { cause })
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
