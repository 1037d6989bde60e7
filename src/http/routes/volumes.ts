import type { Volume, VolumeCreateOptions } from '../../api/engine/engine-json.ts'
import { ShoalError } from '../../base/errors.ts'
import { parseFilters, type Filters } from '../convert/filters.ts'
import { objectVersion } from '../convert/object-version.ts'
import { isSwarmStateError } from '../convert/swarm-state-error.ts'
import { VOLUME_CREATE } from '../json/resource-shapes.ts'
import { isAtLeast } from '../server/api-version.ts'
import { notSupported } from '../server/missing.ts'
import { empty, json } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'
import type { ControlBackend } from './control-backend.ts'

/** Structurally the engine's Volumes. */
export interface VolumesBackend {
  create(options: VolumeCreateOptions): Promise<Volume>
  inspect(name: string): Promise<Volume>
  list(filters?: Filters): Promise<{ readonly Volumes: readonly Volume[]; readonly Warnings: readonly string[] }>
  remove(name: string, force: boolean): Promise<void>
  prune(filters: Filters): Promise<{ readonly VolumesDeleted: readonly string[]; readonly SpaceReclaimed: number }>
}

export function volumeRoutes(backend: VolumesBackend, control: Pick<ControlBackend, 'list'>): readonly Route[] {
  return [
    route('GET', '/volumes', async ({ query }) => {
      const { Volumes, Warnings } = await backend.list(parseFilters(query.text('filters'), ['dangling', 'driver', 'label', 'name']))
      return json({ Volumes, Warnings: Warnings.length === 0 ? null : Warnings })
    }),
    route('POST', '/volumes/create', async request => {
      const options = await request.optionalJson<VolumeCreateOptions>(VOLUME_CREATE) ?? {}
      if (options.ClusterVolumeSpec !== undefined) throw notSupported('a cluster volume (CSI)')
      return json(await backend.create(options), 201)
    }),
    route('POST', '/volumes/prune', async ({ query, version }) => {
      const filters = parseFilters(query.text('filters'), ['all', 'label', 'label!'])
      // Before 1.42 named volumes were pruned too.
      return json(await backend.prune(isAtLeast(version, 42) ? filters : { ...filters, all: ['true'] }))
    }),
    route('GET', '/volumes/{name}', async ({ params }) => json(await backend.inspect(params.name ?? ''))),
    // Cluster volumes alone can be updated, and nobody can make one: dockerd's answers for any other.
    route('PUT', '/volumes/{name}', async ({ params, query, signal }) => {
      await expectManager(control, signal)
      objectVersion(query.text('version'), 'volume')
      throw new ShoalError('not-found', 'no-such-volume', `volume ${params.name ?? ''} not found`)
    }),
    route('DELETE', '/volumes/{name}', async ({ params, query }) => {
      await backend.remove(params.name ?? '', query.flag('force'))
      return empty(204)
    }),
  ]
}

/** @throws what the node's place in the swarm is (unavailable), where there is no manager */
async function expectManager(control: Pick<ControlBackend, 'list'>, signal: AbortSignal): Promise<void> {
  try {
    await control.list('cluster', {}, signal)
  } catch (cause) {
    if (!(cause instanceof ShoalError) || !isSwarmStateError(cause)) throw cause
    throw new ShoalError('unavailable', cause.code, 'volume update only valid for cluster volumes, but swarm is unavailable', { cause })
  }
}
