import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { ShoalError } from '../base/errors.ts'
import { encodeName, signatureAlgorithm, signDer } from './certificate.ts'
import { DER_TAG, derBitString, derElement, derInteger, derSequence, readDerChildren } from './der.ts'
import { fromPem, toPem } from './pem.ts'

/** A request (PKCS #10) with the key it was made for; the key stays on this node. */
export interface KeyAndRequest { readonly csrPem: string; readonly keyPem: string }

/** A new P-256 key and a request for it. The subject is empty: the CA decides who we are (X03). */
export function createCertificateRequest(): KeyAndRequest {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const body = derSequence(
    derInteger(Uint8Array.of(0)), encodeName({ commonName: 'swarm-node' }), Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' })), derElement(0xa0),
  )
  const csr = derSequence(body, signatureAlgorithm(), derBitString(signDer(body, privateKey)))
  return { csrPem: toPem('CERTIFICATE REQUEST', csr), keyPem: privateKey.export({ type: 'sec1', format: 'pem' }).toString() }
}

/**
 * The public key (DER SubjectPublicKeyInfo) of a request whose signature proves that the sender holds the private one. Nothing else of a request is trusted.
 * @throws ShoalError `malformed-certificate` or `bad-certificate-request` (invalid-argument)
 */
export function readRequestKey(csrPem: string): Uint8Array {
  const [der = new Uint8Array()] = fromPem('CERTIFICATE REQUEST', csrPem)
  const [body, algorithm, signature] = readDerChildren(der)
  const publicKey = body === undefined ? undefined : readDerChildren(body.whole)[2]
  if (body === undefined || signature === undefined || publicKey === undefined) throw bad('it is incomplete')
  if (signature.tag !== DER_TAG.bitString || signature.content[0] !== 0 || Buffer.compare(algorithm?.whole ?? der, signatureAlgorithm()) !== 0) throw bad('it is not signed with ECDSA over SHA-256')
  let isValid: boolean
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey.whole), format: 'der', type: 'spki' })
    if (key.asymmetricKeyType !== 'ec') throw bad('its key is not an elliptic-curve key')
    isValid = verify('sha256', body.whole, key, signature.content.subarray(1))
  } catch (cause) {
    if (cause instanceof ShoalError) throw cause
    throw bad('its key cannot be read', cause)
  }
  if (!isValid) throw bad('its signature does not match its key')
  return Uint8Array.from(publicKey.whole)
}

function bad(why: string, cause?: unknown): ShoalError {
  return new ShoalError('invalid-argument', 'bad-certificate-request', `the certificate request is refused: ${why}`, { cause })
}
