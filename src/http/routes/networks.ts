import type { EndpointSettings, Network, NetworkCreateRequest } from '../../api/engine/engine-json.ts'
import type { Network as SwarmNetwork } from '../../api/swarm/objects.ts'
import type { Clock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import { parseFilters, type Filters } from '../convert/filters.ts'
import { mergeNetwork, mergeNetworks, networkSpecFromJson } from '../convert/network.ts'
import { control } from '../convert/rpc-error.ts'
import { matchesNetwork, matchesPrune } from '../convert/network-filter.ts'
import { NETWORK_CONNECT, NETWORK_CREATE, NETWORK_DISCONNECT } from '../json/resource-shapes.ts'
import type { ApiRequest } from '../server/api-request.ts'
import { empty, json, type Reply } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'
import type { ControlBackend } from './control-backend.ts'

/** Structurally the engine's Networks. */
export interface NetworksBackend {
  create(request: NetworkCreateRequest): Promise<{ readonly Id: string; readonly Warning: string }>
  inspect(ref: string, options?: { readonly verbose?: boolean }): Promise<Network>
  list(filters?: Filters): Promise<readonly Network[]>
  remove(ref: string): Promise<void>
  connect(ref: string, containerRef: string, settings?: EndpointSettings): Promise<void>
  disconnect(ref: string, containerRef: string, force: boolean): Promise<void>
  prune(filters: Filters): Promise<{ readonly NetworksDeleted: readonly string[] }>
}
export type SwarmNetworksBackend = Pick<ControlBackend, 'get' | 'list' | 'create' | 'remove'>

const FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type']

/** The host's networks and the swarm's as one list. */
export function networkRoutes(local: NetworksBackend, swarm: SwarmNetworksBackend, clock: Pick<Clock, 'nowMs'>): readonly Route[] {
  return [
    route('GET', '/networks', async ({ query, signal }) => {
      const filters = parseFilters(query.text('filters'), FILTERS)
      const all = mergeNetworks(await local.list(), await swarmNetworks(swarm, signal))
      return json(all.filter(network => matchesNetwork(network, filters)))
    }),
    route('GET', '/networks/{id}', request => inspect(local, swarm, request)),
    route('POST', '/networks/create', async request => create(local, swarm, await request.json<NetworkCreateRequest>(NETWORK_CREATE), request.signal)),
    route('POST', '/networks/{id}/connect', async request => {
      const { Container = '', EndpointConfig } = await request.json<{ readonly Container?: string; readonly EndpointConfig?: EndpointSettings }>(NETWORK_CONNECT)
      await local.connect(request.params.id ?? '', Container, EndpointConfig)
      return empty(200)
    }),
    route('POST', '/networks/{id}/disconnect', async request => {
      const { Container = '', Force = false } = await request.json<{ readonly Container?: string; readonly Force?: boolean }>(NETWORK_DISCONNECT)
      await local.disconnect(request.params.id ?? '', Container, Force)
      return empty(200)
    }),
    route('POST', '/networks/prune', async ({ query, signal }) => {
      const filters = parseFilters(query.text('filters'), ['label', 'label!', 'until'])
      const { NetworksDeleted } = await local.prune(filters)
      const deleted = [...NetworksDeleted, ...await pruneSwarm(swarm, network => matchesPrune(network, filters, clock.nowMs()), signal)]
      return json({ NetworksDeleted: deleted.length === 0 ? null : deleted })
    }),
    route('DELETE', '/networks/{id}', request => remove(local, swarm, request)),
  ]
}

async function inspect(local: NetworksBackend, swarm: SwarmNetworksBackend, { params, query, signal }: ApiRequest): Promise<Reply> {
  const ref = params.id ?? ''
  const scope = query.text('scope')
  const shared = scope === '' || scope === 'swarm' ? await swarmNetwork(swarm, ref, signal) : undefined
  const own = await orMissing(local.inspect(shared?.id ?? ref, { verbose: query.flag('verbose') }))
  if (shared !== undefined) return json(mergeNetwork(own, shared))
  if (own === undefined || (scope !== '' && own.Scope !== scope)) throw new ShoalError('not-found', 'no-such-network', `network ${ref} not found`)
  return json(own)
}

async function create(local: NetworksBackend, swarm: SwarmNetworksBackend, body: NetworkCreateRequest, signal: AbortSignal): Promise<Reply> {
  if (body.Driver !== 'overlay' && ['', 'local'].includes(body.Scope ?? '')) return json(await local.create(body), 201)
  const taken = await orMissing(local.inspect(body.Name ?? ''))
  if (taken !== undefined && taken.Name === body.Name) throw new ShoalError('already-exists', 'name-in-use', `network with name ${body.Name} already exists`)
  if (body.Name !== undefined && (await swarmNetwork(swarm, body.Name, signal))?.spec?.annotations?.name === body.Name) throw new ShoalError('already-exists', 'name-in-use', `network with name ${body.Name} already exists`)
  const { object, warnings } = await control(swarm.create('network', networkSpecFromJson(body), signal))
  return json({ Id: object.id, Warning: warnings.join('\n') }, 201)
}

/** A name that both sides know belongs to the swarm: the host only holds its share of it. */
async function remove(local: NetworksBackend, swarm: SwarmNetworksBackend, { params, signal }: ApiRequest): Promise<Reply> {
  const ref = params.id ?? ''
  const shared = await swarmNetwork(swarm, ref, signal)
  if (shared === undefined) await local.remove(ref)
  else await control(swarm.remove('network', shared.id, {}, signal))
  return empty(204)
}

/** Removes the swarm's networks that nothing uses; the manager is who knows. The ingress network stays. */
async function pruneSwarm(swarm: SwarmNetworksBackend, isWanted: (network: SwarmNetwork) => boolean, signal: AbortSignal): Promise<readonly string[]> {
  const removed: string[] = []
  for (const network of await swarmNetworks(swarm, signal)) {
    if (network.spec?.ingress === true || !isWanted(network)) continue
    if (await removeUnused(swarm, network.id, signal)) removed.push(network.spec?.annotations?.name ?? network.id)
  }
  return removed
}

async function removeUnused(swarm: SwarmNetworksBackend, id: string, signal: AbortSignal): Promise<boolean> {
  try {
    await swarm.remove('network', id, {}, signal)
    return true
  } catch (error) {
    if (error instanceof ShoalError && ['failed-precondition', 'not-found', 'conflict'].includes(error.kind)) return false
    throw error
  }
}

/** Only managers know the swarm's networks, and only while they have a leader; else there are none, and the host's still show. */
async function swarmNetworks(swarm: SwarmNetworksBackend, signal: AbortSignal): Promise<readonly SwarmNetwork[]> {
  try {
    return await control(swarm.list('network', {}, signal))
  } catch (error) {
    if (isUnreachable(error)) return []
    throw error
  }
}

function isUnreachable(error: unknown): boolean {
  return error instanceof ShoalError && (error.kind === 'unavailable' || error.kind === 'deadline-exceeded')
}

async function swarmNetwork(swarm: SwarmNetworksBackend, ref: string, signal: AbortSignal): Promise<SwarmNetwork | undefined> {
  try {
    return await swarm.get('network', ref, signal)
  } catch (error) {
    if (isUnreachable(error) || (error instanceof ShoalError && error.kind === 'not-found')) return undefined
    throw error
  }
}

async function orMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (error instanceof ShoalError && error.kind === 'not-found') return undefined
    throw error
  }
}
