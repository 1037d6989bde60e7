import type { TlsInfo } from '../api/swarm/objects.ts'
import { issuerInfo } from '../ca/node-certificate.ts'

/**
 * What nodes and the cluster show of their trust. The stock command line compares the two, byte by byte: they differ while a node still trusts another root.
 * @param rootPem empty outside a cluster
 */
export function tlsInfoOf(rootPem: string): TlsInfo | undefined {
  if (rootPem === '') return undefined
  const { subject, publicKey } = issuerInfo(rootPem)
  return { trustRootPem: rootPem, certIssuerSubject: subject, certIssuerPublicKey: publicKey }
}
