import { createReadStream } from 'node:fs'
import { Transform, type Readable } from 'node:stream'
import type { Clock } from '../../../src/base/clock.ts'
import { splitRepository } from '../image/image-reference.ts'
import type { ImageStore, StoredImage } from '../image/image-store.ts'
import type { LayerBlob } from '../image/layer-store.ts'
import { Limiter } from '../limiter.ts'
import { compressedLayer } from './compressed-layer.ts'
import { MEDIA } from './manifest.ts'
import { shortDigest, type Progress } from '../image/progress.ts'
import { RegistryRefusal, RegistryUnreachable } from './registry-error.ts'
import { digestOf, type RepositoryClient, type Upload } from './repository-client.ts'

const READ_CHUNK_BYTES = 1 << 18
const RETRY_STEP_MS = 1_000

export interface PushSurroundings {
  readonly store: ImageStore
  readonly client: RepositoryClient
  readonly progress: Progress
  /** "localhost:5000/team/app" */
  readonly repository: string
  readonly uploadsMax: number
  readonly attemptsMax: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Sends what the registry lacks of one image, then its manifest under the tag. Layers that it has, here or in another repository, are not sent. @throws RegistryRefusal, RegistryUnreachable */
export async function pushImage(image: StoredImage, tag: string, around: PushSurroundings): Promise<void> {
  const { store, client, progress, repository, signal } = around
  const diffIds = [...new Set(image.diffIds)]
  for (const diffId of diffIds.toReversed()) progress.update(shortDigest(diffId), 'Preparing')
  const blobs = await pushLayers(diffIds, around)
  const config = await store.configBytes(image.id)
  await pushSmall(config, around)
  const manifest = manifestOf({ digest: image.id, size: config.length }, image.diffIds.map(diffId => blobs.get(diffId) as Blob))
  const digest = digestOf(manifest)
  await client.putManifest(tag, manifest, MEDIA.dockerManifest, signal)
  await store.name(`${repository}@${digest}`, image.id)
  progress.message(`${tag}: digest: ${digest} size: ${manifest.length}`)
  progress.aux({ Tag: tag, Digest: digest, Size: manifest.length })
}

type Blob = Omit<LayerBlob, 'repositories'>

async function pushLayers(diffIds: readonly string[], around: PushSurroundings): Promise<ReadonlyMap<string, Blob>> {
  const { progress, uploadsMax, signal } = around
  const failed = new AbortController()
  const stop = AbortSignal.any([signal, failed.signal])
  const places = new Limiter(uploadsMax)
  const going = diffIds.toReversed().map(async diffId => {
    if (places.isFull) progress.update(shortDigest(diffId), 'Waiting')
    try {
      return [diffId, await places.run(async () => { stop.throwIfAborted(); return pushLayer(diffId, { ...around, signal: stop }) })] as const
    } catch (error) {
      failed.abort(error)
      throw error
    }
  })
  await Promise.allSettled(going)
  signal.throwIfAborted()
  if (failed.signal.aborted) throw failed.signal.reason
  return new Map(await Promise.all(going))
}

async function pushLayer(diffId: string, around: PushSurroundings): Promise<Blob> {
  const { store, client, progress, repository, signal } = around
  const id = shortDigest(diffId)
  const known = (await store.layers.get(diffId))?.blob
  const noted = async (blob: Blob, status: string): Promise<Blob> => {
    await store.layers.noteBlob(diffId, { digest: blob.digest, sizeBytes: blob.sizeBytes }, repository)
    progress.update(id, status)
    return blob
  }
  if (known !== undefined && await client.hasBlob(known.digest, signal)) return noted(known, 'Layer already exists')
  const mounted = known === undefined ? undefined : await mount(known, around)
  if (known !== undefined && typeof mounted === 'string') return noted(known, `Mounted from ${mounted}`)
  await using layer = await compressedLayer(store.layers, diffId, signal)
  if (layer.digest !== known?.digest && await client.hasBlob(layer.digest, signal)) return noted(layer, 'Layer already exists')
  await upload(layer, id, around)
  return noted(layer, 'Pushed')
}

/** Another repository of the same registry from which the blob could be taken over; undefined when there is none. */
async function mount(blob: LayerBlob, { client, repository, signal }: PushSurroundings): Promise<string | undefined> {
  const { domain } = splitRepository(repository)
  for (const candidate of blob.repositories.toReversed()) {
    const { domain: host, path } = splitRepository(candidate)
    if (host !== domain || candidate === repository) continue
    if (await client.mountOrBegin(blob.digest, path, signal) === 'mounted') return path
  }
  return undefined
}

/** From where it broke off, as long as some of it arrives with each try. */
async function upload(layer: { readonly path: string; readonly digest: string; readonly sizeBytes: number }, id: string, around: PushSurroundings): Promise<void> {
  const { client, progress, attemptsMax, clock, signal } = around
  let session: Upload = await client.beginUpload(signal)
  for (let attempt = 1; session.offset < layer.sizeBytes; attempt++) {
    const from = session.offset
    try {
      session = await client.sendChunk(session, () => metered(layer.path, from, bytes => { progress.figure(id, 'Pushing', from + bytes, layer.sizeBytes) }), layer.sizeBytes - from, signal)
    } catch (error) {
      signal.throwIfAborted()
      const isTransient = error instanceof RegistryUnreachable || (error instanceof RegistryRefusal && (error.status >= 500 || error.status === 416 || error.status === 429))
      if (!isTransient || attempt >= attemptsMax) throw error
      progress.update(id, `Retrying in ${attempt} second${attempt === 1 ? '' : 's'}`)
      await clock.sleep(attempt * RETRY_STEP_MS, signal)
      session = await resumed(client, session, signal)
    }
    if (session.offset > from) attempt = 0
  }
  await client.finishUpload(session, layer.digest, signal)
}

/** Where the upload stands; a new one when the registry has forgotten it. */
async function resumed(client: RepositoryClient, session: Upload, signal: AbortSignal): Promise<Upload> {
  try {
    return await client.uploadStatus(session, signal)
  } catch (error) {
    if (error instanceof RegistryRefusal) return client.beginUpload(signal)
    throw error
  }
}

function metered(path: string, from: number, onBytes: (bytes: number) => void): Readable {
  let bytes = 0
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      onBytes(bytes)
      done(null, chunk)
    },
  })
  const source = createReadStream(path, { start: from, highWaterMark: READ_CHUNK_BYTES })
  source.on('error', error => meter.destroy(error))
  meter.on('close', () => source.destroy())
  return source.pipe(meter)
}

async function pushSmall(bytes: Buffer, { client, signal }: PushSurroundings): Promise<void> {
  const digest = digestOf(bytes)
  if (await client.hasBlob(digest, signal)) return
  const session = await client.sendChunk(await client.beginUpload(signal), () => bytes, bytes.length, signal)
  await client.finishUpload(session, digest, signal)
}

/** Byte for byte as dockerd writes it, so that the same image has the same digest whoever pushes it. */
function manifestOf(config: { readonly digest: string; readonly size: number }, layers: readonly Blob[]): Buffer {
  return Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: MEDIA.dockerManifest,
    config: { mediaType: MEDIA.dockerConfig, size: config.size, digest: config.digest },
    layers: layers.map(({ digest, sizeBytes }) => ({ mediaType: MEDIA.dockerLayer, size: sizeBytes, digest })),
  }, null, 3))
}
