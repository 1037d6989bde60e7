import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CryptoRandom } from '../platform/clock/crypto-random.ts'
import { createCertificateRequest } from './certificate-request.ts'
import { signNodeCertificate } from './node-certificate.ts'
import { createRootCa } from './root-ca.ts'

const random = new CryptoRandom()
const NOW_MS = Date.UTC(2026, 0, 1)
const root = createRootCa({ nowMs: NOW_MS, random })

function managerCertificate(validityMs?: number): string {
  return signNodeCertificate({ csrPem: createCertificateRequest().csrPem, root, identity: { nodeId: 'n1', role: 'manager', clusterId: 'c1' }, nowMs: NOW_MS, random, ...(validityMs === undefined ? {} : { validityMs }) })
}

test('OpenSSL finds nothing to object to in a root and its node certificates', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-ca-'))
  try {
    const [rootFile, nodeFile] = [join(folder, 'root.pem'), join(folder, 'node.pem')]
    writeFileSync(rootFile, root.certPem)
    writeFileSync(nodeFile, managerCertificate())
    const verify = (purpose: string): string => execFileSync('openssl', ['verify', '-x509_strict', '-check_ss_sig', '-purpose', purpose, '-attime', String(NOW_MS / 1000), '-CAfile', rootFile, nodeFile], { encoding: 'utf8' })
    assert.match(verify('sslserver'), /OK/)
    assert.match(verify('sslclient'), /OK/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a node certificate says in each of its fields what it should', () => {
  const text = execFileSync('openssl', ['x509', '-noout', '-text'], { input: managerCertificate(), encoding: 'utf8' })
  for (const line of [
    'Version: 3 (0x2)', 'Issuer: CN = swarm-ca', 'Subject: O = c1, OU = swarm-manager, CN = n1', 'Not Before: Dec 31 23:00:00 2025 GMT', 'Not After : Apr  1 00:00:00 2026 GMT',
    'Digital Signature, Key Encipherment', 'TLS Web Server Authentication, TLS Web Client Authentication', 'CA:FALSE', 'DNS:swarm-manager, DNS:n1, DNS:swarm-ca', 'Signature Algorithm: ecdsa-with-SHA256',
  ]) assert.ok(text.includes(line), `${line} in\n${text}`)
  assert.equal(text.match(/critical/g)?.length, 2)
})

test('a date past 2049 is written so that OpenSSL reads it', () => {
  const text = execFileSync('openssl', ['x509', '-noout', '-enddate'], { input: managerCertificate(30 * 365 * 24 * 3_600_000), encoding: 'utf8' })
  assert.match(text, /2055 GMT/)
})
