const FIRST_CAPACITY_BYTES = 16 * 1024
/** A larger buffer is not kept: one large message would hold its memory for ever. */
const KEPT_CAPACITY_BYTES = 256 * 1024
/** Longer strings are written by the library, shorter ones here: the call costs more than as many characters. */
const SHORT_STRING_MAX = 64
/** A varint of 64 bits. */
const VARINT_BYTES_MAX = 10

/**
 * Writes protobuf's wire format from its end to its beginning: what stands before a message is its length, which is known once it is written. So nothing is
 * measured first, moved, or kept in pieces. Tags are written by each method, with the field number and the wire type in one (field << 3 | type).
 */
export class WireWriter {
  #buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY_BYTES)
  #at = FIRST_CAPACITY_BYTES

  /** Bytes written since begin(). */
  get size(): number { return this.#buffer.length - this.#at }

  begin(): void { this.#at = this.#buffer.length }

  /** A copy of what was written. */
  finish(): Uint8Array {
    const bytes = Buffer.from(this.#buffer.subarray(this.#at))
    if (this.#buffer.length > KEPT_CAPACITY_BYTES) this.#buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY_BYTES)
    return bytes
  }

  /** Says that what was written since `sizeBefore` is the content of a field. */
  enclose(tag: number, sizeBefore: number): void { this.uint32(tag, this.size - sizeBefore) }

  /** @param value an integer from 0 to 2^32 - 1 @param tag 0: none, as in a packed list */
  uint32(tag: number, value: number): void {
    this.#reserve(2 * VARINT_BYTES_MAX)
    this.#varint(value)
    if (tag !== 0) this.#varint(tag)
  }

  /** Of 64 bits, signed or not: a negative number in two's complement; a fraction is cut off, and what is no number is 0. */
  int64(tag: number, value: number): void {
    const whole = Number.isFinite(value) ? Math.trunc(value) : 0
    if (whole >= 0 && whole < 0x1_0000_0000) return this.uint32(tag, whole)
    this.#reserve(2 * VARINT_BYTES_MAX)
    if (whole > 0 && whole <= Number.MAX_SAFE_INTEGER) this.#varint53(whole)
    else this.#varint64(BigInt.asUintN(64, BigInt(whole)))
    if (tag !== 0) this.#varint(tag)
  }

  double(tag: number, value: number): void {
    this.#reserve(8 + VARINT_BYTES_MAX)
    this.#at -= 8
    this.#buffer.writeDoubleLE(value, this.#at)
    this.#varint(tag)
  }

  bytes(tag: number, value: Uint8Array): void {
    const { length } = value
    this.#reserve(length + 2 * VARINT_BYTES_MAX)
    this.#at -= length
    this.#buffer.set(value, this.#at)
    this.uint32(tag, length)
  }

  text(tag: number, value: string): void {
    const { length } = value
    if (length > SHORT_STRING_MAX) return this.#longText(tag, value)
    this.#reserve(length + 2 * VARINT_BYTES_MAX)
    const buffer = this.#buffer
    const start = this.#at - length
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) return this.#longText(tag, value)
      buffer[start + i] = code
    }
    this.#at = start
    this.uint32(tag, length)
  }

  #longText(tag: number, value: string): void {
    const length = Buffer.byteLength(value)
    this.#reserve(length + 2 * VARINT_BYTES_MAX)
    this.#at -= length
    this.#buffer.write(value, this.#at, length)
    this.uint32(tag, length)
  }

  #varint(value: number): void {
    const buffer = this.#buffer
    if (value < 0x80) {
      buffer[--this.#at] = value
      return
    }
    let at = this.#at -= value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5
    let rest = value
    for (; rest > 0x7f; rest >>>= 7) buffer[at++] = rest & 0x7f | 0x80
    buffer[at] = rest
  }

  /** @param value at least 2^28 */
  #varint53(value: number): void {
    this.#varint(Math.floor(value / 0x1000_0000))
    const low = value % 0x1000_0000
    const buffer = this.#buffer
    buffer[--this.#at] = low >>> 21 | 0x80
    buffer[--this.#at] = low >>> 14 & 0x7f | 0x80
    buffer[--this.#at] = low >>> 7 & 0x7f | 0x80
    buffer[--this.#at] = low & 0x7f | 0x80
  }

  #varint64(value: bigint): void {
    const groups: number[] = []
    let rest = value
    for (; rest > 0x7fn; rest >>= 7n) groups.push(Number(rest & 0x7fn) | 0x80)
    groups.push(Number(rest))
    this.#at -= groups.length
    this.#buffer.set(groups, this.#at)
  }

  /** Space for so many bytes before what is written. */
  #reserve(count: number): void {
    if (this.#at >= count) return
    const { size } = this
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, size + count))
    grown.set(this.#buffer.subarray(this.#at), grown.length - size)
    this.#buffer = grown
    this.#at = grown.length - size
  }
}
