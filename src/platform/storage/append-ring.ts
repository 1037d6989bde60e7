const HEAD_BYTES = 8
/** A frame of this length says that the rest of the ring is not used: the next one is at its begin. */
const SKIP = 0xffff_ffff
const LENGTH_BYTES = 4
/** Numbers in the control block: a counter that changes with each request, how far writer and reader are (bytes since the begin, modulo 2^32), and how long the reader stays awake for the next request. */
const SIGNAL = 0
const WRITTEN = 1
const READ = 2
const AWAKE_US = 3
const CONTROL_BYTES = 16
/** Looks at the signal between two at the clock. */
const LOOKS = 64

/** Bytes that wait at most. What does not fit goes another way. */
export const RING_BYTES = 1024 * 1024

/** Shared by the two threads. */
export type RingMemory = SharedArrayBuffer

export function createRingMemory(): RingMemory { return new SharedArrayBuffer(CONTROL_BYTES + RING_BYTES) }

/** What both ends see of it. */
class RingEnd {
  protected readonly control: Int32Array
  protected readonly bytes: Uint8Array
  protected readonly view: DataView

  constructor(memory: RingMemory) {
    this.control = new Int32Array(memory, 0, CONTROL_BYTES / 4)
    this.bytes = new Uint8Array(memory, CONTROL_BYTES)
    this.view = new DataView(memory, CONTROL_BYTES)
  }
}

/**
 * Appends on their way from one thread to another, without a message for each: for the few hundred bytes of a write, posting one costs more than the write
 * (D-683). One writer, one reader. A frame: u32 length, u32 id, then records, each u32 length and bytes; all in steps of 8 bytes.
 */
export class RingWriter extends RingEnd {
  /** False when there is no room now. The reader hears of it with wake(). */
  write(id: number, records: readonly Uint8Array[]): boolean {
    let length = 0
    for (const record of records) length += LENGTH_BYTES + record.length
    const bytes = steps(HEAD_BYTES + length)
    if (bytes > RING_BYTES / 2) return false
    const written = this.control[WRITTEN] as number >>> 0
    const free = RING_BYTES - (written - Atomics.load(this.control, READ) >>> 0)
    const at = written % RING_BYTES
    const skipped = at + bytes > RING_BYTES ? RING_BYTES - at : 0
    if (skipped + bytes > free) return false
    if (skipped > 0) this.view.setUint32(at, SKIP, true)
    this.#fill(skipped > 0 ? 0 : at, id, length, records)
    Atomics.store(this.control, WRITTEN, written + skipped + bytes | 0)
    return true
  }

  /** Tells the reader that something came: in the ring, or elsewhere. @param awakeMs how long it may look out for the next before it sleeps */
  wake(awakeMs = 0): void {
    Atomics.store(this.control, AWAKE_US, awakeMs * 1000)
    Atomics.add(this.control, SIGNAL, 1)
    Atomics.notify(this.control, SIGNAL)
  }

  #fill(start: number, id: number, length: number, records: readonly Uint8Array[]): void {
    this.view.setUint32(start, length, true)
    this.view.setUint32(start + LENGTH_BYTES, id, true)
    let at = start + HEAD_BYTES
    for (const record of records) {
      this.view.setUint32(at, record.length, true)
      this.bytes.set(record, at + LENGTH_BYTES)
      at += LENGTH_BYTES + record.length
    }
  }
}

/** The other end: blocks its thread while nothing comes. */
export class RingReader extends RingEnd {
  /** To be read before looking for work: wait() returns at once when more has come since. */
  get signal(): number { return Atomics.load(this.control, SIGNAL) }

  /** Blocks until wake() is called after `signal` was read. */
  wait(signal: number): void {
    const awakeMs = Atomics.load(this.control, AWAKE_US) / 1000
    const endMs = awakeMs > 0 ? performance.now() + awakeMs : 0
    for (let look = 1; awakeMs > 0 && (look % LOOKS !== 0 || performance.now() < endMs); look++) if (this.signal !== signal) return
    Atomics.wait(this.control, SIGNAL, signal)
  }

  /** The records, as copies, of the next append if it is this one. */
  take(id: number): readonly Uint8Array[] | undefined {
    let read = this.control[READ] as number >>> 0
    if (read === Atomics.load(this.control, WRITTEN) >>> 0) return undefined
    if (this.view.getUint32(read % RING_BYTES, true) === SKIP) read = read + RING_BYTES - read % RING_BYTES >>> 0
    const start = read % RING_BYTES
    if (this.view.getUint32(start + LENGTH_BYTES, true) !== id >>> 0) return undefined
    const length = this.view.getUint32(start, true)
    const records: Uint8Array[] = []
    for (let at = start + HEAD_BYTES; at < start + HEAD_BYTES + length;) {
      const end = at + LENGTH_BYTES + this.view.getUint32(at, true)
      records.push(this.bytes.slice(at + LENGTH_BYTES, end))
      at = end
    }
    Atomics.store(this.control, READ, read + steps(HEAD_BYTES + length) | 0)
    return records
  }
}

function steps(bytes: number): number { return Math.ceil(bytes / 8) * 8 }
