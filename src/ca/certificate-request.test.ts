import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import { createCertificateRequest, readRequestKey } from './certificate-request.ts'
import { fromPem, toPem } from './pem.ts'

const LABEL = 'CERTIFICATE REQUEST'

function requestBytes(): Uint8Array { return fromPem(LABEL, createCertificateRequest().csrPem)[0] ?? new Uint8Array() }
function isRefused(bytes: Uint8Array, what: string): void {
  assert.throws(() => readRequestKey(toPem(LABEL, bytes)), { name: 'ShoalError', kind: 'invalid-argument' }, what)
}

test('the key that a request proves is the one it was made for', () => {
  const { csrPem, keyPem } = createCertificateRequest()
  const publicKey = createPublicKey(createPrivateKey(keyPem)).export({ type: 'spki', format: 'der' })
  assert.deepEqual(readRequestKey(csrPem), Uint8Array.from(publicKey))
})

test('a request with any bit flipped is refused', () => {
  const der = requestBytes()
  for (let bit = 0; bit < der.length * 8; bit++) {
    const changed = Uint8Array.from(der)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    isRefused(changed, `byte ${bit >> 3}, bit ${bit & 7}`)
  }
})

test('a request that ends early, goes on, or is nothing of the kind is refused', () => {
  const der = requestBytes()
  for (let length = 0; length < der.length; length++) isRefused(der.subarray(0, length), `${length} bytes`)
  isRefused(Uint8Array.of(...der, 0), 'one byte more')
  isRefused(Uint8Array.of(...der, ...der), 'twice')
  // A nest of sequences as deep as the limit lets it be.
  isRefused(Uint8Array.from({ length: 12_000 }, (_, at) => at % 2 === 0 ? 0x30 : 0x80), 'nested without end')
  assert.throws(() => readRequestKey('-----BEGIN CERTIFICATE REQUEST-----\n%\n-----END CERTIFICATE REQUEST-----'), { code: 'malformed-certificate' })
  assert.throws(() => readRequestKey(''), { code: 'malformed-certificate' })
  assert.throws(() => readRequestKey(`${createCertificateRequest().csrPem}${' '.repeat(16_384)}`), { code: 'bad-certificate-request', message: /longer than 16384/ })
})

test('OpenSSL accepts our requests', () => {
  assert.match(openssl(['req', '-noout', '-verify', '-subject'], createCertificateRequest().csrPem), /CN = swarm-node/)
})

test('a request that OpenSSL made is accepted, but not one with another kind of key or signature', () => {
  const request = (...key: readonly string[]): string => openssl(['req', '-new', '-nodes', '-subj', '/O=c1/CN=n1', '-addext', 'subjectAltName=DNS:n1', '-keyout', '/dev/null', ...key])
  assert.equal(readRequestKey(request('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256')).length, 91)
  assert.throws(() => readRequestKey(request('-newkey', 'rsa:2048')), { code: 'bad-certificate-request' })
  assert.throws(() => readRequestKey(request('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha384')), { code: 'bad-certificate-request', message: /ECDSA over SHA-256/ })
})

function openssl(args: readonly string[], input = ''): string {
  return execFileSync('openssl', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] })
}
