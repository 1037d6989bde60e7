import { rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { readImageArchive, type ArchivedImage } from './image-archive.ts'
import { parseImageConfig } from './image-config.ts'
import { familiarKey, parseReference, referenceKey } from './image-reference.ts'
import type { ImageStore, StoredImage } from './image-store.ts'
import { malformedImage } from './malformed-image.ts'
import { matchesPlatform, type Platform } from './platform.ts'
import { shortDigest, type Progress } from './progress.ts'

export interface LoadOptions {
  readonly store: ImageStore
  /** This machine's. */
  readonly platform: Platform
  /** Only images for this one. */
  readonly wanted: Platform | undefined
  readonly quiet: boolean
  readonly progress: Progress
  readonly signal: AbortSignal
  readonly onLoaded: (image: StoredImage, keys: readonly string[]) => void
}

/** Adds the images of an archive with their names, one after another: each is there whole or not at all. @throws `malformed-image` */
export async function loadImages(tar: Readable, options: LoadOptions): Promise<void> {
  const { store, progress, wanted } = options
  const directory = await store.layers.temporaryDirectory()
  try {
    const ids: string[] = []
    let names = 0
    for (const archived of await readImageArchive(tar, directory, wanted ?? options.platform)) {
      const { os = 'linux', architecture = '', variant } = parseImageConfig(archived.config)
      if (wanted !== undefined && !matchesPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) }, wanted)) continue
      const keys = archived.names.map(name => referenceKey(parseReference(name)))
      const image = await loadOne(archived, options)
      ids.push(image.id)
      for (const key of keys) {
        await rename(key, image, options)
        progress.stream(`Loaded image: ${familiarKey(key)}\n`)
      }
      names = keys.length
      options.onLoaded(image, keys)
    }
    if (names === 0) for (const id of ids) progress.stream(`Loaded image ID: ${id}\n`)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function rename(key: string, image: StoredImage, { store, progress }: LoadOptions): Promise<void> {
  const before = store.find(key)
  if (before !== undefined && before.id !== image.id) progress.stream(`The image ${familiarKey(key)} already exists, renaming the old one with ID ${before.id} to empty string\n`)
  await store.name(key, image.id)
}

/** Layers first, then the configuration that makes the image exist. */
async function loadOne(archived: ArchivedImage, { store, quiet, progress, signal }: LoadOptions): Promise<StoredImage> {
  const { os = 'linux', rootfs } = parseImageConfig(archived.config)
  if (os !== '' && os !== 'linux') throw malformedImage(`cannot load ${os} image on linux`)
  const wanted = rootfs?.diff_ids ?? []
  if (wanted.length !== archived.layers.length) throw malformedImage(`invalid manifest, layers length mismatch: expected ${archived.layers.length}, got ${wanted.length}`)
  const unpin = await store.pin(wanted)
  try {
    for (const [at, diffId] of wanted.entries()) {
      if (await store.layers.get(diffId) !== undefined) continue
      const path = archived.layers[at]?.() ?? ''
      await store.layers.addFile(path, diffId, { signal, onRead: (bytes, total) => { if (!quiet) progress.figure(shortDigest(diffId), 'Loading layer', bytes, total) } })
    }
    return await store.add(archived.config)
  } finally {
    await unpin()
  }
}
