import { createHash, createPublicKey, sign, type KeyObject } from 'node:crypto'
import { OctetString } from '@peculiar/asn1-schema'
import {
  AlgorithmIdentifier, AttributeTypeAndValue, AttributeValue, AuthorityKeyIdentifier, BasicConstraints, Certificate, ExtendedKeyUsage, Extension, Extensions, GeneralName, KeyIdentifier, KeyUsage,
  KeyUsageFlags, Name, RelativeDistinguishedName, SubjectAlternativeName, SubjectKeyIdentifier, SubjectPublicKeyInfo, TBSCertificate, Validity, Version,
  id_ce_authorityKeyIdentifier, id_ce_basicConstraints, id_ce_extKeyUsage, id_ce_keyUsage, id_ce_subjectAltName, id_ce_subjectKeyIdentifier, id_kp_clientAuth, id_kp_serverAuth,
} from '@peculiar/asn1-x509'
import { ShoalError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { fromDer, toDer } from './asn1.ts'
import { toPem } from './pem.ts'

/** What names a certificate's holder here. */
export interface CertificateName {
  readonly commonName: string
  readonly unit?: string
  readonly organization?: string
}

export interface CertificateRequestFields {
  readonly subject: CertificateName
  /** DER name, as it stands in the issuer's certificate. */
  readonly issuerName: Uint8Array
  /** DER SubjectPublicKeyInfo of the holder. */
  readonly publicKey: Uint8Array
  readonly issuerKey: KeyObject
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly isAuthority: boolean
  /** Subject alternative names: DNS names. */
  readonly dnsNames: readonly string[]
  readonly random: Random
}

const ECDSA_SHA256 = '1.2.840.10045.4.3.2'
const NAME_OID = { commonName: '2.5.4.3', organization: '2.5.4.10', unit: '2.5.4.11' } as const
const USAGE_AUTHORITY = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign
const USAGE_NODE = KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment

/** X.680, 41.4. */
const PRINTABLE = /^[A-Za-z0-9 '()+,./:=?-]*$/

/** An X.509 v3 certificate, signed with ECDSA over SHA-256, as PEM. */
export function issueCertificate(fields: CertificateRequestFields): string {
  const tbsCertificate = new TBSCertificate({
    version: Version.v3, serialNumber: bufferOf(serialNumber(fields.random)), signature: signatureAlgorithm(), issuer: fromDer(fields.issuerName, Name),
    validity: new Validity({ notBefore: new Date(fields.notBeforeMs), notAfter: new Date(fields.notAfterMs) }), subject: fromDer(encodeName(fields.subject), Name),
    subjectPublicKeyInfo: fromDer(fields.publicKey, SubjectPublicKeyInfo), extensions: new Extensions(extensions(fields)),
  })
  const signatureValue = bufferOf(signDer(toDer(tbsCertificate), fields.issuerKey))
  return toPem('CERTIFICATE', toDer(new Certificate({ tbsCertificate, signatureAlgorithm: signatureAlgorithm(), signatureValue })))
}

/** @throws ShoalError `unsupported-key` (invalid-argument) unless the key is an elliptic-curve key */
export function signDer(body: Uint8Array, key: KeyObject): Uint8Array {
  if (key.asymmetricKeyType !== 'ec') throw new ShoalError('invalid-argument', 'unsupported-key', `the key is ${key.asymmetricKeyType ?? 'none'}: only elliptic-curve keys are supported`)
  return Uint8Array.from(sign('sha256', body, key))
}

/** RDNSequence in the order O, OU, CN, as DER. */
export function encodeName(name: CertificateName): Uint8Array {
  const parts = [[NAME_OID.organization, name.organization], [NAME_OID.unit, name.unit], [NAME_OID.commonName, name.commonName]] as const
  return toDer(new Name(parts.flatMap(([type, text]) => (
    text === undefined ? [] : [new RelativeDistinguishedName([new AttributeTypeAndValue({ type, value: attributeValue(text) })])]
  ))))
}

/** PrintableString where it can be, as Docker's CA writes it, so that the issuer in TLSInfo is the same byte by byte. */
function attributeValue(text: string): AttributeValue {
  return new AttributeValue(PRINTABLE.test(text) ? { printableString: text } : { utf8String: text })
}

/** ECDSA with SHA-256; for requests too. */
export function signatureAlgorithm(): AlgorithmIdentifier { return new AlgorithmIdentifier({ algorithm: ECDSA_SHA256 }) }

/** The bytes as a buffer of their own, as the schemas want them. */
export function bufferOf(bytes: Uint8Array): ArrayBuffer { return Uint8Array.from(bytes).buffer }

function extensions(fields: CertificateRequestFields): Extension[] {
  const issuerPublic = createPublicKey(fields.issuerKey).export({ type: 'spki', format: 'der' })
  const keyUsage = extension(id_ce_keyUsage, new KeyUsage(fields.isAuthority ? USAGE_AUTHORITY : USAGE_NODE), true)
  const constraints = extension(id_ce_basicConstraints, new BasicConstraints({ cA: fields.isAuthority }), true)
  const keyId = extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdOf(fields.publicKey)))
  const issuerKeyId = extension(id_ce_authorityKeyIdentifier, new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyIdOf(issuerPublic)) }))
  if (fields.isAuthority) return [keyUsage, constraints, keyId, issuerKeyId]
  const purposes = extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth, id_kp_clientAuth]))
  const names = extension(id_ce_subjectAltName, new SubjectAlternativeName(fields.dnsNames.map(dNSName => new GeneralName({ dNSName }))))
  return [keyUsage, purposes, constraints, keyId, issuerKeyId, names]
}

function extension(extnID: string, value: object, critical = false): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(toDer(value)) })
}

/** RFC 5280, 4.2.1.2 method 1: SHA-1 over the key's bits. An identifier, not a protection. */
function keyIdOf(publicKey: Uint8Array): Uint8Array {
  const bits = fromDer(publicKey, SubjectPublicKeyInfo).subjectPublicKey
  return Uint8Array.from(createHash('sha1').update(new Uint8Array(bits)).digest())
}

/** 20 bytes, positive (RFC 5280, 4.1.2.2). */
function serialNumber(random: Random): Uint8Array {
  const bytes = random.bytes(20)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}
