import { decode, encode } from '@peculiar/utils/pem'
import { ShoalError } from '../base/errors.ts'

/** DER to PEM, lines of 64 characters, with a final newline. */
export function toPem(label: string, der: Uint8Array): string { return `${encode(label, der).trimEnd()}\n` }

/** Every block with this label, as DER. @throws ShoalError `malformed-certificate` (invalid-argument) if there is none, or one is damaged */
export function fromPem(label: string, pem: string): readonly Uint8Array[] {
  try {
    return decode(pem, { label, strict: true }).map(({ data }) => Uint8Array.from(data))
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'malformed-certificate', `expected PEM with a ${label}`, { cause })
  }
}

/** The certificates of a bundle, each as PEM of its own. */
export function splitPemCertificates(pem: string): readonly string[] {
  return fromPem('CERTIFICATE', pem).map(der => toPem('CERTIFICATE', der))
}
