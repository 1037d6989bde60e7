import { ShoalError } from '../../base/errors.ts'
import { defaultClusterSpec } from './default-cluster-spec.ts'
import type { ClusterSpec } from './specs.ts'
import { invalidSpec } from './validate-annotations.ts'

const NODE_CERT_EXPIRY_MIN_NS = 3_600_000_000_000

/** What holds for the settings of every cluster, a new one too. @throws ShoalError `invalid-spec`, `not-supported` */
export function validateClusterSpec(spec: ClusterSpec): void {
  if (spec.heartbeatPeriodNs < 0) throw invalidSpec('heartbeat time period cannot be a negative duration')
  if (spec.nodeCertExpiryNs !== 0 && spec.nodeCertExpiryNs < NODE_CERT_EXPIRY_MIN_NS) throw invalidSpec('minimum certificate expiry time is: 1h0m0s')
  const { electionTick, heartbeatTick } = raftTicks(spec)
  if (electionTick <= heartbeatTick) throw invalidSpec('ElectionTick must be greater than HeartbeatTick')
  if (spec.externalCas.length > 0) throw notSupported('external certificate authorities are not supported: the managers sign certificates themselves')
}

/** Those of the spec; where it says none, the defaults count. */
function raftTicks({ raft }: ClusterSpec): { readonly electionTick: number; readonly heartbeatTick: number } {
  const defaults = defaultClusterSpec().raft
  return { electionTick: raft?.electionTick || defaults?.electionTick || 0, heartbeatTick: raft?.heartbeatTick || defaults?.heartbeatTick || 0 }
}

function notSupported(message: string): ShoalError { return new ShoalError('not-implemented', 'not-supported', message) }
