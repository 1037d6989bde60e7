import type { UpdateObjectRequest } from '../../src/api/swarm/control.ts'
import type { Cluster, RootCa } from '../../src/api/swarm/objects.ts'
import type { ClusterSpec } from '../../src/api/swarm/specs.ts'
import { invalidSpec } from '../../src/api/swarm/validate-annotations.ts'
import { validateClusterSpec } from '../../src/api/swarm/validate-cluster-spec.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { StoreTx } from '../store/object-store.ts'
import { findObject } from './find-object.ts'

/** Makes secrets. Called inside transactions, which can run twice: each call gives a new one. */
export interface ClusterSecrets {
  /** @param rootCertPem the root whose digest the token carries */
  joinToken(rootCertPem: string): string
  unlockKey(): string
}

/**
 * Changes the settings, and rotates join tokens and unlock key when asked to. The unlock key is there as long as autolock is on.
 * @throws ShoalError `invalid-spec`, `not-supported`, `out-of-sequence`
 */
export function updateCluster(tx: StoreTx, request: UpdateObjectRequest, secrets: ClusterSecrets): void {
  const cluster = findObject(tx, 'cluster', request.id)
  const spec = request.spec?.cluster ?? cluster.spec
  if (spec === undefined) throw invalidSpec('the update has no cluster spec')
  validate(spec, cluster)
  const { rootCa } = cluster
  tx.update('cluster', {
    ...cluster, spec, unlockKey: unlockKeyFor(spec, request.rotateUnlockKey ? '' : cluster.unlockKey, secrets),
    ...rootCa === undefined ? {} : { rootCa: withTokens(rootCa, request, secrets) },
    meta: { createdAtMs: 0, updatedAtMs: 0, ...cluster.meta, version: request.version },
  })
}

function validate(spec: ClusterSpec, cluster: Cluster): void {
  const name = spec.annotations?.name ?? ''
  if (name !== cluster.spec?.annotations?.name) throw invalidSpec('modification of cluster name is not allowed')
  validateClusterSpec(spec)
  if (spec.caForceRotate !== (cluster.spec?.caForceRotate ?? 0)) {
    throw new ShoalError('not-implemented', 'not-supported', 'rotation of the root certificate is not supported yet: node certificates are renewed by themselves, and join tokens can be rotated with `docker swarm join-token --rotate`')
  }
}

function unlockKeyFor(spec: ClusterSpec, kept: string, secrets: ClusterSecrets): string {
  if (!spec.autoLockManagers) return ''
  return kept === '' ? secrets.unlockKey() : kept
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
