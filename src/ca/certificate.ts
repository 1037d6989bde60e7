import { createHash, createPublicKey, sign, type KeyObject } from 'node:crypto'
import { ShoalError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { DER_TAG, derBitString, derElement, derExplicit, derInteger, derOctetString, derOid, derSequence, derSet, derText, derTime, derTrue, readDerChildren } from './der.ts'
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
/** Key usage bits (RFC 5280, 4.2.1.3): keyCertSign + cRLSign, or digitalSignature + keyEncipherment. */
const USAGE_AUTHORITY = { byte: 0x06, unusedBits: 1 }
const USAGE_NODE = { byte: 0xa0, unusedBits: 5 }

/** An X.509 v3 certificate, signed with ECDSA over SHA-256, as PEM. */
export function issueCertificate(fields: CertificateRequestFields): string {
  const algorithm = derSequence(derOid(ECDSA_SHA256))
  const body = derSequence(
    derExplicit(0, derInteger(Uint8Array.of(2))),
    derInteger(serialNumber(fields.random)),
    algorithm,
    fields.issuerName,
    derSequence(derTime(fields.notBeforeMs), derTime(fields.notAfterMs)),
    encodeName(fields.subject),
    fields.publicKey,
    derExplicit(3, derSequence(...extensions(fields))),
  )
  return toPem('CERTIFICATE', derSequence(body, algorithm, derBitString(signDer(body, fields.issuerKey))))
}

/** @throws ShoalError `unsupported-key` (invalid-argument) unless the key is an elliptic-curve key */
export function signDer(body: Uint8Array, key: KeyObject): Uint8Array {
  if (key.asymmetricKeyType !== 'ec') throw new ShoalError('invalid-argument', 'unsupported-key', `the key is ${key.asymmetricKeyType ?? 'none'}: only elliptic-curve keys are supported`)
  return Uint8Array.from(sign('sha256', body, key))
}

/** RDNSequence in the order O, OU, CN. */
export function encodeName(name: CertificateName): Uint8Array {
  const part = (oid: string, value: string | undefined): readonly Uint8Array[] =>
    value === undefined ? [] : [derSet(derSequence(derOid(oid), derText(DER_TAG.utf8String, value)))]
  return derSequence(...part(NAME_OID.organization, name.organization), ...part(NAME_OID.unit, name.unit), ...part(NAME_OID.commonName, name.commonName))
}

/** The algorithm for requests too. */
export function signatureAlgorithm(): Uint8Array { return derSequence(derOid(ECDSA_SHA256)) }

function extensions(fields: CertificateRequestFields): readonly Uint8Array[] {
  const usage = fields.isAuthority ? USAGE_AUTHORITY : USAGE_NODE
  const keyUsage = extension('2.5.29.15', derBitString(Uint8Array.of(usage.byte), usage.unusedBits), true)
  const constraints = extension('2.5.29.19', fields.isAuthority ? derSequence(derTrue()) : derSequence(), true)
  const keyId = extension('2.5.29.14', derOctetString(keyIdOf(fields.publicKey)))
  const issuerPublic = createPublicKey(fields.issuerKey).export({ type: 'spki', format: 'der' })
  const issuerKeyId = extension('2.5.29.35', derSequence(derElement(0x80, keyIdOf(Uint8Array.from(issuerPublic)))))
  if (fields.isAuthority) return [keyUsage, constraints, keyId, issuerKeyId]
  const purposes = extension('2.5.29.37', derSequence(derOid('1.3.6.1.5.5.7.3.1'), derOid('1.3.6.1.5.5.7.3.2')))
  const names = extension('2.5.29.17', derSequence(...fields.dnsNames.map(name => derText(0x82, name))))
  return [keyUsage, purposes, constraints, keyId, issuerKeyId, names]
}

function extension(oid: string, value: Uint8Array, isCritical = false): Uint8Array {
  return derSequence(derOid(oid), ...(isCritical ? [derTrue()] : []), derOctetString(value))
}

/** RFC 5280, 4.2.1.2 method 1: SHA-1 over the key's bits. An identifier, not a protection. */
function keyIdOf(publicKey: Uint8Array): Uint8Array {
  const bits = readDerChildren(publicKey)[1]?.content.subarray(1) ?? new Uint8Array()
  return Uint8Array.from(createHash('sha1').update(bits).digest())
}

/** 20 bytes, positive (RFC 5280, 4.1.2.2). */
function serialNumber(random: Random): Uint8Array {
  const bytes = random.bytes(20)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}
