import { ShoalError } from '../base/errors.ts'

/** DER to PEM, lines of 64 characters, with a final newline. */
export function toPem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der).toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** Every block with this label, as DER. @throws ShoalError `malformed-certificate` (invalid-argument) if there is none */
export function fromPem(label: string, pem: string): readonly Uint8Array[] {
  const blocks = [...pem.matchAll(new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`, 'g'))]
  if (blocks.length === 0) throw new ShoalError('invalid-argument', 'malformed-certificate', `expected PEM with a ${label}`)
  return blocks.map(([, text = '']) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'base64')))
}

/** The certificates of a bundle, each as PEM of its own. */
export function splitPemCertificates(pem: string): readonly string[] {
  return fromPem('CERTIFICATE', pem).map(der => toPem('CERTIFICATE', der))
}
