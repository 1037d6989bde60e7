import { randomInt, type Random } from '../../base/random.ts'
import type { LogDisk, LogFile } from './log-disk.ts'

/** A disk writes sectors whole or not at all. */
const SECTOR_BYTES = 512

interface Write { readonly offset: number; readonly bytes: Uint8Array }
/** A file apart from its name: what a crash leaves for certain, what a process sees, and what was written since the last sync. */
interface Inode { durable: Buffer; seen: Buffer; pending: Write[] }
/** How much more a disk takes; shared with whatever else is on it. */
export interface DiskRoom { bytes: number }
type NameChange = { readonly kind: 'link'; readonly name: string; readonly inode: Inode } | { readonly kind: 'unlink'; readonly name: string }

/** Thrown by the operation at which the machine stops. */
export class SimulatedCrash extends Error {}

/** LogDisk in memory, with the failures of real ones. */
export class SimulatedLogDisk implements LogDisk {
  readonly path = 'simulated'
  /** Flushes report success and do nothing: the disk lies. */
  losesSyncs = false
  /** Every write and flush fails with this, as with EIO. What a failed flush was to flush may then never reach the disk, though processes go on seeing it. */
  failure: Error | undefined
  /** But so many operations first. */
  failsAfter = 0
  /** Files may grow by so much, then writes stop in the middle with ENOSPC. Undefined: without bounds. */
  room: DiskRoom | undefined
  /** Bytes of writes that a crash tore: of one write some sectors survived, others not. */
  tornWrites = 0
  /** The machine stops before this many further writes, syncs and name changes. */
  operationsLeft = Infinity
  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  #pendingNames: NameChange[] = []

  names(): readonly string[] { return [...this.#names.keys()] }

  create(name: string): LogFile {
    this.#operate()
    const inode: Inode = { durable: Buffer.alloc(0), seen: Buffer.alloc(0), pending: [] }
    this.#change({ kind: 'link', name, inode })
    return this.#file(inode)
  }

  open(name: string): LogFile {
    const inode = this.#names.get(name)
    if (inode === undefined) throw new Error(`no file ${name}`)
    return this.#file(inode)
  }

  rename(from: string, to: string): void {
    this.#operate()
    const inode = this.#names.get(from)
    if (inode === undefined) throw new Error(`no file ${from}`)
    this.#change({ kind: 'link', name: to, inode })
    this.#change({ kind: 'unlink', name: from })
  }

  remove(name: string): void {
    this.#operate()
    this.#change({ kind: 'unlink', name })
  }

  syncNames(): void {
    this.#operate()
    if (this.losesSyncs) return
    this.#durableNames = new Map(this.#names)
    this.#pendingNames = []
  }

  /** The machine stops: of unflushed writes any sectors survive, of name changes a first part, as a journal keeps it. */
  crash(random: Random): void {
    this.operationsLeft = Infinity
    for (const change of this.#pendingNames.slice(0, randomInt(random, this.#pendingNames.length + 1))) apply(this.#durableNames, change)
    this.#pendingNames = []
    this.#names = new Map(this.#durableNames)
    for (const inode of this.#names.values()) {
      for (const write of inode.pending) this.#tear(inode, write, random)
      inode.pending = []
      inode.seen = Buffer.from(inode.durable)
    }
  }

  /** One bit of a file turns over, where something was written. @returns false when nothing was */
  flipBit(random: Random): boolean {
    const files = [...this.#names.values()].filter(({ seen }) => seen.some(byte => byte !== 0))
    const inode = files[randomInt(random, files.length)]
    if (inode === undefined) return false
    const at = randomInt(random, inode.seen.findLastIndex(byte => byte !== 0) + 1)
    const flipped = (inode.seen[at] ?? 0) ^ (1 << randomInt(random, 8))
    for (const bytes of [inode.seen, inode.durable]) if (at < bytes.length) bytes[at] = flipped
    return true
  }

  /** As a process sees it now, on a disk of its own. */
  copy(): SimulatedLogDisk {
    const copy = new SimulatedLogDisk()
    for (const [name, { seen }] of this.#names) {
      const inode: Inode = { durable: Buffer.from(seen), seen: Buffer.from(seen), pending: [] }
      copy.#names.set(name, inode)
      copy.#durableNames.set(name, inode)
    }
    return copy
  }

  #tear(inode: Inode, write: Write, random: Random): void {
    const sectors = [...sectorsOf(write)]
    const survivors = sectors.filter(() => random.next() < 0.5)
    for (const sector of survivors) inode.durable = written(inode.durable, sector)
    if (survivors.length < sectors.length) this.tornWrites += 1
  }

  #file(inode: Inode): LogFile {
    return {
      size: () => inode.seen.length,
      read: (offset, count) => Buffer.from(inode.seen.subarray(offset, offset + count)),
      write: (bytes, offset) => {
        this.#operate()
        const fitting = this.#fitting(inode, offset + bytes.length) - offset
        const write = { offset, bytes: Uint8Array.from(bytes.subarray(0, Math.max(0, fitting))) }
        inode.seen = written(inode.seen, write)
        inode.pending.push(write)
        if (fitting < bytes.length) throw new Error('ENOSPC: no space left on device')
      },
      sync: () => {
        this.#operate(() => { inode.pending = [] })
        if (this.losesSyncs) return
        for (const write of inode.pending) inode.durable = written(inode.durable, write)
        inode.pending = []
      },
      cut: size => {
        this.#operate()
        if (this.room !== undefined) this.room.bytes += Math.max(0, inode.seen.length - size)
        inode.seen = Buffer.from(inode.seen.subarray(0, size))
      },
      close: () => undefined,
    }
  }

  #operate(fail: () => void = () => {}): void {
    if (this.operationsLeft-- <= 0) throw new SimulatedCrash('the machine stops here')
    if (this.failure === undefined || this.failsAfter-- > 0) return
    fail()
    throw this.failure
  }

  /** Up to where the file may be written, if it is to be up to `end`. */
  #fitting(inode: Inode, end: number): number {
    const { room } = this
    const growth = end - inode.seen.length
    if (room === undefined || growth <= 0) return end
    const taken = Math.min(growth, Math.max(0, room.bytes))
    room.bytes -= taken
    return inode.seen.length + taken
  }

  #change(change: NameChange): void {
    const before = this.#names.get(change.name)
    apply(this.#names, change)
    if (this.room !== undefined && change.kind === 'unlink' && before !== undefined && ![...this.#names.values()].includes(before)) this.room.bytes += before.seen.length
    this.#pendingNames.push(change)
  }
}

function apply(names: Map<string, Inode>, change: NameChange): void {
  if (change.kind === 'link') names.set(change.name, change.inode)
  else names.delete(change.name)
}

function written(bytes: Buffer, { offset, bytes: more }: Write): Buffer {
  const grown = offset + more.length > bytes.length ? Buffer.concat([bytes, Buffer.alloc(offset + more.length - bytes.length)]) : bytes
  grown.set(more, offset)
  return grown
}

function* sectorsOf({ offset, bytes }: Write): Iterable<Write> {
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES)
    yield { offset: offset + at, bytes: bytes.subarray(at, end) }
    at = end
  }
}
