import { createPrivateKey, X509Certificate } from 'node:crypto'
import { Certificate } from '@peculiar/asn1-x509'
import { ShoalError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { RpcIdentity } from '../base/rpc.ts'
import { fromDer, toDer } from './asn1.ts'
import { issueCertificate } from './certificate.ts'
import { readRequestKey } from './certificate-request.ts'
import { splitPemCertificates } from './pem.ts'
import { BACKDATE_MS, ROOT_CA_NAME, type RootCaKeyPair } from './root-ca.ts'

/** Default validity of a node certificate: 90 days. */
export const NODE_VALIDITY_MS = 90 * 24 * 3_600_000

export interface SignOptions {
  readonly csrPem: string
  readonly root: RootCaKeyPair
  readonly identity: RpcIdentity
  readonly nowMs: number
  /** Default NODE_VALIDITY_MS. */
  readonly validityMs?: number
  readonly random: Random
}

/** What a node certificate says. */
export interface NodeCertificate extends RpcIdentity { readonly notBeforeMs: number; readonly notAfterMs: number }

/**
 * Signs a node certificate: CN node id, OU swarm-worker or swarm-manager, O cluster id; SAN: the role's name, the node id, and "swarm-ca" for managers,
 * which serve the CA (X03). Of the request only the public key is used. @throws ShoalError `bad-certificate-request`, `malformed-certificate`
 */
export function signNodeCertificate(options: SignOptions): string {
  const { identity, nowMs } = options
  const unit = unitOf(identity.role)
  return issueCertificate({
    subject: { commonName: identity.nodeId, unit, organization: identity.clusterId },
    issuerName: issuerInfo(options.root.certPem).subject,
    publicKey: readRequestKey(options.csrPem), issuerKey: createPrivateKey(options.root.keyPem),
    notBeforeMs: nowMs - BACKDATE_MS, notAfterMs: nowMs + (options.validityMs ?? NODE_VALIDITY_MS),
    isAuthority: false, dnsNames: [unit, identity.nodeId, ...(identity.role === 'manager' ? [ROOT_CA_NAME] : [])], random: options.random,
  })
}

/** Who a node certificate (the first of `certPem`) says its holder is, and how long. Does not verify it. @throws ShoalError `malformed-certificate`, `not-a-node-certificate` */
export function readNodeCertificate(certPem: string): NodeCertificate {
  const certificate = parse(splitPemCertificates(certPem)[0] ?? '')
  const subject = new Map(certificate.subject.split('\n').map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
  const [nodeId, unit, clusterId] = ['CN', 'OU', 'O'].map(key => subject.get(key))
  if (nodeId === undefined || clusterId === undefined || (unit !== 'swarm-worker' && unit !== 'swarm-manager')) {
    throw new ShoalError('invalid-argument', 'not-a-node-certificate', `the certificate of "${certificate.subject.replaceAll('\n', ', ')}" names no node, role and cluster`)
  }
  return {
    nodeId, clusterId, role: unit === 'swarm-manager' ? 'manager' : 'worker',
    notBeforeMs: Date.parse(certificate.validFrom), notAfterMs: Date.parse(certificate.validTo),
  }
}

/**
 * Checks that a node certificate was issued by one of `rootCertsPem` and is valid at `nowMs`. Returns what it says.
 * @throws ShoalError `certificate-not-of-this-cluster`, `certificate-expired` (unauthenticated), `malformed-certificate`
 */
export function verifyNodeCertificate(certPem: string, rootCertsPem: string, nowMs: number): NodeCertificate {
  const certificate = parse(splitPemCertificates(certPem)[0] ?? '')
  const isIssued = splitPemCertificates(rootCertsPem).map(parse).some(root => certificate.checkIssued(root) && certificate.verify(root.publicKey))
  if (!isIssued) throw new ShoalError('unauthenticated', 'certificate-not-of-this-cluster', 'the certificate was not issued by this cluster\'s root CA')
  const node = readNodeCertificate(certPem)
  if (nowMs < node.notBeforeMs || nowMs > node.notAfterMs) {
    const when = (ms: number): string => new Date(ms).toISOString()
    throw new ShoalError('unauthenticated', 'certificate-expired', `the certificate is valid from ${when(node.notBeforeMs)} to ${when(node.notAfterMs)}; now is ${when(nowMs)}`)
  }
  return node
}

/** Subject and public key of the root, DER, as `docker node inspect` shows them in TLSInfo. */
export function issuerInfo(rootCertPem: string): { readonly subject: Uint8Array; readonly publicKey: Uint8Array } {
  const certificate = parse(splitPemCertificates(rootCertPem)[0] ?? '')
  const { subject } = fromDer(certificate.raw, Certificate).tbsCertificate
  return { subject: toDer(subject), publicKey: Uint8Array.from(certificate.publicKey.export({ type: 'spki', format: 'der' })) }
}

/** swarm-worker or swarm-manager. */
export function unitOf(role: RpcIdentity['role']): string { return `swarm-${role}` }

function parse(certPem: string): X509Certificate {
  try {
    return new X509Certificate(certPem)
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'malformed-certificate', 'the certificate is malformed', { cause })
  }
}
