import { CA_RPC } from '../api/codec/methods.ts'
import type { NodeAvailability } from '../api/swarm/specs.ts'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { RpcDialer } from '../base/rpc.ts'
import { createCertificateRequest } from './certificate-request.ts'
import { parseJoinToken, verifyRootDigest } from './join-token.ts'
import { verifyNodeCertificate, type NodeCertificate } from './node-certificate.ts'

/** X02: tries and the pause between them. */
const FETCH_TRIES = 5
const FETCH_PAUSE_MS = 2_000
/** Issuing waits for a raft commit, and perhaps for an election. */
const ISSUE_TIMEOUT_MS = 20_000

/** A certificate with its key and the roots it came with. */
export interface IssuedCertificate {
  readonly identity: NodeCertificate
  readonly certPem: string
  readonly keyPem: string
  readonly rootCertPem: string
  /** What managers are unlocked with, for a manager of a cluster with autolock; else empty. */
  readonly unlockKey: string
}

/**
 * Fetches the root CA from a manager that is not yet trusted and checks it against the token's digest.
 * @param dialer must not verify the server (createInsecureDialer)
 * @throws ShoalError `invalid-join-token`, `remote-ca-mismatch`, or what the last try failed with
 */
export async function fetchRootCa(options: { readonly dialer: RpcDialer; readonly address: string; readonly token: string; readonly clock: Clock; readonly signal?: AbortSignal }): Promise<string> {
  const token = parseJoinToken(options.token)
  for (let tries = 1; ; tries++) {
    try {
      const rootCertPem = await getRootCa(options)
      verifyRootDigest(rootCertPem, token)
      return rootCertPem
    } catch (error) {
      options.signal?.throwIfAborted()
      if (tries >= FETCH_TRIES || !isWorthAnotherTry(error)) throw error
    }
    await options.clock.sleep(FETCH_PAUSE_MS, options.signal)
  }
}

/**
 * Gets a certificate for a new key. A first one: `token` and a dialer that trusts the fetched root. A renewal: no token, and a dialer with the current certificate.
 * @throws ShoalError `join-token-needed` (unauthenticated) "A valid join token is necessary to join this cluster", or as the manager says
 */
export async function requestCertificate(options: {
  readonly dialer: RpcDialer; readonly address: string; readonly rootCertPem: string; readonly nowMs: number
  readonly token?: string; readonly availability?: NodeAvailability; readonly signal?: AbortSignal
}): Promise<IssuedCertificate> {
  const { csrPem, keyPem } = createCertificateRequest()
  await using client = options.dialer.dial(options.address)
  const request = { csrPem: new TextEncoder().encode(csrPem), token: options.token ?? '', availability: options.availability ?? 'active' as const }
  const response = await client.unary(CA_RPC.issueCertificate, request, { timeoutMs: ISSUE_TIMEOUT_MS, signal: options.signal })
  const certPem = new TextDecoder().decode(response.certPem)
  const given = new TextDecoder().decode(response.rootCaCertPem)
  // The connection is verified, so a root that the manager adds (rotation) may be trusted.
  const rootCertPem = given === '' ? options.rootCertPem : given
  return { identity: verifyNodeCertificate(certPem, rootCertPem, options.nowMs), certPem, keyPem, rootCertPem, unlockKey: response.unlockKey }
}

async function getRootCa({ dialer, address, signal }: { readonly dialer: RpcDialer; readonly address: string; readonly signal?: AbortSignal }): Promise<string> {
  await using client = dialer.dial(address)
  const response = await client.unary(CA_RPC.getRootCa, {}, { signal })
  return new TextDecoder().decode(response.certPem)
}

function isWorthAnotherTry(error: unknown): boolean {
  return error instanceof ShoalError && (error.kind === 'unavailable' || error.kind === 'deadline-exceeded')
}
