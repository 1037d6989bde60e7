import { createHash, generateKeyPairSync } from 'node:crypto'
import { toBase36 } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import { encodeName, issueCertificate } from './certificate.ts'

/** A root with the key that signs with it. The key never leaves the replicated store. */
export interface RootCaKeyPair { readonly certPem: string; readonly keyPem: string }

export const ROOT_CA_NAME = 'swarm-ca'
const YEAR_MS = 365 * 24 * 3_600_000
const ROOT_VALIDITY_MS = 20 * YEAR_MS
/** Certificates are backdated, so that a node whose clock is behind accepts them. */
export const BACKDATE_MS = 3_600_000
/** Digits of a digest in a join token. */
const DIGEST_WIDTH = 50

/** A new self-signed root: ECDSA P-256, CN swarm-ca, 20 years (X03). */
export function createRootCa(options: { readonly nowMs: number; readonly random: Random }): RootCaKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = { commonName: ROOT_CA_NAME }
  const certPem = issueCertificate({
    subject: name, issuerName: encodeName(name), publicKey: Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' })), issuerKey: privateKey,
    notBeforeMs: options.nowMs - BACKDATE_MS, notAfterMs: options.nowMs + ROOT_VALIDITY_MS, isAuthority: true, dnsNames: [], random: options.random,
  })
  return { certPem, keyPem: privateKey.export({ type: 'sec1', format: 'pem' }).toString() }
}

/** The digest that join tokens carry: SHA-256 of the root's PEM text, 50 digits of base 36 (X01). */
export function rootDigest(certPem: string): string {
  return toBase36(Uint8Array.from(createHash('sha256').update(`${certPem.trim()}\n`).digest()), DIGEST_WIDTH)
}
