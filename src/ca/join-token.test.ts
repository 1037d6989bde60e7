import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CryptoRandom } from '../platform/clock/crypto-random.ts'
import { createJoinToken, equalTokens, parseJoinToken, roleOfToken, verifyRootDigest } from './join-token.ts'
import { renewalAtMs } from './renewal-time.ts'
import { createRootCa, rootDigest } from './root-ca.ts'

const random = new CryptoRandom()
const root = createRootCa({ nowMs: Date.UTC(2026, 0, 1), random })

test('a token carries the digest of the root and a secret', () => {
  const token = createJoinToken(root.certPem, random)
  assert.match(token, /^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/)
  assert.equal(parseJoinToken(token).rootDigest, rootDigest(root.certPem))
  verifyRootDigest(root.certPem, parseJoinToken(token))
})

test('the tokens of one cluster differ only in the secret', () => {
  const [a, b] = [createJoinToken(root.certPem, random), createJoinToken(root.certPem, random)]
  assert.equal(a.slice(0, 59), b.slice(0, 59))
  assert.notEqual(a, b)
})

test('white space around the PEM does not change the digest', () => {
  assert.equal(rootDigest(`\n${root.certPem}\n\n`), rootDigest(root.certPem))
})

test('another root does not match', () => {
  const other = createRootCa({ nowMs: Date.UTC(2026, 0, 1), random })
  assert.throws(() => verifyRootDigest(other.certPem, parseJoinToken(createJoinToken(root.certPem, random))), { code: 'remote-ca-mismatch' })
})

test('malformed tokens are refused', () => {
  for (const text of ['', 'SWMTKN-1-abc-def', 'SWMTKN-2-1-x', `${createJoinToken(root.certPem, random)}x`]) {
    assert.throws(() => parseJoinToken(text), { code: 'invalid-join-token' }, text)
  }
})

test('a token gives its role; a wrong or empty one gives none', () => {
  const tokens = { worker: createJoinToken(root.certPem, random), manager: createJoinToken(root.certPem, random) }
  assert.equal(roleOfToken(tokens.worker, tokens), 'worker')
  assert.equal(roleOfToken(tokens.manager, tokens), 'manager')
  assert.equal(roleOfToken(createJoinToken(root.certPem, random), tokens), undefined)
  assert.equal(roleOfToken('', { worker: '', manager: '' }), undefined)
  assert.equal(equalTokens('ab', 'a'), false)
})

test('renewal falls between 50 and 80 % of the validity', () => {
  for (const [next, atMs] of [[0, 1_500], [0.5, 1_650], [0.999999, 1_800]] as const) {
    assert.equal(Math.round(renewalAtMs({ notBeforeMs: 1_000, notAfterMs: 2_000 }, { next: () => next, bytes: () => new Uint8Array() })), atMs)
  }
})
