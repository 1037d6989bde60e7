import { isDeepStrictEqual } from 'node:util'
import { make } from '../../src/api/codec/codec.ts'
import type { UpdateObjectRequest } from '../../src/api/swarm/control.ts'
import type { Config, Secret, Service } from '../../src/api/swarm/objects.ts'
import type { ConfigSpec, SecretSpec } from '../../src/api/swarm/specs.ts'
import { validateConfigSpec, validateSecretSpec } from '../../src/api/swarm/validate-blob-spec.ts'
import { invalidSpec } from '../../src/api/swarm/validate-annotations.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { StoreTx } from '../store/object-store.ts'
import { findObject } from './find-object.ts'

/** Secrets and configs: a name with bytes that never change (Q02). */
export function createSecret(tx: StoreTx, id: string, spec: SecretSpec): void {
  validateSecretSpec(spec)
  refuseTakenName(tx, 'secret', spec.annotations?.name ?? '')
  tx.create('secret', make('Secret', { id, spec }))
}

export function createConfig(tx: StoreTx, id: string, spec: ConfigSpec): void {
  validateConfigSpec(spec)
  refuseTakenName(tx, 'config', spec.annotations?.name ?? '')
  tx.create('config', make('Config', { id, spec }))
}

/** @throws ShoalError `invalid-spec` when anything but labels differs */
export function updateSecret(tx: StoreTx, request: UpdateObjectRequest): void {
  const secret = findObject(tx, 'secret', request.id)
  tx.update('secret', withLabels(secret, request.spec?.secret, request.version))
}

export function updateConfig(tx: StoreTx, request: UpdateObjectRequest): void {
  const config = findObject(tx, 'config', request.id)
  tx.update('config', withLabels(config, request.spec?.config, request.version))
}

/** @throws ShoalError `in-use` (invalid-argument) naming the services (Q03) */
export function removeSecret(tx: StoreTx, ref: string): void {
  const secret = findObject(tx, 'secret', ref)
  refuseUsed(tx, `secret '${secret.spec?.annotations?.name ?? ''}'`, service => references(service, 'secrets', secret.id))
  tx.remove('secret', secret.id)
}

export function removeConfig(tx: StoreTx, ref: string): void {
  const config = findObject(tx, 'config', ref)
  refuseUsed(tx, `config '${config.spec?.annotations?.name ?? ''}'`, service => references(service, 'configs', config.id))
  tx.remove('config', config.id)
}

function refuseTakenName(tx: StoreTx, kind: 'secret' | 'config', name: string): void {
  if (tx.findByName(kind, name) !== undefined) throw new ShoalError('already-exists', 'name-conflict', `${kind} ${name} already exists`)
}

function withLabels<T extends Secret | Config>(blob: T, asked: T['spec'], version: number): T {
  const { spec } = blob
  // A client that read the object never saw a secret's data, so none means: as it is.
  const isSameData = asked !== undefined && (asked.data.length === 0 || isDeepStrictEqual(asked.data, spec?.data))
  const isSame = isSameData && asked.annotations?.name === spec?.annotations?.name && isDeepStrictEqual(asked.templating, spec?.templating)
  if (!isSame || spec?.annotations === undefined) throw invalidSpec('only updates to Labels are allowed')
  const annotations = { ...spec.annotations, labels: asked.annotations?.labels ?? {} }
  return { ...blob, spec: { ...spec, annotations }, meta: { createdAtMs: 0, updatedAtMs: 0, ...blob.meta, version } }
}

function references(service: Service, kind: 'secrets' | 'configs', id: string): boolean {
  const container = service.spec?.task?.container
  if (kind === 'secrets') return container?.secrets.some(reference => reference.secretId === id) ?? false
  return container?.configs.some(reference => reference.configId === id) ?? false
}

function refuseUsed(tx: StoreTx, what: string, isUser: (service: Service) => boolean): void {
  const names = tx.list('service').filter(isUser).map(service => service.spec?.annotations?.name ?? service.id)
  if (names.length === 0) return
  throw new ShoalError('invalid-argument', 'in-use', `${what} is in use by the following service${names.length === 1 ? '' : 's'}: ${names.join(', ')}`)
}
