import type { ContainerSummary, ImageSummary, Volume } from '../../api/engine/engine-json.ts'
import type { BuildCacheRecord } from '../../api/engine/build-request.ts'
import { ShoalError } from '../../base/errors.ts'
import type { Filters } from '../convert/filters.ts'
import { json } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'

export interface DiskUsageBackend {
  readonly containers: { list(options: { readonly all: boolean; readonly size: boolean }): Promise<readonly ContainerSummary[]> }
  readonly images: { list(options: { readonly all: boolean; readonly sharedSize: boolean }): Promise<readonly ImageSummary[]>; layersBytes?(): Promise<number> }
  readonly builder?: { usage(): Promise<readonly BuildCacheRecord[]> } | undefined
  readonly volumes: { list(filters: Filters, options: { readonly size: boolean }): Promise<{ readonly Volumes: readonly Volume[] }> }
}

const TYPES = ['container', 'image', 'volume', 'build-cache']
/** What Docker says when a size is not known; clients print N/A. */
const UNKNOWN_USAGE = { Size: -1, RefCount: -1 }

/** GET /system/df, put together from the lists. */
export function diskUsageRoutes({ containers, images, volumes, builder }: DiskUsageBackend): readonly Route[] {
  return [route('GET', '/system/df', async ({ query }) => {
    const types = query.all('type')
    const unknown = types.find(type => !TYPES.includes(type))
    if (unknown !== undefined) throw new ShoalError('invalid-argument', 'bad-parameter', `unknown object type: ${unknown.slice(0, 100)}`)
    const wants = (type: string): boolean => types.length === 0 || types.includes(type)
    const imageList = wants('image') ? await images.list({ all: false, sharedSize: true }) : undefined
    return json({
      LayersSize: imageList === undefined ? 0 : await images.layersBytes?.() ?? imageList.reduce((sum, { Size = 0 }) => sum + Size, 0), Images: imageList,
      Containers: wants('container') ? await containers.list({ all: true, size: true }) : undefined,
      Volumes: wants('volume') ? (await volumes.list({}, { size: true })).Volumes.map(volume => ({ ...volume, UsageData: volume.UsageData ?? UNKNOWN_USAGE })) : undefined,
      BuildCache: wants('build-cache') ? await builder?.usage() ?? [] : undefined,
    })
  })]
}
