import type { Platform } from '../image/platform.ts'
import { RegistryRefusal } from './registry-error.ts'

export const MEDIA = {
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json', dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json', ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json', ociConfig: 'application/vnd.oci.image.config.v1+json', dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const
export const ACCEPTED_MANIFESTS = [MEDIA.dockerManifest, MEDIA.dockerList, MEDIA.ociIndex, MEDIA.ociManifest, 'application/vnd.docker.distribution.manifest.v1+prettyjws'].join(', ')

/** The specification's limit for registries. */
export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024
/** As many as dockerd mounts at once. */
export const LAYERS_MAX = 125
/** Images for as many platforms in one list, their attestations counted. */
const PLATFORMS_MAX = 1000

export interface Descriptor { readonly mediaType: string; readonly digest: string; readonly size: number; readonly platform?: Platform }
export type Manifest =
  | { readonly kind: 'image'; readonly mediaType: string; readonly config: Descriptor; readonly layers: readonly Descriptor[] }
  | { readonly kind: 'index'; readonly mediaType: string; readonly manifests: readonly Descriptor[] }

type Fields = Readonly<Record<string, unknown>>

/** A manifest that came from outside. `mediaType` is the header's; the document's own counts first. @throws RegistryRefusal naming what is wrong */
export function parseManifest(bytes: Uint8Array, mediaType: string): Manifest {
  let document: unknown
  try {
    document = JSON.parse(Buffer.from(bytes).toString())
  } catch {
    throw refused('it is not JSON')
  }
  const fields = fieldsOf(document, 'the manifest')
  const type = typeof fields['mediaType'] === 'string' ? fields['mediaType'] : mediaType
  if (fields['schemaVersion'] === 1 || /docker\.distribution\.manifest\.v1\+/.test(type)) {
    throw new RegistryRefusal(200, 'SCHEMA1', '[DEPRECATION NOTICE] Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed; push the image again with a newer client')
  }
  if (fields['schemaVersion'] !== 2) throw refused('its schemaVersion is not 2')
  if (Array.isArray(fields['manifests'])) return { kind: 'index', mediaType: type, manifests: descriptors(fields['manifests'], PLATFORMS_MAX) }
  const config = descriptorOf(fields['config'])
  if (config.mediaType.startsWith('application/vnd.docker.plugin')) throw new RegistryRefusal(200, 'PLUGIN', `Encountered remote "${config.mediaType}"(plugin) when fetching`)
  if (config.mediaType !== MEDIA.dockerConfig && config.mediaType !== MEDIA.ociConfig && config.mediaType !== 'application/octet-stream') throw new RegistryRefusal(200, 'NO_IMAGE', `Encountered remote "${config.mediaType}"(unknown) when fetching`)
  const layers = descriptors(fields['layers'] ?? [], Infinity)
  if (layers.length > LAYERS_MAX) throw new RegistryRefusal(200, 'TOO_MANY_LAYERS', `max depth exceeded: it has ${layers.length} layers, and ${LAYERS_MAX} are possible`)
  return { kind: 'image', mediaType: type, config, layers: layers.map(checkLayer) }
}

/** Layers that live elsewhere than in the registry are Windows'. */
function checkLayer(layer: Descriptor): Descriptor {
  if (/foreign|nondistributable/.test(layer.mediaType)) throw new RegistryRefusal(200, 'FOREIGN_LAYER', `layer ${layer.digest} is a foreign layer (${layer.mediaType}), which is not supported`)
  return layer
}

function descriptors(value: unknown, max: number): readonly Descriptor[] {
  if (!Array.isArray(value)) throw refused('its layers and manifests must be lists')
  if (value.length > max) throw refused(`it names more than ${max} manifests`)
  return value.map(descriptorOf)
}

function descriptorOf(value: unknown): Descriptor {
  const { mediaType, digest, size, platform } = fieldsOf(value, 'a descriptor')
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest)) throw refused('a digest in it is no "sha256:…"')
  if (!Number.isSafeInteger(size) || (size as number) < 0) throw refused(`the size of ${digest} is no number`)
  return { mediaType: typeof mediaType === 'string' ? mediaType : '', digest, size: size as number, ...(platform === undefined || platform === null ? {} : { platform: platformOf(platform) }) }
}

function platformOf(value: unknown): Platform {
  const { os, architecture, variant } = fieldsOf(value, 'a platform')
  const text = (field: unknown): string => (typeof field === 'string' ? field : '')
  return { os: text(os), architecture: text(architecture), ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) }
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(`${what} is no object`)
  return value as Fields
}

function refused(reason: string): RegistryRefusal {
  return new RegistryRefusal(200, 'MANIFEST_INVALID', `the manifest cannot be read: ${reason}`)
}
