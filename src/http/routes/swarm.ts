import { make } from '../../api/codec/codec.ts'
import type { SwarmSpec } from '../../api/engine/engine-json.ts'
import type { SwarmInitRequest, SwarmJoinRequest } from '../../api/engine/swarm-json.ts'
import type { TlsInfo } from '../../api/swarm/objects.ts'
import type { ClusterSpec, NodeAvailability } from '../../api/swarm/specs.ts'
import { defaultClusterSpec } from '../../api/swarm/default-cluster-spec.ts'
import { mergeClusterSpec, swarmToJson } from '../convert/cluster.ts'
import { wordOf } from '../convert/json-value.ts'
import { objectVersion } from '../convert/object-version.ts'
import { control } from '../convert/rpc-error.ts'
import { SWARM_INIT, SWARM_JOIN, SWARM_SPEC, SWARM_UNLOCK } from '../json/swarm-shapes.ts'
import type { ApiRequest } from '../server/api-request.ts'
import { empty, json, type Reply } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'
import type { ControlBackend } from './control-backend.ts'

export interface SwarmAddresses {
  /** "host:port", empty: 0.0.0.0:2377. */
  readonly listenAddr: string
  /** May be an interface name; empty: chosen if there is exactly one candidate. */
  readonly advertiseAddr: string
  readonly dataPathAddr: string
  readonly availability: NodeAvailability
}
export interface SwarmInit extends SwarmAddresses {
  readonly spec: ClusterSpec
  /** 0: the default. */
  readonly dataPathPort: number
  readonly addressPool: readonly string[]
  /** 0: the default. */
  readonly subnetSize: number
  readonly forceNewCluster: boolean
}
export interface SwarmJoin extends SwarmAddresses {
  readonly remoteAddrs: readonly string[]
  readonly joinToken: string
}

/** This node's membership; made in src/daemon. Failures are ShoalErrors with Docker's texts. */
export interface SwarmBackend {
  /** @returns the node id */
  init(request: SwarmInit, signal: AbortSignal): Promise<string>
  join(request: SwarmJoin, signal: AbortSignal): Promise<void>
  leave(force: boolean): Promise<void>
  unlock(key: string): Promise<void>
  /** The cluster's trust root, parsed. */
  tlsInfo(): Promise<TlsInfo | undefined>
}

export type ClusterBackend = Pick<ControlBackend, 'list' | 'update'>

export function swarmRoutes(backend: SwarmBackend, cluster: ClusterBackend): readonly Route[] {
  return [
    route('GET', '/swarm', async ({ signal }) => json(swarmToJson(await clusterOf(cluster, signal), await backend.tlsInfo()))),
    route('POST', '/swarm/init', async request => json(await backend.init(readInit(await request.json<SwarmInitRequest>(SWARM_INIT)), request.signal))),
    route('POST', '/swarm/join', async request => {
      const body = await request.json<SwarmJoinRequest>(SWARM_JOIN)
      await backend.join({ ...addressesOf(body), remoteAddrs: body.RemoteAddrs ?? [], joinToken: body.JoinToken ?? '' }, request.signal)
      return empty(200)
    }),
    route('POST', '/swarm/leave', async ({ query }) => {
      await backend.leave(query.flag('force'))
      return empty(200)
    }),
    route('POST', '/swarm/update', request => update(cluster, request)),
    route('GET', '/swarm/unlockkey', async ({ signal }) => {
      const { spec, unlockKey } = await clusterOf(cluster, signal)
      return json({ UnlockKey: spec?.autoLockManagers === true ? unlockKey : '' })
    }),
    route('POST', '/swarm/unlock', async request => {
      const { UnlockKey = '' } = await request.json<{ readonly UnlockKey?: string }>(SWARM_UNLOCK)
      await backend.unlock(UnlockKey)
      return empty(200)
    }),
  ]
}

async function update(backend: ClusterBackend, request: ApiRequest): Promise<Reply> {
  const { query, signal } = request
  const version = objectVersion(query.text('version'), 'swarm')
  const body = await request.json<SwarmSpec>(SWARM_SPEC)
  const cluster = await clusterOf(backend, signal)
  await control(backend.update({
    kind: 'cluster', id: cluster.id, version, spec: mergeClusterSpec(cluster.spec ?? defaultClusterSpec(), body),
    rotateWorkerToken: query.flag('rotateWorkerToken'), rotateManagerToken: query.flag('rotateManagerToken'), rotateUnlockKey: query.flag('rotateManagerUnlockKey'),
  }, signal))
  return empty(200)
}

async function clusterOf(backend: ClusterBackend, signal: AbortSignal): Promise<Parameters<typeof swarmToJson>[0]> {
  const [cluster] = await control(backend.list('cluster', {}, signal))
  if (cluster === undefined) throw new Error('the swarm has no cluster object')
  return cluster
}

/** AutoLockManagers beside the spec is the old place for it. */
function readInit(body: SwarmInitRequest): SwarmInit {
  const base = defaultClusterSpec()
  // What the host's settings say of raft's timing comes later.
  const spec = mergeClusterSpec({ ...base, raft: make('RaftConfig', { ...base.raft, heartbeatTick: 0, electionTick: 0 }) }, body.Spec ?? {})
  return {
    ...addressesOf(body), spec: body.AutoLockManagers === true ? { ...spec, autoLockManagers: true } : spec,
    dataPathPort: body.DataPathPort ?? 0, addressPool: body.DefaultAddrPool ?? [], subnetSize: body.SubnetSize ?? 0, forceNewCluster: body.ForceNewCluster ?? false,
  }
}

function addressesOf(body: SwarmInitRequest | SwarmJoinRequest): SwarmAddresses {
  return {
    listenAddr: body.ListenAddr ?? '', advertiseAddr: body.AdvertiseAddr ?? '', dataPathAddr: body.DataPathAddr ?? '',
    availability: wordOf(body.Availability, ['active', 'pause', 'drain'], 'invalid Availability:') ?? 'active',
  }
}
