import type { DistributionInspect, ImageInspect } from '../../api/engine/engine-json.ts'
import { ShoalError } from '../../base/errors.ts'
import { json } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'

export interface DistributionBackend {
  /** The local image. @throws not-found */
  inspect(ref: string): Promise<ImageInspect>
  /** Asks the registry, when there is a client for one. */
  distribution?(name: string, registryAuth: string | undefined, signal?: AbortSignal): Promise<DistributionInspect>
}

/**
 * GET /distribution/{name}/json: the client asks here for digest and platforms before it creates a service (point 5). Without a registry
 * client the local image answers, if it was pulled by digest; else an error at once, on which the CLI warns and goes on without pinning.
 */
export function distributionRoutes(backend: DistributionBackend): readonly Route[] {
  return [route('GET', '/distribution/{name...}/json', async request => {
    const name = request.params.name ?? ''
    if (backend.distribution !== undefined) return json(await backend.distribution(name, request.header('x-registry-auth'), request.signal))
    const image = await localImage(backend, name)
    const digest = image?.RepoDigests?.map(each => each.split('@')[1]).find(each => each !== undefined && each !== '')
    if (image === undefined || digest === undefined) {
      throw new ShoalError('not-found', 'digest-unknown', `the digest of ${name} is not known here; nodes use the image of that name as they have it`)
    }
    return json({
      Descriptor: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: image.Size ?? 0 },
      Platforms: [{ architecture: image.Architecture ?? '', os: image.Os ?? 'linux' }],
    } satisfies DistributionInspect)
  })]
}

async function localImage(backend: DistributionBackend, name: string): Promise<ImageInspect | undefined> {
  try {
    return await backend.inspect(name)
  } catch (error) {
    if (error instanceof ShoalError && error.kind === 'not-found') return undefined
    throw error
  }
}
