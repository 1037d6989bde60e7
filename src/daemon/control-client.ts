import { CONTROL_RPC, LOGS_RPC } from '../api/codec/methods.ts'
import type { ListObjectsRequest, UpdateObjectRequest } from '../api/swarm/control.ts'
import type { StoreObject } from '../api/swarm/objects.ts'
import { make } from '../api/codec/codec.ts'
import { ShoalError } from '../base/errors.ts'
import { streamOf, type RpcClient } from '../base/rpc.ts'
import { swarmStateError } from '../http/convert/swarm-state-error.ts'
import type { Staleness } from './staleness.ts'
import type { ControlBackend, ControlKind, ControlObjects, ControlSpecs, UpdateCall } from '../http/routes/control-backend.ts'

/** B06 */
const CALL_TIMEOUT_MS = 20_000

/**
 * The control service of this host's manager, as the API's routes want it.
 * @param manager throws when this host has none
 * @param untilManagerAnswers waits a bounded time for a manager that is being started
 * @param staleness told how old the answers are that a manager without a leader gives
 */
export function createControlBackend(manager: () => RpcClient, untilManagerAnswers: () => Promise<void>, staleness: Staleness): ControlBackend {
  const options = (signal: AbortSignal | undefined): { readonly timeoutMs: number; readonly signal?: AbortSignal } => ({ timeoutMs: CALL_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) })
  const call = async <T>(work: (client: RpcClient) => Promise<T>): Promise<T> => {
    try {
      return await work(manager())
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code !== 'rpc-not-connected') throw error
    }
    // The process is being started, or was killed a moment ago and is started again.
    await untilManagerAnswers()
    try {
      return await work(manager())
    } catch (error) {
      throw error instanceof ShoalError && error.code.startsWith('rpc-') ? swarmStateError('starting') : error
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
    create: async (kind, spec, signal) => call(async client => {
      const { object, warnings } = await client.unary(CONTROL_RPC.create, { spec: { [kind]: spec } }, options(signal))
      return { object: objectOf(kind, object), warnings }
    }),
    update: async (update, signal) => call(async client => {
      const { object, warnings } = await client.unary(CONTROL_RPC.update, updateRequest(update), options(signal))
      return { object: objectOf(update.kind, object), warnings }
    }),
    remove: async (kind, id, { force = false } = {}, signal) => call(async client => { await client.unary(CONTROL_RPC.remove, { kind, ref: id, force }, options(signal)) }),
    serviceStatuses: async (serviceIds, signal) => call(async client => {
      const { statuses, staleMs } = await client.unary(CONTROL_RPC.listServiceStatuses, { serviceIds }, options(signal))
      staleness.note(signal, staleMs)
      return statuses
    }),
    watch: signal => manager().stream(CONTROL_RPC.watchEvents, streamOf({}), { signal }),
    subscribeLogs: (request, signal) => manager().stream(LOGS_RPC.subscribe, streamOf(request), { signal }),
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
