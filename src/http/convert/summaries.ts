import type { ContainerSummary, ImageInspect, ImageSummary } from '../../api/engine/engine-json.ts'
import { isAtLeast, type ApiVersion } from '../server/api-version.ts'

/** An element of GET /images/json with the members that typed clients insist on; VirtualSize is what old ones read. */
export function completeImage(image: ImageSummary, version: ApiVersion): ImageSummary & { readonly VirtualSize?: number } {
  const all = { Containers: -1, Created: 0, Labels: null, ParentId: '', RepoDigests: [], RepoTags: [], SharedSize: -1, Size: 0, ...image }
  return isAtLeast(version, 44) ? all : { ...all, VirtualSize: all.Size }
}

/** What older clients expect of an image's configuration: that of a container. */
const LEGACY_CONFIG = {
  Hostname: '', Domainname: '', User: '', AttachStdin: false, AttachStdout: false, AttachStderr: false, Tty: false, OpenStdin: false, StdinOnce: false, Env: null, Cmd: null, Image: '',
  Volumes: null, WorkingDir: '', Entrypoint: null, OnBuild: null, Labels: null,
}

/** GET /images/{name}/json for that version. */
export function completeImageInspect(image: ImageInspect, version: ApiVersion): ImageInspect & Readonly<Record<string, unknown>> {
  return {
    ...image,
    ...(isAtLeast(version, 50) ? { Config: withoutEmpty(image.Config ?? {}) } : { Config: { ...LEGACY_CONFIG, ...image.Config } }),
    ...(isAtLeast(version, 45) ? {} : { Container: '', ContainerConfig: LEGACY_CONFIG }),
    ...(isAtLeast(version, 44) ? {} : { VirtualSize: image.Size ?? 0 }),
  }
}

/** The OCI configuration leaves out what is not set. */
function withoutEmpty(config: NonNullable<ImageInspect['Config']>): NonNullable<ImageInspect['Config']> {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null && value !== undefined && value !== '' && value !== false))
}

/** An element of GET /containers/json; service discovery reads the networks without looking whether there are any. */
export function completeContainer(container: ContainerSummary): ContainerSummary {
  return {
    Names: [], Image: '', ImageID: '', Command: '', Created: 0, Ports: [], Labels: {}, Status: '', Mounts: [], ...container,
    HostConfig: { NetworkMode: 'default', ...container.HostConfig }, NetworkSettings: { Networks: {}, ...container.NetworkSettings },
  }
}
