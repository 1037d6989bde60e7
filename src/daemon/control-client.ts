import { CONTROL_RPC, LOGS_RPC } from '../api/codec/methods.ts'
import type { ListObjectsRequest, StoreEvent, UpdateObjectRequest, WatchMessage, WatchRequest } from '../api/swarm/control.ts'
import type { StoreObject } from '../api/swarm/objects.ts'
import { make } from '../api/codec/codec.ts'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { createId } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import { streamOf, type RpcClient } from '../base/rpc.ts'
import { swarmStateError } from '../http/convert/swarm-state-error.ts'
import type { Staleness } from './staleness.ts'
import type { ControlBackend, ControlKind, ControlObjects, ControlSpecs, UpdateCall, WatchedChanges, WatchPosition } from '../http/routes/control-backend.ts'

/** B06 */
const CALL_TIMEOUT_MS = 20_000
/** A write whose outcome nobody knows is asked for again this often, until CALL_TIMEOUT_MS: as its id stays, it takes effect once. */
const WRITE_RETRY_MS = 100
/** This host's manager ended, or is about to: it does not answer, refused the call or broke it off. */
const GONE: ReadonlySet<string> = new Set(['rpc-refused', 'rpc-not-connected', 'rpc-unavailable', 'cancelled'])
/** The leadership or the connection went while the write was under way. */
const UNSETTLED: ReadonlySet<string> = new Set(['proposal-lost', 'proposal-dropped', 'not-leader', 'rpc-unavailable', 'raft-stopped', 'store-closed'])

/** What the backend works with. */
export interface ControlBackendParts {
  /** Throws when this host has none. */
  readonly manager: () => RpcClient
  /** Why the manager does not start; empty while it does. */
  readonly failure: () => string
  /** Waits a bounded time for a manager that is being started. */
  readonly untilManagerAnswers: () => Promise<void>
  /** Told how old the answers are that a manager without a leader gives. */
  readonly staleness: Staleness
  readonly clock: Clock
  readonly random: Random
}

/** The control service of this host's manager, as the API's routes want it. */
export function createControlBackend({ manager, failure, untilManagerAnswers, staleness, clock, random }: ControlBackendParts): ControlBackend {
  const options = (signal: AbortSignal | undefined): { readonly timeoutMs: number; readonly signal?: AbortSignal } => ({ timeoutMs: CALL_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) })
  const call = async <T>(work: (client: RpcClient) => Promise<T>): Promise<T> => {
    try {
      return await work(manager())
    } catch (error) {
      if (!(error instanceof ShoalError) || !GONE.has(error.code)) throw error
    }
    // The process is being started, or was killed a moment ago and is started again.
    await untilManagerAnswers()
    try {
      return await work(manager())
    } catch (error) {
      throw error instanceof ShoalError && GONE.has(error.code) ? swarmStateError('starting', failure()) : error
    }
  }
  const write = async <T>(signal: AbortSignal | undefined, work: (client: RpcClient, requestId: string) => Promise<T>): Promise<T> => {
    const requestId = createId(random)
    for (const endMs = clock.monotonicMs() + CALL_TIMEOUT_MS; ; await clock.sleep(WRITE_RETRY_MS, signal)) {
      try {
        return await call(client => work(client, requestId))
      } catch (error) {
        if (!(error instanceof ShoalError) || !UNSETTLED.has(error.code) || clock.monotonicMs() >= endMs) throw error
      }
    }
  }
  return {
    get: async (kind, ref, signal) => call(async client => {
      const { object, staleMs } = await client.unary(CONTROL_RPC.get, { kind, ref }, options(signal))
      staleness.note(signal, staleMs)
      return objectOf(kind, object)
    }),
    list: async (kind, filters, signal) => call(async client => {
      const request: ListObjectsRequest = { kind, filters: Object.fromEntries(Object.entries(filters).map(([name, values]) => [name, { values }])) }
      const { objects, staleMs } = await client.unary(CONTROL_RPC.list, request, options(signal))
      staleness.note(signal, staleMs)
      return objects.map(object => objectOf(kind, object))
    }),
    create: async (kind, spec, signal) => write(signal, async (client, requestId) => {
      const { object, warnings } = await client.unary(CONTROL_RPC.create, { spec: { [kind]: spec }, requestId }, options(signal))
      return { object: objectOf(kind, object), warnings }
    }),
    update: async (update, signal) => write(signal, async (client, requestId) => {
      const { object, warnings } = await client.unary(CONTROL_RPC.update, { ...updateRequest(update), requestId }, options(signal))
      return { object: objectOf(update.kind, object), warnings }
    }),
    remove: async (kind, id, { force = false } = {}, signal) => write(signal, async (client, requestId) => { await client.unary(CONTROL_RPC.remove, { kind, ref: id, force, requestId }, options(signal)) }),
    serviceStatuses: async (serviceIds, signal) => call(async client => {
      const { statuses, staleMs } = await client.unary(CONTROL_RPC.listServiceStatuses, { serviceIds }, options(signal))
      staleness.note(signal, staleMs)
      return statuses
    }),
    watch: (resume, signal) => wholeVersions(manager().stream(CONTROL_RPC.watch, streamOf(watchRequest(resume)), { signal })),
    subscribeLogs: (request, signal) => manager().stream(LOGS_RPC.subscribe, streamOf(request), { signal }),
  }
}

function watchRequest(resume: WatchPosition | undefined): WatchRequest {
  return make('WatchRequest', { kinds: ['service', 'node', 'network', 'secret', 'config'], includeOldObject: true, ...(resume === undefined ? {} : { resumeFrom: resume.version, clusterId: resume.clusterId }) })
}

/** Joins what came in parts: who goes on from a version has all of it. */
async function* wholeVersions(messages: AsyncIterable<WatchMessage>): AsyncIterable<WatchedChanges> {
  let events: StoreEvent[] = []
  for await (const message of messages) {
    events.push(...message.events)
    if (message.version === 0) continue
    yield { events, version: message.version, clusterId: message.clusterId }
    events = []
  }
}

function updateRequest<K extends keyof ControlSpecs>(update: UpdateCall<K>): UpdateObjectRequest {
  const { kind, spec, ...rest } = update
  return make('UpdateObjectRequest', { ...rest, kind, ...(spec === undefined ? {} : { spec: { [kind]: spec } }) })
}

function objectOf<K extends ControlKind>(kind: K, object: StoreObject | undefined): ControlObjects[K] {
  const found = object?.[kind]
  if (found === undefined) throw new ShoalError('internal', 'unexpected-answer', `the manager answered without a ${kind}`)
  return found as ControlObjects[K]
}
