import type tls from 'node:tls'
import type { RpcIdentity } from '../../base/rpc.ts'

/** Whom the subject of a node's certificate names; undefined if it is not one of a node. */
export function identityOf(subject: Readonly<Record<string, string>> | undefined): RpcIdentity | undefined {
  if (subject === undefined) return undefined
  const { CN: nodeId, OU: unit, O: clusterId } = subject
  if (nodeId === undefined || clusterId === undefined) return undefined
  if (unit !== 'swarm-worker' && unit !== 'swarm-manager') return undefined
  return { nodeId, clusterId, role: unit === 'swarm-manager' ? 'manager' : 'worker' }
}

/** The subject of the certificate that the other side showed; undefined if it showed none. Whether it is of this cluster says socket.authorized. */
export function peerSubject(socket: tls.TLSSocket): Readonly<Record<string, string>> | undefined {
  const certificate = socket.getPeerCertificate() as tls.PeerCertificate | undefined
  if (certificate === undefined || Object.keys(certificate).length === 0) return undefined
  return certificate.subject as unknown as Readonly<Record<string, string>>
}

/** An address without what makes an IPv4 address one of IPv6. */
export function plainAddress(address: string): string { return address.replace(/^::ffff:/, '') }
