import { createHash, timingSafeEqual } from 'node:crypto'
import { ShoalError } from '../base/errors.ts'
import { toBase36 } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import { rootDigest } from './root-ca.ts'

/** A token's parts. `secret` decides the role: the cluster has one token for workers and one for managers. */
export interface JoinToken { readonly rootDigest: string; readonly secret: string }

const SECRET_WIDTH = 25
const PATTERN = /^SWMTKN-1-([0-9a-z]{50})-([0-9a-z]{25})$/

/** SWMTKN-1-<root digest, 50>-<128 random bits, 25>, both base 36 (X01). */
export function createJoinToken(rootCertPem: string, random: Random): string {
  return `SWMTKN-1-${rootDigest(rootCertPem)}-${toBase36(random.bytes(16), SECRET_WIDTH)}`
}

/** @throws ShoalError `invalid-join-token` (invalid-argument) */
export function parseJoinToken(token: string): JoinToken {
  const match = PATTERN.exec(token)
  if (match?.[1] === undefined || match[2] === undefined) throw new ShoalError('invalid-argument', 'invalid-join-token', 'invalid join token')
  return { rootDigest: match[1], secret: match[2] }
}

/** Compares in constant time, whatever the lengths. An empty token equals nothing. */
export function equalTokens(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected)) && given !== ''
}

/** Which role a token gives, or undefined for a wrong one. Takes the same time for each. */
export function roleOfToken(token: string, tokens: { readonly worker: string; readonly manager: string }): 'worker' | 'manager' | undefined {
  const isWorker = equalTokens(token, tokens.worker)
  const isManager = equalTokens(token, tokens.manager)
  if (isManager) return 'manager'
  return isWorker ? 'worker' : undefined
}

/** Checks a fetched root against the token. @throws ShoalError `remote-ca-mismatch` (failed-precondition) */
export function verifyRootDigest(rootCertPem: string, token: JoinToken): void {
  if (!equalTokens(rootDigest(rootCertPem), token.rootDigest)) {
    throw new ShoalError('failed-precondition', 'remote-ca-mismatch', 'remote CA does not match fingerprint. Expected: the root of the join token; the manager at this address belongs to another cluster, or the token is out of date')
  }
}
