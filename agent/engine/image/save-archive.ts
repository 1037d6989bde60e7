import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack, type Pack } from 'tar-stream'
import { familiarKey } from './image-reference.ts'
import type { ImageStore, StoredImage } from './image-store.ts'

export interface SavedImage { readonly image: StoredImage; readonly keys: readonly string[] }

/** A `docker save` archive (manifest.json, repositories, one file per configuration and layer). `scratch` is where layers are uncompressed to, one at a time. */
export function saveArchive(images: readonly SavedImage[], store: ImageStore, scratch: string, configBytes: (image: StoredImage) => Promise<Buffer>): Readable {
  const tar = pack()
  const out = new PassThrough()
  const work = async (): Promise<void> => {
    for (const diffId of new Set(images.flatMap(({ image }) => image.diffIds))) await addLayer(tar, store, diffId, scratch)
    for (const { image } of images) await addFile(tar, `${hex(image.id)}.json`, await configBytes(image))
    await addFile(tar, 'manifest.json', Buffer.from(JSON.stringify(images.map(manifestEntry))))
    await addFile(tar, 'repositories', Buffer.from(JSON.stringify(repositories(images))))
    tar.finalize()
  }
  work().catch((error: unknown) => { tar.destroy(error as Error) })
  pipeline(tar, out).catch((error: unknown) => { out.destroy(error as Error) })
  return out
}

function manifestEntry({ image, keys }: SavedImage): Readonly<Record<string, unknown>> {
  return { Config: `${hex(image.id)}.json`, RepoTags: keys.length === 0 ? null : keys.map(familiarKey), Layers: image.diffIds.map(layerName) }
}

function repositories(images: readonly SavedImage[]): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const result: Record<string, Record<string, string>> = {}
  for (const { image, keys } of images) {
    for (const key of keys.map(familiarKey)) {
      const at = key.lastIndexOf(':')
      result[key.slice(0, at)] = { ...result[key.slice(0, at)], [key.slice(at + 1)]: hex(image.diffIds.at(-1) ?? image.id) }
    }
  }
  return result
}

async function addLayer(tar: Pack, store: ImageStore, diffId: string, scratch: string): Promise<void> {
  const path = join(scratch, createHash('sha256').update(diffId).digest('hex').slice(0, 16))
  await pipeline(store.layers.tar(diffId), createWriteStream(path))
  const { size } = await stat(path)
  await new Promise<void>((resolve, reject) => {
    const entry = tar.entry({ name: layerName(diffId), size }, error => { if (error) reject(error); else resolve() })
    createReadStream(path).on('error', reject).pipe(entry)
  })
}

function addFile(tar: Pack, name: string, contents: Buffer): Promise<void> {
  return new Promise((resolve, reject) => { tar.entry({ name }, contents, error => { if (error) reject(error); else resolve() }) })
}

function layerName(diffId: string): string { return `${hex(diffId)}/layer.tar` }
function hex(digest: string): string { return digest.replace(/^sha256:/, '') }
