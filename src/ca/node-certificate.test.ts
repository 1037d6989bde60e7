import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { CryptoRandom } from '../platform/clock/crypto-random.ts'
import { createCertificateRequest } from './certificate-request.ts'
import { issuerInfo, NODE_VALIDITY_MS, readNodeCertificate, signNodeCertificate, verifyNodeCertificate } from './node-certificate.ts'
import { createRootCa } from './root-ca.ts'

const random = new CryptoRandom()
const NOW_MS = Date.UTC(2026, 0, 1)
const root = createRootCa({ nowMs: NOW_MS, random })
const identity = { nodeId: 'n1', role: 'worker', clusterId: 'c1' } as const

function sign(nowMs = NOW_MS): string {
  return signNodeCertificate({ csrPem: createCertificateRequest().csrPem, root, identity, nowMs, random })
}

test('a root is self-signed, named swarm-ca and valid for 20 years', () => {
  const certificate = new X509Certificate(root.certPem)
  assert.equal(certificate.subject, 'CN=swarm-ca')
  assert.ok(certificate.ca && certificate.verify(certificate.publicKey))
  assert.equal(Date.parse(certificate.validTo), NOW_MS + 20 * 365 * 24 * 3_600_000)
})

test('a node certificate says who, in which role and cluster, is backdated by an hour and valid for 90 days', () => {
  assert.deepEqual(readNodeCertificate(sign()), { ...identity, notBeforeMs: NOW_MS - 3_600_000, notAfterMs: NOW_MS + NODE_VALIDITY_MS })
  assert.match(new X509Certificate(sign()).subjectAltName ?? '', /DNS:swarm-worker/)
})

test('verification accepts any of several roots, refuses others, the expired and the not yet valid', () => {
  const other = createRootCa({ nowMs: NOW_MS, random })
  assert.equal(verifyNodeCertificate(sign(), other.certPem + root.certPem, NOW_MS).nodeId, 'n1')
  assert.throws(() => verifyNodeCertificate(sign(), other.certPem, NOW_MS), { code: 'certificate-not-of-this-cluster' })
  assert.throws(() => verifyNodeCertificate(sign(), root.certPem, NOW_MS + NODE_VALIDITY_MS + 1_000), { code: 'certificate-expired' })
  assert.throws(() => verifyNodeCertificate(sign(), root.certPem, NOW_MS - 7_200_000), { code: 'certificate-expired' })
  assert.throws(() => verifyNodeCertificate('nonsense', root.certPem, NOW_MS), { code: 'malformed-certificate' })
})

test('the issuer is told as node inspect shows it', () => {
  const info = issuerInfo(root.certPem)
  // As dockerd 20.10 answers.
  assert.equal(Buffer.from(info.subject).toString('base64'), 'MBMxETAPBgNVBAMTCHN3YXJtLWNh')
  assert.equal(info.publicKey.length, 91)
})
