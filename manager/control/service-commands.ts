import { isDeepStrictEqual } from 'node:util'
import { make } from '../../src/api/codec/codec.ts'
import type { UpdateObjectRequest } from '../../src/api/swarm/control.ts'
import type { Service } from '../../src/api/swarm/objects.ts'
import type { ServiceSpec } from '../../src/api/swarm/specs.ts'
import { isJobMode, serviceMode } from '../../src/api/swarm/task-state.ts'
import { isJobSpec, validateServiceSpec } from '../../src/api/swarm/validate-service-spec.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { StoreTx } from '../store/object-store.ts'
import { checkService } from './check-service.ts'
import { findObject } from './find-object.ts'

/** Writes a new service; its tasks, addresses and ports follow by themselves. @throws see validateServiceSpec, checkService; `name-conflict` */
export function createService(tx: StoreTx, id: string, spec: ServiceSpec, nowMs: number): void {
  validateServiceSpec(spec)
  const checked = checkService(tx, spec, '')
  const name = spec.annotations?.name ?? ''
  if (tx.findByName('service', name) !== undefined) {
    throw new ShoalError('already-exists', 'name-conflict', `name conflicts with an existing object: service ${name} already exists`)
  }
  tx.create('service', make('Service', { id, spec: checked, ...isJobSpec(spec) ? { jobStatus: { iteration: 0, lastExecutionMs: nowMs } } : {} }))
}

/**
 * Replaces the spec (one previous spec is kept), or goes back to it; a running rolling update is cancelled by that (U15, U16).
 * @throws ShoalError `out-of-sequence` when `request.version` is not the service's; `no-previous-spec`, `not-supported`
 */
export function updateService(tx: StoreTx, request: UpdateObjectRequest, nowMs: number): void {
  const service = findObject(tx, 'service', request.id)
  const changed = request.rollback ? rolledBack(service, nowMs) : replaced(tx, service, request)
  // The version the user saw, not the stored one: the store refuses it when they differ.
  tx.update('service', { ...withNextIteration(changed, nowMs), meta: { createdAtMs: 0, updatedAtMs: 0, ...service.meta, version: request.version } })
}

export function removeService(tx: StoreTx, ref: string): void {
  tx.remove('service', findObject(tx, 'service', ref).id)
}

function replaced(tx: StoreTx, service: Service, request: UpdateObjectRequest): Service {
  const asked = request.spec?.service
  if (asked === undefined) throw new ShoalError('invalid-argument', 'invalid-spec', 'the update has no service spec')
  const spec = keepRegistryAuth(asked, service, request.registryAuthFrom)
  validateServiceSpec(spec)
  checkUnchangeable(service, spec)
  const checked = checkService(tx, spec, service.id)
  const { updateStatus: _cancelled, ...rest } = service
  return {
    ...rest, spec: checked, specVersion: request.version, previousSpecVersion: service.specVersion,
    ...service.spec === undefined ? {} : { previousSpec: service.spec },
  }
}

function rolledBack(service: Service, nowMs: number): Service {
  const { spec, previousSpec } = service
  if (previousSpec === undefined) {
    throw new ShoalError('failed-precondition', 'no-previous-spec', `service ${service.id} does not have a previous spec`)
  }
  return {
    ...service, spec: previousSpec, specVersion: service.previousSpecVersion, previousSpecVersion: service.specVersion,
    ...spec === undefined ? {} : { previousSpec: spec },
    updateStatus: make('UpdateStatus', { state: 'rollback-started', startedAtMs: nowMs, message: 'manually requested rollback' }),
  }
}

function checkUnchangeable(service: Service, spec: ServiceSpec): void {
  if (service.spec?.annotations?.name !== spec.annotations?.name) throw notSupported('renaming services is not supported')
  if (serviceMode(service) !== serviceMode({ spec })) throw notSupported('service mode change is not allowed')
  const isOldPlaceChanged = !isDeepStrictEqual(spec.networks, service.spec?.networks ?? [])
  if (isOldPlaceChanged && spec.networks.length > 0 && spec.task?.networks.length === 0) {
    throw notSupported('networks must be migrated to TaskSpec before being changed')
  }
}

function notSupported(message: string): ShoalError { return new ShoalError('not-implemented', 'not-supported', message) }

/** A job is run again by each update (J04). */
function withNextIteration(service: Service, nowMs: number): Service {
  if (!isJobMode(serviceMode(service))) return service
  return { ...service, jobStatus: { iteration: (service.jobStatus?.iteration ?? 0) + 1, lastExecutionMs: nowMs } }
}

/** Registry credentials are never shown, so an update without them keeps those of the current or the previous spec (B13). */
function keepRegistryAuth(spec: ServiceSpec, service: Service, from: string): ServiceSpec {
  const container = spec.task?.container
  if (spec.task === undefined || container === undefined || container.registryAuth !== '') return spec
  const source = from === 'previous-spec' ? service.previousSpec : service.spec
  const registryAuth = source?.task?.container?.registryAuth ?? ''
  return registryAuth === '' ? spec : { ...spec, task: { ...spec.task, container: { ...container, registryAuth } } }
}
