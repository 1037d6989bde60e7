import type { DistributionInspect } from '../../../src/api/engine/engine-json.ts'
import { parseImageConfig } from '../image/image-config.ts'
import { parseManifest } from './manifest.ts'
import type { RepositoryClient } from './repository-client.ts'

const CONFIG_BYTES_MAX = 8 * 1024 * 1024

/** What a registry has under a tag or digest: what is to be pinned, and for which platforms it is there. @throws RegistryRefusal, RegistryUnreachable */
export async function describeImage(client: RepositoryClient, reference: string, signal?: AbortSignal): Promise<DistributionInspect> {
  const { bytes, digest, mediaType } = await client.manifest(reference, signal)
  const manifest = parseManifest(bytes, mediaType)
  const descriptor = { mediaType: manifest.mediaType, digest, size: bytes.length }
  if (manifest.kind === 'index') return { Descriptor: descriptor, Platforms: manifest.manifests.flatMap(({ platform }) => (platform === undefined ? [] : [platform])) }
  const { os = 'linux', architecture = '', variant } = parseImageConfig(await client.smallBlob(manifest.config.digest, CONFIG_BYTES_MAX, signal))
  return { Descriptor: descriptor, Platforms: [{ architecture, os, ...(variant === undefined ? {} : { variant }) }] }
}
