import { ShoalError } from '../base/errors.ts'

/** ASN.1 in DER (X.690), as much of it as certificates and their requests need. See D-015 for why this is ours. */
export const DER_TAG = {
  boolean: 0x01, integer: 0x02, bitString: 0x03, octetString: 0x04, oid: 0x06, utf8String: 0x0c, ia5String: 0x16, utcTime: 0x17, generalizedTime: 0x18,
  sequence: 0x30, set: 0x31,
} as const

/** One element: tag, contents, and where it stood (header included). */
export interface DerElement { readonly tag: number; readonly content: Uint8Array; readonly whole: Uint8Array }

export function derElement(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, part) => sum + part.length, 0)
  return concat([Uint8Array.of(tag, ...lengthBytes(length)), ...contents])
}

export function derSequence(...items: readonly Uint8Array[]): Uint8Array { return derElement(DER_TAG.sequence, ...items) }
export function derSet(...items: readonly Uint8Array[]): Uint8Array { return derElement(DER_TAG.set, ...items) }
/** [number] EXPLICIT. */
export function derExplicit(number: number, ...items: readonly Uint8Array[]): Uint8Array { return derElement(0xa0 | number, ...items) }

/** A non-negative integer from big-endian bytes: leading zeros are dropped, one is added where the sign bit would be set. */
export function derInteger(bytes: Uint8Array): Uint8Array {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const rest = bytes.subarray(start)
  return (rest[0] ?? 0) >= 0x80 ? derElement(DER_TAG.integer, Uint8Array.of(0), rest) : derElement(DER_TAG.integer, rest)
}

/** "2.5.4.3" */
export function derOid(text: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  return derElement(DER_TAG.oid, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)))
}

export function derText(tag: number, text: string): Uint8Array { return derElement(tag, new TextEncoder().encode(text)) }
export function derTrue(): Uint8Array { return derElement(DER_TAG.boolean, Uint8Array.of(0xff)) }
/** Whole bytes, or with `unusedBits` at the end of the last one. */
export function derBitString(bytes: Uint8Array, unusedBits = 0): Uint8Array { return derElement(DER_TAG.bitString, Uint8Array.of(unusedBits), bytes) }
export function derOctetString(bytes: Uint8Array): Uint8Array { return derElement(DER_TAG.octetString, bytes) }

/** UTCTime up to 2049, GeneralizedTime after (RFC 5280, 4.1.2.5); whole seconds. */
export function derTime(atMs: number): Uint8Array {
  const digits = new Date(atMs).toISOString().slice(0, 19).replace(/[-:T]/g, '')
  return digits < '2050' ? derText(DER_TAG.utcTime, `${digits.slice(2)}Z`) : derText(DER_TAG.generalizedTime, `${digits}Z`)
}

/** The elements that stand one after the other in `bytes`. @throws ShoalError `malformed-certificate` (invalid-argument) */
export function readDer(bytes: Uint8Array): readonly DerElement[] {
  const elements: DerElement[] = []
  for (let at = 0; at < bytes.length;) {
    const element = readElement(bytes, at)
    elements.push(element)
    at += element.whole.length
  }
  return elements
}

/** The children of the single element that `bytes` is. @throws ShoalError `malformed-certificate` */
export function readDerChildren(bytes: Uint8Array, tag: number = DER_TAG.sequence): readonly DerElement[] {
  const [element, extra] = readDer(bytes)
  if (element === undefined || extra !== undefined || element.tag !== tag) throw malformed('an unexpected structure')
  return readDer(element.content)
}

function readElement(bytes: Uint8Array, at: number): DerElement {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined) throw malformed('it ends early')
  const extra = first < 0x80 ? 0 : first & 0x7f
  if (extra > 4) throw malformed('a length out of range')
  let length = extra === 0 ? first : 0
  for (let i = 0; i < extra; i++) length = length * 256 + (bytes[at + 2 + i] ?? 0)
  const start = at + 2 + extra
  if (start + length > bytes.length) throw malformed('it ends early')
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) }
}

function malformed(what: string): ShoalError {
  return new ShoalError('invalid-argument', 'malformed-certificate', `the certificate or request is malformed: ${what}`)
}

function lengthBytes(length: number): readonly number[] {
  if (length < 0x80) return [length]
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 | bytes.length, ...bytes]
}

function base128(value: number): readonly number[] {
  const bytes = [value % 128]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift(0x80 | rest % 128)
  return bytes
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
