import { hasCode, ShoalError } from '../../../src/base/errors.ts'
import { parseImageConfig, type ImageConfigFile } from '../image/image-config.ts'
import { referenceKey, type ImageReference } from '../image/image-reference.ts'
import type { ImageStore, StoredImage } from '../image/image-store.ts'
import { Limiter } from '../limiter.ts'
import type { LayerDownloads } from './layer-downloads.ts'
import { parseManifest, type Descriptor, type Manifest } from './manifest.ts'
import { choosePlatform, platformText, type Platform } from '../image/platform.ts'
import { shortDigest, type Progress } from '../image/progress.ts'
import { RegistryRefusal } from './registry-error.ts'
import type { FetchedManifest, RepositoryClient } from './repository-client.ts'

/** Configurations are held in memory; real ones have some KiB. */
const CONFIG_BYTES_MAX = 8 * 1024 * 1024

export interface PullSurroundings {
  readonly store: ImageStore
  readonly downloads: LayerDownloads
  readonly client: RepositoryClient
  readonly progress: Progress
  readonly platform: Platform
  /** Somebody asked for this platform by name. */
  readonly isPlatformAsked: boolean
  readonly downloadsMax: number
  readonly attemptsMax: number
  readonly signal: AbortSignal
}

/**
 * Brings one image here: manifest, configuration, layers, each checked against its digest, then the names. The image exists when all of it is there.
 * @returns whether its name points to another image now @throws RegistryRefusal, RegistryUnreachable, `malformed-image`
 */
export async function pullImage(reference: ImageReference, around: PullSurroundings): Promise<boolean> {
  const { store, client, progress, signal } = around
  const asked = reference.digest ?? reference.tag ?? 'latest'
  const digest = reference.digest ?? await currentDigest(client, asked, signal)
  const local = digest === undefined || around.isPlatformAsked ? undefined : store.find(`${reference.repository}@${digest}`)
  const top = local === undefined ? await client.manifest(digest ?? asked, signal) : undefined
  progress.message(`Pulling from ${client.path}`, asked)
  const image = local ?? await fetchImage(top as FetchedManifest, reference, around)
  const key = referenceKey(reference)
  const isNew = store.find(key)?.id !== image.id
  const topDigest = top?.digest ?? digest ?? ''
  await store.name(key, image.id, `${reference.repository}@${topDigest}`)
  progress.message(`Digest: ${topDigest}`)
  return isNew
}

/** Spares a download of what is here; a registry that cannot say is asked for the manifest instead. */
async function currentDigest(client: RepositoryClient, tag: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await client.manifestDigest(tag, signal)
  } catch (error) {
    // The reason is in the body, which an answer to HEAD does not have.
    if (error instanceof RegistryRefusal) return undefined
    throw error
  }
}

async function fetchImage(top: FetchedManifest, reference: ImageReference, around: PullSurroundings): Promise<StoredImage> {
  const manifest = await imageManifest(parseManifest(top.bytes, top.mediaType), around)
  const { store, client, signal } = around
  const known = store.find(manifest.config.digest)
  if (known !== undefined) return known
  const bytes = await client.smallBlob(manifest.config.digest, CONFIG_BYTES_MAX, signal)
  const config = parseImageConfig(bytes)
  if (config.os !== undefined && config.os !== '' && config.os !== 'linux') throw new RegistryRefusal(200, 'OS', `image operating system ${JSON.stringify(config.os)} cannot be used on this platform`)
  const diffIds = config.rootfs?.diff_ids ?? []
  if (diffIds.length !== manifest.layers.length) throw new RegistryRefusal(200, 'ROOTFS', "layers from manifest don't match image configuration")
  const unpin = await store.pin(diffIds)
  try {
    await fetchLayers(manifest.layers, config, reference.repository, around)
    return await store.add(bytes)
  } finally {
    await unpin()
  }
}

async function imageManifest(manifest: Manifest, { client, platform, signal }: PullSurroundings): Promise<Manifest & { readonly kind: 'image' }> {
  if (manifest.kind === 'image') return manifest
  const chosen = choosePlatform(manifest.manifests, platform)
  if (chosen === undefined) throw new ShoalError('not-found', 'no-matching-manifest', `no matching manifest for ${platformText(platform)} in the manifest list entries`)
  const { bytes, mediaType } = await client.manifest(chosen.digest, signal)
  const inner = parseManifest(bytes, mediaType)
  if (inner.kind === 'index') throw new RegistryRefusal(200, 'MANIFEST_INVALID', `${chosen.digest} is a list within a list of manifests`)
  return inner
}

/** Several at once on their way, unpacked one after another from the bottom up. */
async function fetchLayers(layers: readonly Descriptor[], config: ImageConfigFile, repository: string, around: PullSurroundings): Promise<void> {
  const { store, downloads, progress, signal } = around
  const diffIds = config.rootfs?.diff_ids ?? []
  const missing = new Map<string, Descriptor>()
  for (const [at, layer] of layers.entries()) {
    const diffId = diffIds[at] ?? ''
    if (await store.layers.get(diffId) !== undefined) progress.update(shortDigest(layer.digest), 'Already exists')
    else {
      progress.update(shortDigest(layer.digest), 'Pulling fs layer')
      missing.set(diffId, layer)
    }
  }
  const unhold = downloads.hold([...missing.values()].map(({ digest }) => digest))
  const failed = new AbortController()
  const stop = AbortSignal.any([signal, failed.signal])
  const places = new Limiter(around.downloadsMax)
  const coming = [...missing].map(([diffId, layer]) => ({ diffId, layer, file: download(layer, places, { ...around, signal: stop }) }))
  for (const { file } of coming) file.catch((error: unknown) => { failed.abort(error) })
  try {
    for (const { diffId, layer, file } of coming) await unpack(diffId, layer, await file, repository, { ...around, signal: stop })
    for (const { layer } of coming) await downloads.release(layer.digest)
  } catch (error) {
    failed.abort(error)
    signal.throwIfAborted()
    throw failed.signal.reason
  } finally {
    await Promise.allSettled(coming.map(({ file }) => file))
    unhold()
  }
}

async function download(layer: Descriptor, places: Limiter, { downloads, client, progress, attemptsMax, signal }: PullSurroundings): Promise<string> {
  const id = shortDigest(layer.digest)
  if (places.isFull) progress.update(id, 'Waiting')
  return places.run(async () => {
    const file = await downloads.fetch(client, layer, {
      signal, attemptsMax, onBytes: bytes => { progress.figure(id, 'Downloading', bytes, layer.size) },
      onRetry: seconds => { progress.update(id, `Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`) }, onVerify: () => { progress.update(id, 'Verifying Checksum') },
    })
    progress.update(id, 'Download complete')
    return file
  })
}

async function unpack(diffId: string, layer: Descriptor, file: string, repository: string, { store, progress, signal }: PullSurroundings): Promise<void> {
  const id = shortDigest(layer.digest)
  const blob = { digest: layer.digest, sizeBytes: layer.size, repositories: [repository] }
  try {
    if (await store.layers.get(diffId) === undefined) await store.layers.addFile(file, diffId, { blob, signal, onRead: bytes => { progress.figure(id, 'Extracting', bytes, layer.size) } })
  } catch (error) {
    // Another pull of the same layer was faster, and has let the file go.
    if (await store.layers.get(diffId) === undefined) throw hasCode(error, 'malformed-image') ? new RegistryRefusal(200, 'LAYER', `failed to register layer: ${(error as Error).message}`) : error
  }
  progress.update(id, 'Pull complete')
}
