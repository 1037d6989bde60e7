import { ShoalError } from '../../base/errors.ts'
import type { ClusterSpec } from './specs.ts'
import { invalidSpec } from './validate-annotations.ts'

const NODE_CERT_EXPIRY_MIN_NS = 3_600_000_000_000

/** What holds for the settings of every cluster, a new one too. @throws ShoalError `invalid-spec`, `not-supported` */
export function validateClusterSpec(spec: ClusterSpec): void {
  if (spec.heartbeatPeriodNs < 0) throw invalidSpec('heartbeat time period cannot be a negative duration')
  if (spec.nodeCertExpiryNs !== 0 && spec.nodeCertExpiryNs < NODE_CERT_EXPIRY_MIN_NS) throw invalidSpec('minimum certificate expiry time is: 1h0m0s')
  if (spec.externalCas.length > 0) throw notSupported('external certificate authorities are not supported: the managers sign certificates themselves')
}

function notSupported(message: string): ShoalError { return new ShoalError('not-implemented', 'not-supported', message) }
