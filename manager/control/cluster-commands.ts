import type { UpdateObjectRequest } from '../../src/api/swarm/control.ts'
import type { Cluster, RootCa } from '../../src/api/swarm/objects.ts'
import type { ClusterSpec } from '../../src/api/swarm/specs.ts'
import { invalidSpec } from '../../src/api/swarm/validate-annotations.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { StoreTx } from '../store/object-store.ts'
import { findObject } from './find-object.ts'

/** Makes secrets. Called inside transactions, which can run twice: each call gives a new one. */
export interface ClusterSecrets {
  /** @param rootCertPem the root whose digest the token carries */
  joinToken(rootCertPem: string): string
}

const NODE_CERT_EXPIRY_MIN_NS = 3_600_000_000_000

/**
 * Changes the settings, and rotates join tokens when asked to.
 * @throws ShoalError `invalid-spec`, `not-supported`, `out-of-sequence`
 */
export function updateCluster(tx: StoreTx, request: UpdateObjectRequest, secrets: ClusterSecrets): void {
  const cluster = findObject(tx, 'cluster', request.id)
  const spec = request.spec?.cluster ?? cluster.spec
  if (spec === undefined) throw invalidSpec('the update has no cluster spec')
  validate(spec, cluster)
  const { rootCa } = cluster
  tx.update('cluster', {
    ...cluster, spec,
    ...rootCa === undefined ? {} : { rootCa: withTokens(rootCa, request, secrets) },
    meta: { createdAtMs: 0, updatedAtMs: 0, ...cluster.meta, version: request.version },
  })
}

function validate(spec: ClusterSpec, cluster: Cluster): void {
  const name = spec.annotations?.name ?? ''
  if (name !== cluster.spec?.annotations?.name) throw invalidSpec('modification of cluster name is not allowed')
  if (spec.heartbeatPeriodNs < 0) throw invalidSpec('heartbeat period cannot be a negative duration')
  if (spec.nodeCertExpiryNs !== 0 && spec.nodeCertExpiryNs < NODE_CERT_EXPIRY_MIN_NS) throw invalidSpec('minimum certificate expiry time is: 1h0m0s')
  if (spec.externalCas.length > 0) throw notSupported('external certificate authorities are not supported: the managers sign certificates themselves')
  if (spec.autoLockManagers) throw notSupported('autolock is not supported: the state of managers is not sealed by a key yet')
  if (spec.caForceRotate !== (cluster.spec?.caForceRotate ?? 0)) throw notSupported('rotation of the root certificate is not supported yet')
}

function withTokens(rootCa: RootCa, request: UpdateObjectRequest, secrets: ClusterSecrets): RootCa {
  const certPem = new TextDecoder().decode(rootCa.certPem)
  const held = rootCa.joinTokens ?? { worker: '', manager: '' }
  const joinTokens = {
    worker: request.rotateWorkerToken ? secrets.joinToken(certPem) : held.worker,
    manager: request.rotateManagerToken ? secrets.joinToken(certPem) : held.manager,
  }
  return { ...rootCa, joinTokens }
}

function notSupported(message: string): ShoalError { return new ShoalError('not-implemented', 'not-supported', message) }
