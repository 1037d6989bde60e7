import type { Cluster } from '../../api/swarm/objects.ts'
import { nodeCertExpiryMsOf } from '../../api/swarm/defaults.ts'
import type { Clock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import { createId } from '../../base/ids.ts'
import type { Random } from '../../base/random.ts'
import { createCertificateRequest } from '../../ca/certificate-request.ts'
import { signNodeCertificate } from '../../ca/node-certificate.ts'
import type { NodeCredentials } from '../node-certificates.ts'

/** Who this host is in a cluster that it restores: a new node, a manager, with a certificate of the cluster's own authority. @throws ShoalError `backup-damaged` */
export function restoredIdentity(cluster: Cluster, { clock, random }: { readonly clock: Clock; readonly random: Random }): { readonly nodeId: string; readonly credentials: NodeCredentials } {
  const { rootCa } = cluster
  if (rootCa === undefined || rootCa.keyPem.length === 0) throw new ShoalError('invalid-argument', 'backup-damaged', 'the backup is damaged: the key of the cluster\'s authority is not in it; use another one')
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
  const root = { certPem: text(rootCa.certPem), keyPem: text(rootCa.keyPem) }
  const nodeId = createId(random)
  const { csrPem, keyPem } = createCertificateRequest()
  const certPem = signNodeCertificate({ root, csrPem, identity: { nodeId, role: 'manager', clusterId: cluster.id }, nowMs: clock.nowMs(), validityMs: nodeCertExpiryMsOf(cluster), random })
  return { nodeId, credentials: { certPem, keyPem, rootCertPem: root.certPem } }
}
