import { messageOf, ShoalError } from '../../base/errors.ts'
import { MANAGER_WAY_OUT } from '../../base/manager-way-out.ts'
import { crc32c } from './crc32c.ts'
import type { LogDisk, LogFile } from './log-disk.ts'
import { Sealer, unseal, type LogKey } from './log-seal.ts'
import {
  BODY_BYTES_MAX, CLOSED_OFFSET, decodeBody, decodeGroupHeader, decodeHead, decodeNote, encodeBody, encodeGroup, encodeHead, encodeNote, flushedOffset, GROUP_HEADER_BYTES, hasFlushAfter,
  HEAD_BYTES, MARK_OFFSETS, SEGMENT_FORMAT, type GroupHeader, type LogOwner, type SegmentHead,
} from './segment-format.ts'

/** A group is closed when it reaches this size: bounds the memory of reading it back. */
const GROUP_BYTES_MAX = 4 * 1024 * 1024
/** A segment's size, written with zeros beforehand, so that a flush has no blocks to allocate. One flush that is larger makes a larger segment. */
const SEGMENT_BYTES = 16 * 1024 * 1024
/** How much is read or written at a time when a whole segment is. */
const CHUNK_BYTES = 1024 * 1024
/** What a segment may leave empty when the next one begins. */
const EMPTY_BYTES_MAX = 64 * 1024
const SPARE_NAME = 'spare.new'
const NO_KEY = ''

export interface SegmentLogOptions {
  readonly owner: LogOwner
  /** The keys that segments may be sealed with; new ones are sealed with the first. None: new segments are not sealed. */
  readonly keys?: readonly LogKey[]
  readonly segmentBytes?: number
}

interface Segment { readonly head: SegmentHead; readonly file: LogFile; end: number }
/** What the next group goes on from. */
interface Chain { readonly sequence: number; readonly crc: number }
/** A place to go on reading from. */
export interface ReadPosition extends Chain { readonly segment: number; readonly offset: number }

/**
 * An append-only log in segments (layout: segment-format.ts), as one thread sees it: every call blocks. At open a torn tail is cut; if what is
 * damaged or missing was flushed once (a mark or note says so, or a later flush stands behind it), open fails with `log-damaged`.
 * After a failed write or flush the log refuses everything (`log-write-failed`): what the disk then holds is known only after a restart.
 */
export class SegmentLog {
  readonly #disk: LogDisk
  readonly #options: SegmentLogOptions
  #segments: Segment[]
  #chain: Chain
  #keys: readonly LogKey[]
  #marks = 0
  /** The last flush has its mark. */
  #isMarked = true
  #sealer: Sealer | undefined
  #hasSpare = false
  #failure: ShoalError | undefined

  private constructor(disk: LogDisk, options: SegmentLogOptions, segments: Segment[], chain: Chain) {
    this.#disk = disk
    this.#options = options
    this.#keys = options.keys ?? []
    this.#segments = segments
    this.#chain = chain
  }

  /**
   * Opens the log, beginning one when the folder has none.
   * @throws ShoalError `log-damaged` (internal), `log-format-unknown`, `log-foreign`, `log-key-missing` (failed-precondition)
   */
  static open(disk: LogDisk, options: SegmentLogOptions): SegmentLog {
    for (const name of disk.names()) if (name.endsWith('.new')) disk.remove(name)
    const numbers = disk.names().map(numberOf).filter(number => number !== undefined).sort((a, b) => a - b)
    const segments: Segment[] = []
    try {
      for (const number of numbers) segments.push(openSegment(disk, number, options))
      const { live, void: forgotten } = liveSegments(disk, segments)
      const log = new SegmentLog(disk, options, live, { sequence: 0, crc: 0 })
      if (live.length === 0) log.#begin([])
      else log.#findEnd()
      log.#flushWhatWasRead()
      for (const segment of forgotten) log.#remove(segment)
      return log
    } catch (error) {
      for (const { file } of segments) file.close()
      throw error
    }
  }

  /** Where reading begins. */
  get start(): ReadPosition {
    const { head } = this.#segments[0] as Segment
    return { segment: head.number, offset: HEAD_BYTES, sequence: head.sequence, crc: head.crc }
  }

  get sizeBytes(): number { return this.#segments.reduce((sum, { end }) => sum + end, 0) }

  /** The records of the next group, and where to go on; undefined at the end. */
  read(position: ReadPosition): { readonly records: readonly Uint8Array[]; readonly next: ReadPosition } | undefined {
    const at = this.#segments.findIndex(({ head }) => head.number === position.segment)
    const segment = this.#segments[at]
    if (segment === undefined) throw new ShoalError('internal', 'log-damaged', `segment ${position.segment} of the log ${this.#disk.path} was dropped while it was read`)
    if (position.offset >= segment.end) {
      const following = this.#segments[at + 1]
      return following === undefined ? undefined : this.read({ segment: following.head.number, offset: HEAD_BYTES, sequence: following.head.sequence, crc: following.head.crc })
    }
    const group = readGroup(segment.file, position.offset, position)
    if (group === undefined) throw damaged(this.#disk, segment.head.number, position.offset)
    const body = segment.head.keyId === NO_KEY ? group.body : unseal(this.#key(segment.head.keyId), group.body, placeOf(segment.head.number, position.sequence))
    return { records: decodeBody(body), next: { segment: segment.head.number, offset: group.end, sequence: position.sequence + 1, crc: group.header.bodyCrc } }
  }

  /** Appends in order, with one flush. Worth a call of prepare() once the callers were told. @returns the segment that all of them stand in */
  append(records: readonly Uint8Array[]): number {
    return this.#guarded(() => {
      this.#mark()
      let bytes = GROUP_HEADER_BYTES
      for (const record of records) {
        bytes += record.length + 4
        if (record.length + 4 > BODY_BYTES_MAX / 2) throw new ShoalError('resource-exhausted', 'record-too-large', `a record of ${record.length} bytes does not fit into the log`)
      }
      const { end } = this.#last
      if (end > HEAD_BYTES && end + bytes > this.#segmentBytes) this.#roll()
      this.#write(records)
      return this.#last.head.number
    })
  }

  /** Makes these records the whole log; a crash leaves the old or the new. @returns their segment */
  rewrite(records: readonly Uint8Array[]): number {
    return this.#guarded(() => {
      const old = this.#segments
      this.#begin(records)
      for (const segment of old) this.#remove(segment)
      return this.#last.head.number
    })
  }

  /** Forgets the segments before this one. After a crash they may be back. */
  drop(before: number): void {
    this.#guarded(() => {
      const dropped = this.#segments.filter(({ head }) => head.number < before && head.number !== this.#last.head.number)
      this.#segments = this.#segments.filter(segment => !dropped.includes(segment))
      for (const segment of dropped) {
        this.#remove(segment)
        // One after the other: a crash must not bring back an older one without those after it.
        this.#disk.syncNames()
      }
    })
  }

  /** From now on seals with the first of these; what is sealed with others stays readable by them until it is dropped. */
  useKeys(keys: readonly LogKey[]): void {
    this.#guarded(() => {
      this.#keys = keys
      if (this.#last.head.keyId !== (keys[0]?.id ?? NO_KEY)) this.#roll()
    })
  }

  /** Ids of the keys that some segment still needs. */
  get keyIds(): readonly string[] { return [...new Set(this.#segments.map(({ head }) => head.keyId).filter(id => id !== NO_KEY))] }

  /**
   * Does what nobody waits for: the mark of the last flush, the next group's cipher, and the next segment once the current one is half full. A disk that is full
   * is not this call's to report.
   */
  prepare(): void {
    if (this.#failure !== undefined) return
    try {
      this.#guarded(() => this.#mark())
      this.#sealerOf(this.#last)?.prepare(placeOf(this.#last.head.number, this.#chain.sequence))
      if (!this.#hasSpare && this.#last.end >= this.#segmentBytes / 2) this.#makeSpare()
    } catch (error) {
      // What the disk refuses now, whoever needs the segment tries again and reports; the log is as it was. Anything else is a defect of ours.
      if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError || error.name === 'AssertionError') throw error
    }
  }

  close(): void {
    try {
      if (this.#failure === undefined) this.#guarded(() => this.#mark())
    } finally {
      for (const { file } of this.#segments) file.close()
      this.#segments = []
    }
    this.#failure = new ShoalError('unavailable', 'log-closed', `the log ${this.#disk.path} is closed`)
  }

  get #last(): Segment { return this.#segments.at(-1) as Segment }
  get #segmentBytes(): number { return this.#options.segmentBytes ?? SEGMENT_BYTES }

  #guarded<T>(work: () => T): T {
    if (this.#failure !== undefined) throw this.#failure
    try {
      return work()
    } catch (cause) {
      if (cause instanceof ShoalError && cause.code === 'record-too-large') throw cause
      this.#failure = new ShoalError('internal', 'log-write-failed', `the log ${this.#disk.path} can not be written: ${messageOf(cause)}; free or repair the disk, and it goes on`, { cause })
      throw this.#failure
    }
  }

  #key(id: string): LogKey {
    const key = this.#keys.find(each => each.id === id)
    if (key === undefined) throw keyMissing(this.#disk, id)
    return key
  }

  #write(records: readonly Uint8Array[]): void {
    const segment = this.#last
    const sealer = this.#sealerOf(segment)
    const flushSequence = this.#chain.sequence
    for (const group of inGroups(records)) {
      const { sequence, crc } = this.#chain
      const body = encodeBody(group)
      const { bytes, bodyCrc } = encodeGroup(sequence, flushSequence, sealer?.seal(body, placeOf(segment.head.number, sequence)) ?? body, crc)
      segment.file.write(bytes, segment.end)
      segment.end += bytes.length
      this.#chain = { sequence: sequence + 1, crc: bodyCrc }
    }
    segment.file.sync()
    this.#isMarked = false
  }

  /** Notes how far the segment was flushed, if that was not done yet. Not flushed itself: it reaches the disk with the next flush, and until then an older one counts. */
  #mark(): void {
    if (this.#isMarked) return
    this.#isMarked = true
    this.#last.file.write(encodeNote(this.#last.end), MARK_OFFSETS[this.#marks++ % 2 as 0 | 1])
  }

  #sealerOf({ head: { keyId } }: Segment): Sealer | undefined {
    if (keyId === NO_KEY) return undefined
    if (this.#sealer?.keyId !== keyId) this.#sealer = new Sealer(this.#key(keyId))
    return this.#sealer
  }

  /** Goes on in a new segment. The note in the old one is flushed before anything in the new is acknowledged, so that a lost segment is missed. */
  #roll(): void {
    this.#mark()
    const { head, file, end } = this.#last
    this.#addSegment({ number: head.number + 1, isBeginning: false, ...this.#chain })
    file.write(encodeNote(end), CLOSED_OFFSET)
    file.sync()
    // A log that only goes on under another key leaves most of a segment empty.
    if (file.size() - end > EMPTY_BYTES_MAX) file.cut(end)
  }

  /** A segment that makes all before it void. It gets its name when it is whole. */
  #begin(records: readonly Uint8Array[]): void {
    this.#mark()
    this.#chain = { sequence: 0, crc: 0 }
    const number = (this.#segments.at(-1)?.head.number ?? 0) + 1
    this.#segments = []
    this.#addSegment({ number, isBeginning: true, ...this.#chain }, records)
  }

  #addSegment(place: Pick<SegmentHead, 'number' | 'isBeginning' | 'sequence' | 'crc'>, records: readonly Uint8Array[] = []): void {
    if (!this.#hasSpare) this.#makeSpare()
    const file = this.#disk.open(SPARE_NAME)
    const head: SegmentHead = { format: SEGMENT_FORMAT, ...this.#options.owner, keyId: this.#keys[0]?.id ?? NO_KEY, ...place }
    file.write(encodeHead(head), 0)
    this.#segments = [...this.#segments, { head, file, end: HEAD_BYTES }]
    if (records.length > 0) this.#write(records)
    this.#mark()
    file.sync()
    this.#disk.rename(SPARE_NAME, nameOf(place.number))
    this.#hasSpare = false
    this.#disk.syncNames()
  }

  #makeSpare(): void {
    const file = this.#disk.create(SPARE_NAME)
    try {
      const zeros = Buffer.alloc(Math.min(CHUNK_BYTES, this.#segmentBytes))
      for (let at = 0; at < this.#segmentBytes; at += zeros.length) file.write(zeros.subarray(0, Math.min(zeros.length, this.#segmentBytes - at)), at)
      file.sync()
    } finally {
      file.close()
    }
    this.#hasSpare = true
  }

  #remove({ head, file }: Segment): void {
    file.close()
    this.#disk.remove(nameOf(head.number))
  }

  /** Walks all groups, and cuts what is torn. */
  #findEnd(): void {
    const { head } = this.#segments[0] as Segment
    this.#chain = { sequence: head.sequence, crc: head.crc }
    for (const [at, segment] of this.#segments.entries()) {
      const { file } = segment
      segment.end = HEAD_BYTES
      for (let group = readGroup(file, segment.end, this.#chain); group !== undefined; group = readGroup(file, segment.end, this.#chain)) {
        segment.end = group.end
        this.#chain = { sequence: this.#chain.sequence + 1, crc: group.header.bodyCrc }
      }
      const page = file.read(0, HEAD_BYTES)
      const closed = decodeNote(page, CLOSED_OFFSET)
      const next = this.#segments[at + 1]
      // The note may be missing after a crash, for the next segment gets its name first.
      if (closed !== undefined && next === undefined) throw missing(this.#disk, segment.head.number + 1)
      const goesOn = next === undefined || (next.head.sequence === this.#chain.sequence && next.head.crc === this.#chain.crc)
      const flushed = Math.max(flushedOffset(page), closed ?? 0)
      if (!goesOn || segment.end < flushed || hasLaterFlush(file, segment.end, this.#chain.sequence)) throw damaged(this.#disk, segment.head.number, segment.end)
    }
    wipe(this.#last.file, this.#last.end)
  }

  /**
   * What a process wrote that was killed before its flush is read back from the host's memory, and whoever opens the log takes it for durable: so it is made to be.
   * What stands behind the newest mark is written again, for after a flush that failed the host may hold it for written although it is not (D-720).
   */
  #flushWhatWasRead(): void {
    const { file, end } = this.#last
    const flushed = Math.min(end, flushedOffset(file.read(0, HEAD_BYTES)))
    for (let at = flushed; at < end; at += CHUNK_BYTES) file.write(file.read(at, Math.min(CHUNK_BYTES, end - at)), at)
    for (const segment of this.#segments) segment.file.sync()
    this.#disk.syncNames()
  }
}

function openSegment(disk: LogDisk, number: number, { owner, keys = [] }: SegmentLogOptions): Segment {
  const file = disk.open(nameOf(number))
  try {
    const head = decodeHead(file.read(0, HEAD_BYTES))
    if (head === undefined || head.number !== number) throw damaged(disk, number, 0)
    if (head.format !== SEGMENT_FORMAT) {
      throw new ShoalError('failed-precondition', 'log-format-unknown', `the log ${disk.path} has format ${head.format}, and this version reads ${SEGMENT_FORMAT}: run the version that wrote it`)
    }
    if (head.clusterId !== owner.clusterId || head.nodeId !== owner.nodeId) {
      throw new ShoalError('failed-precondition', 'log-foreign', `the log ${disk.path} belongs to node ${head.nodeId} of cluster ${head.clusterId}, not to node ${owner.nodeId} of cluster ${owner.clusterId}: put this manager's own folder there`)
    }
    if (head.keyId !== NO_KEY && !keys.some(({ id }) => id === head.keyId)) throw keyMissing(disk, head.keyId)
    return { head, file, end: HEAD_BYTES }
  } catch (error) {
    file.close()
    throw error
  }
}

/** From the last one that makes those before it void. @throws ShoalError `log-damaged` when one is missing */
function liveSegments(disk: LogDisk, segments: readonly Segment[]): { readonly live: Segment[]; readonly void: readonly Segment[] } {
  const begin = Math.max(0, segments.findLastIndex(({ head }) => head.isBeginning))
  const live = segments.slice(begin)
  live.forEach(({ head }, at) => {
    const expected = (live[0]?.head.number ?? 0) + at
    if (head.number !== expected) throw missing(disk, expected)
  })
  return { live, void: segments.slice(0, begin) }
}

/** @returns undefined when there is no whole group at this place */
function readGroup(file: LogFile, offset: number, chain: Chain): { readonly header: GroupHeader; readonly body: Buffer; readonly end: number } | undefined {
  const header = decodeGroupHeader(file.read(offset, GROUP_HEADER_BYTES))
  if (header === undefined || header.sequence !== chain.sequence) return undefined
  const body = file.read(offset + GROUP_HEADER_BYTES, header.bodyBytes)
  if (body.length !== header.bodyBytes || crc32c(body, chain.crc) !== header.bodyCrc) return undefined
  return { header, body, end: offset + GROUP_HEADER_BYTES + body.length }
}

function hasLaterFlush(file: LogFile, offset: number, sequence: number): boolean {
  const size = file.size()
  for (let at = offset; at < size; at += CHUNK_BYTES) {
    if (hasFlushAfter(file.read(at, CHUNK_BYTES + GROUP_HEADER_BYTES), sequence)) return true
  }
  return false
}

/** Makes everything behind `offset` zero, so that nothing torn is ever taken for something later. */
function wipe(file: LogFile, offset: number): void {
  const size = file.size()
  let isDirty = false
  for (let at = offset; at < size; at += CHUNK_BYTES) {
    const chunk = file.read(at, CHUNK_BYTES)
    if (chunk.every(byte => byte === 0)) continue
    file.write(Buffer.alloc(chunk.length), at)
    isDirty = true
  }
  if (isDirty) file.sync()
}

function* inGroups(records: readonly Uint8Array[]): Iterable<readonly Uint8Array[]> {
  let group: Uint8Array[] = []
  let bytes = 0
  for (const record of records) {
    group.push(record)
    bytes += record.length + 4
    if (bytes < GROUP_BYTES_MAX) continue
    yield group
    group = []
    bytes = 0
  }
  if (group.length > 0) yield group
}

function nameOf(number: number): string { return `${number.toString(16).padStart(16, '0')}.log` }
function numberOf(name: string): number | undefined { return /^[0-9a-f]{16}\.log$/.test(name) ? parseInt(name.slice(0, 16), 16) : undefined }
function placeOf(segment: number, sequence: number): string { return `${segment}/${sequence}` }

function damaged(disk: LogDisk, segment: number, offset: number): ShoalError {
  return new ShoalError('internal', 'log-damaged', `the log ${disk.path} is damaged in ${nameOf(segment)} at offset ${offset}: records that were acknowledged can not be read. ${MANAGER_WAY_OUT}`)
}
function missing(disk: LogDisk, segment: number): ShoalError {
  return new ShoalError('internal', 'log-damaged', `the log ${disk.path} is damaged: its segment ${nameOf(segment)} is missing, and with it records that were acknowledged. ${MANAGER_WAY_OUT}`)
}
function keyMissing(disk: LogDisk, keyId: string): ShoalError {
  return new ShoalError('failed-precondition', 'log-key-missing', `the log ${disk.path} is sealed with the key ${keyId}, which this manager does not have: restore its key file from the backup that the log is of`)
}
