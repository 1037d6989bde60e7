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

const OCI = { manifest: 'application/vnd.oci.image.manifest.v1+json', index: 'application/vnd.oci.image.index.v1+json', config: 'application/vnd.oci.image.config.v1+json', layer: 'application/vnd.oci.image.layer.v1.tar' } as const
/** The same image gives the same archive whenever it is saved. */
const epoch = (): Date => new Date(0)

/**
 * A `docker save` archive, which is an OCI image layout too: blobs under their digests, manifest.json and repositories for those who know no better.
 * `scratch` is where layers are uncompressed to, one at a time.
 */
export function saveArchive(images: readonly SavedImage[], store: ImageStore, scratch: string): Readable {
  const tar = pack()
  const out = new PassThrough()
  const work = async (): Promise<void> => {
    for (const name of ['blobs/', 'blobs/sha256/']) await addDirectory(tar, name)
    const layerBytes = new Map<string, number>()
    for (const diffId of new Set(images.flatMap(({ image }) => image.diffIds))) layerBytes.set(diffId, await addLayer(tar, store, diffId, scratch))
    const descriptors: unknown[] = []
    for (const { image, keys } of images) {
      const config = await store.configBytes(image.id)
      await addFile(tar, blobName(image.id), config)
      const manifest = Buffer.from(JSON.stringify(ociManifest(image, config.length, layerBytes)))
      await addFile(tar, blobName(digestOf(manifest)), manifest)
      descriptors.push(...indexEntries(manifest, keys))
    }
    await addFile(tar, 'index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI.index, manifests: descriptors })))
    await addFile(tar, 'manifest.json', Buffer.from(`${JSON.stringify(images.map(saved => manifestEntry(saved, layerBytes)))}\n`))
    await addFile(tar, 'oci-layout', Buffer.from('{"imageLayoutVersion": "1.0.0"}'))
    if (images.some(({ keys }) => keys.length > 0)) await addFile(tar, 'repositories', Buffer.from(`${JSON.stringify(repositories(images))}\n`))
    tar.finalize()
  }
  work().catch((error: unknown) => { tar.destroy(error as Error) })
  pipeline(tar, out).catch((error: unknown) => { out.destroy(error as Error) })
  return out
}

function ociManifest(image: StoredImage, configBytes: number, layerBytes: ReadonlyMap<string, number>): unknown {
  return { schemaVersion: 2, mediaType: OCI.manifest, config: { mediaType: OCI.config, digest: image.id, size: configBytes }, layers: image.diffIds.map(diffId => layerDescriptor(diffId, layerBytes)) }
}

function layerDescriptor(diffId: string, layerBytes: ReadonlyMap<string, number>): unknown { return { mediaType: OCI.layer, digest: diffId, size: layerBytes.get(diffId) ?? 0 } }

/** One for each name; an image without names is there once all the same. */
function indexEntries(manifest: Buffer, keys: readonly string[]): readonly unknown[] {
  const descriptor = { mediaType: OCI.manifest, digest: digestOf(manifest), size: manifest.length }
  if (keys.length === 0) return [descriptor]
  return keys.map(key => ({ ...descriptor, annotations: { 'io.containerd.image.name': key, 'org.opencontainers.image.ref.name': key.slice(key.lastIndexOf(':') + 1) } }))
}

function manifestEntry({ image, keys }: SavedImage, layerBytes: ReadonlyMap<string, number>): unknown {
  return {
    Config: blobName(image.id), RepoTags: keys.length === 0 ? null : keys.map(familiarKey), Layers: image.diffIds.map(blobName),
    LayerSources: Object.fromEntries(image.diffIds.map(diffId => [diffId, layerDescriptor(diffId, layerBytes)])),
  }
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

async function addLayer(tar: Pack, store: ImageStore, diffId: string, scratch: string): Promise<number> {
  const path = join(scratch, hex(diffId).slice(0, 16))
  await pipeline(store.layers.tar(diffId), createWriteStream(path))
  const { size } = await stat(path)
  await new Promise<void>((resolve, reject) => {
    const entry = tar.entry({ name: blobName(diffId), size, mtime: epoch() }, error => { if (error) reject(error); else resolve() })
    // A client that leaves destroys the archive, and the entry with it.
    entry.on('error', reject)
    createReadStream(path).on('error', reject).pipe(entry)
  })
  return size
}

function addFile(tar: Pack, name: string, contents: Buffer): Promise<void> {
  return new Promise((resolve, reject) => { tar.entry({ name, mtime: epoch() }, contents, error => { if (error) reject(error); else resolve() }) })
}

function addDirectory(tar: Pack, name: string): Promise<void> {
  return new Promise((resolve, reject) => { tar.entry({ name, type: 'directory', mtime: epoch() }, error => { if (error) reject(error); else resolve() }) })
}

function digestOf(bytes: Uint8Array): string { return `sha256:${createHash('sha256').update(bytes).digest('hex')}` }
function blobName(digest: string): string { return `blobs/sha256/${hex(digest)}` }
function hex(digest: string): string { return digest.replace(/^sha256:/, '') }
