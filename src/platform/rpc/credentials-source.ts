import tls from 'node:tls'

/** What mutual TLS needs, all PEM. Absent certificate and key: an anonymous caller (before joining). */
export interface TlsCredentials {
  /** The trusted roots; more than one while the root is rotated. Empty: the server's certificate is not verified (only to fetch the root before joining). */
  readonly rootCertsPem: string
  /** This node's certificate, with its chain. */
  readonly certPem?: string
  readonly keyPem?: string
}

/**
 * Where the certificates come from. `current()` is asked for each new connection and may return new values after a renewal, as a new object:
 * the same object means that nothing changed.
 */
export interface CredentialsSource {
  current(): TlsCredentials
}

/** Credentials that never change, for tests and for the call before joining. */
export function fixedCredentials(credentials: TlsCredentials): CredentialsSource {
  return { current: () => credentials }
}

/** Credentials that are replaced on renewal. */
export class RenewableCredentials implements CredentialsSource {
  #current: TlsCredentials

  constructor(first: TlsCredentials) { this.#current = first }

  current(): TlsCredentials { return this.#current }
  /** New connections use these; live ones go on. */
  renew(credentials: TlsCredentials): void { this.#current = credentials }
}

/** TLS 1.2 suites: ECDHE with AES-GCM or ChaCha20 only (X05); TLS 1.3 has no others. */
export const TLS_CIPHERS = [
  'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256',
].join(':')

/** The DNS name in every manager's certificate: what a client checks instead of a host name. */
export const SERVER_NAME = 'swarm-manager'

/** What a client connects with. */
export function clientContext({ rootCertsPem, certPem, keyPem }: TlsCredentials): tls.SecureContext {
  return tls.createSecureContext({ minVersion: 'TLSv1.2', ciphers: TLS_CIPHERS, ca: rootCertsPem === '' ? undefined : rootCertsPem, cert: certPem, key: keyPem })
}
