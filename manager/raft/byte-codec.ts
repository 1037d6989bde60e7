import { ShoalError } from '../../src/base/errors.ts'

/** Enough for anything but data. */
const FIRST_CAPACITY_BYTES = 128

/** Grows as it is written to. Numbers are base-128 varints, least significant group first; byte strings carry their length. */
export class ByteWriter {
  #bytes: Uint8Array
  #length = 0

  /** @param dataBytes about how many bytes of data will be written: spares growing */
  constructor(dataBytes = 0) { this.#bytes = Buffer.allocUnsafe(FIRST_CAPACITY_BYTES + dataBytes) }

  byte(value: number): this {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
    return this
  }

  /** @param value an integer from 0 to 2^53 - 1 */
  number(value: number): this {
    let rest = value
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    return this.byte(rest)
  }

  numbers(values: readonly number[]): this {
    this.number(values.length)
    for (const value of values) this.number(value)
    return this
  }

  bytes(value: Uint8Array): this {
    this.number(value.length)
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
    return this
  }

  /** What was written; the writer is done with. */
  finish(): Uint8Array { return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset, this.#length) }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + count))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

/** Reads what ByteWriter wrote. Every method throws ShoalError `malformed-message` (invalid-argument) at the end of the bytes. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) { this.#bytes = bytes }

  get isAtEnd(): boolean { return this.#at >= this.#bytes.length }

  byte(): number {
    const value = this.#bytes[this.#at++]
    if (value === undefined) throw malformed('it ends early')
    return value
  }

  number(): number {
    let value = 0
    for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw malformed('a number is too long')
  }

  numbers(): readonly number[] {
    return Array.from({ length: this.#count() }, () => this.number())
  }

  /** A copy: the rest of what was read may be let go. */
  bytes(): Uint8Array {
    const length = this.#count()
    this.#at += length
    return this.#bytes.slice(this.#at - length, this.#at)
  }

  /** A length can't exceed what is left: nothing is allocated for a wrong one. */
  #count(): number {
    const count = this.number()
    if (count > this.#bytes.length - this.#at) throw malformed('a length exceeds what is there')
    return count
  }
}

/** `malformed-message` (invalid-argument). */
export function malformed(why: string): ShoalError {
  return new ShoalError('invalid-argument', 'malformed-message', `a raft record can not be read: ${why}; run the same version on all managers`)
}
