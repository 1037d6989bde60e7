import { AsnConvert } from '@peculiar/asn1-schema'
import { ShoalError, messageOf } from '../base/errors.ts'

/** DER of a value whose class is an ASN.1 schema. */
export function toDer(value: object): Uint8Array { return new Uint8Array(AsnConvert.serialize(value)) }

/** The structure that `der` is. @throws ShoalError `malformed-certificate` (invalid-argument) */
export function fromDer<T>(der: Uint8Array, schema: new () => T): T {
  try {
    return AsnConvert.parse(der, schema)
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'malformed-certificate', `the certificate or request is malformed: ${messageOf(cause)}`, { cause })
  }
}
