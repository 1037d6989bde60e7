import { ShoalError } from '../../base/errors.ts'

/** `value`, or undefined when it is Go's zero: what `omitempty` leaves out. */
export function some<T>(value: T): T | undefined {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) return undefined
  if (Array.isArray(value)) return value.length === 0 ? undefined : value
  if (typeof value === 'object' && !(value instanceof Uint8Array)) return Object.keys(value).length === 0 ? undefined : value
  return value
}

/** RFC 3339 of a wall clock; 0 is Go's zero time. */
export function timeText(atMs: number): string {
  return atMs === 0 ? '0001-01-01T00:00:00Z' : new Date(atMs).toISOString()
}

export function base64Text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** @throws ShoalError `invalid-json` naming the field */
export function bytesOf(text: string | undefined, field: string): Uint8Array {
  if (text === undefined || text === '') return new Uint8Array()
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    throw new ShoalError('invalid-argument', 'invalid-json', `invalid JSON: ${field} must be base 64`)
  }
  return Uint8Array.from(Buffer.from(text, 'base64'))
}

/**
 * A word out of a fixed set, in any case; absent is undefined.
 * @throws ShoalError `bad-parameter` (invalid-argument) with `complaint` before the quoted word
 */
export function wordOf<const W extends string>(text: string | undefined, words: readonly W[], complaint: string): W | undefined {
  if (text === undefined || text === '') return undefined
  const lower = text.toLowerCase()
  const word = words.find(candidate => candidate === lower)
  if (word === undefined) throw new ShoalError('invalid-argument', 'bad-parameter', `${complaint} "${text.slice(0, 100)}"`)
  return word
}

/** A count or version from JSON. @throws ShoalError `invalid-json` for negative numbers */
export function unsigned(value: number | undefined, field: string): number | undefined {
  if (value !== undefined && value < 0) throw new ShoalError('invalid-argument', 'invalid-json', `invalid JSON: ${field} must not be negative`)
  return value
}
