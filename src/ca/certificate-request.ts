import { createPublicKey, generateKeyPairSync, verify, type KeyObject } from 'node:crypto'
import { Attributes, CertificationRequest, CertificationRequestInfo } from '@peculiar/asn1-csr'
import { Name, SubjectPublicKeyInfo } from '@peculiar/asn1-x509'
import { ShoalError } from '../base/errors.ts'
import { fromDer, toDer } from './asn1.ts'
import { bufferOf, encodeName, signatureAlgorithm, signDer } from './certificate.ts'
import { fromPem, toPem } from './pem.ts'

/** A request (PKCS #10) with the key it was made for; the key stays on this node. */
export interface KeyAndRequest { readonly csrPem: string; readonly keyPem: string }

/** Ours have about 400 characters, one with a large RSA key and many names some 4,000. Anyone who reaches a manager may send one, so what is parsed is bounded. */
const REQUEST_PEM_MAX = 16_384

/** A new P-256 key and a request for it. Its subject says nothing: the CA decides who we are (X03). */
export function createCertificateRequest(): KeyAndRequest {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const certificationRequestInfo = new CertificationRequestInfo({
    subject: fromDer(encodeName({ commonName: 'swarm-node' }), Name), subjectPKInfo: fromDer(publicKey.export({ type: 'spki', format: 'der' }), SubjectPublicKeyInfo), attributes: new Attributes(),
  })
  const signature = bufferOf(signDer(toDer(certificationRequestInfo), privateKey))
  const csr = toDer(new CertificationRequest({ certificationRequestInfo, signatureAlgorithm: signatureAlgorithm(), signature }))
  return { csrPem: toPem('CERTIFICATE REQUEST', csr), keyPem: privateKey.export({ type: 'sec1', format: 'pem' }).toString() }
}

/**
 * The public key (DER SubjectPublicKeyInfo) of a request whose signature proves that the sender holds the private one. Nothing else of a request is trusted.
 * @throws ShoalError `malformed-certificate` or `bad-certificate-request` (invalid-argument)
 */
export function readRequestKey(csrPem: string): Uint8Array {
  if (csrPem.length > REQUEST_PEM_MAX) throw bad(`it is longer than ${REQUEST_PEM_MAX} characters`)
  const [der = new Uint8Array()] = fromPem('CERTIFICATE REQUEST', csrPem)
  const request = fromDer(der, CertificationRequest)
  if (!request.signatureAlgorithm.isEqual(signatureAlgorithm())) throw bad('it is not signed with ECDSA over SHA-256')
  let publicKey: KeyObject
  let isValid: boolean
  try {
    // The parser takes BER, with lengths that reach past the end; DER writes a value in one way only.
    if (Buffer.compare(toDer(request), der) !== 0) throw bad('it is not in DER')
    publicKey = createPublicKey({ key: Buffer.from(toDer(request.certificationRequestInfo.subjectPKInfo)), format: 'der', type: 'spki' })
    if (publicKey.asymmetricKeyType !== 'ec') throw bad('its key is not an elliptic-curve key')
    isValid = verify('sha256', toDer(request.certificationRequestInfo), publicKey, new Uint8Array(request.signature))
  } catch (cause) {
    if (cause instanceof ShoalError) throw cause
    throw bad('its contents cannot be read', cause)
  }
  if (!isValid) throw bad('its signature does not match its key')
  return Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }))
}

function bad(why: string, cause?: unknown): ShoalError {
  return new ShoalError('invalid-argument', 'bad-certificate-request', `the certificate request is refused: ${why}`, { cause })
}
