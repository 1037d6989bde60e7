import type { ContainerSummary, ImageInspect, ImageSummary } from '../../api/engine/engine-json.ts'
import { isAtLeast, type ApiVersion } from '../server/api-version.ts'

/** An element of GET /images/json with the members that typed clients insist on; VirtualSize is what old ones read. */
export function completeImage(image: ImageSummary, version: ApiVersion): ImageSummary & { readonly VirtualSize?: number } {
  const all = { Containers: -1, Created: 0, Labels: null, ParentId: '', RepoDigests: [], RepoTags: [], SharedSize: -1, Size: 0, ...image }
  return isAtLeast(version, 44) ? all : { ...all, VirtualSize: all.Size }
}

/** GET /images/{name}/json for that version. */
export function completeImageInspect(image: ImageInspect, version: ApiVersion): ImageInspect & { readonly VirtualSize?: number } {
  return isAtLeast(version, 44) ? image : { ...image, VirtualSize: image.Size ?? 0 }
}

/** An element of GET /containers/json; service discovery reads the networks without looking whether there are any. */
export function completeContainer(container: ContainerSummary): ContainerSummary {
  return {
    Names: [], Image: '', ImageID: '', Command: '', Created: 0, Ports: [], Labels: {}, Status: '', Mounts: [], ...container,
    HostConfig: { NetworkMode: 'default', ...container.HostConfig }, NetworkSettings: { Networks: {}, ...container.NetworkSettings },
  }
}
