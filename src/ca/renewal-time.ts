import type { Random } from '../base/random.ts'

/** Renewal falls at a random point of this part of the validity, so that nodes of one age do not come all at once (X04). */
const EARLIEST = 0.5
const LATEST = 0.8

/** When to renew a certificate, wall-clock milliseconds. */
export function renewalAtMs(certificate: { readonly notBeforeMs: number; readonly notAfterMs: number }, random: Random): number {
  const validityMs = certificate.notAfterMs - certificate.notBeforeMs
  return certificate.notBeforeMs + validityMs * (EARLIEST + (LATEST - EARLIEST) * random.next())
}
