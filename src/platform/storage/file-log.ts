import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf, ShoalError } from '../../base/errors.ts'
import type { AppendLog } from '../../base/storage.ts'
import { syncDirectory } from './sync-directory.ts'
import {
  BODY_BYTES_MAX, decodeBody, decodeFileHeader, decodeGroupHeader, decodeMarks, encodeFileHeader, encodeGroup, encodeMark, FILE_HEADER_BYTES,
  GROUP_HEADER_BYTES, hasGroupAfter, LOG_FORMAT,
} from './log-format.ts'

/** A group is closed when it reaches this size: bounds the memory of reading it back. */
const GROUP_BYTES_MAX = 4 * 1024 * 1024
/** How much is searched at a time for groups behind a damaged place. */
const SEARCH_BYTES = 1024 * 1024

/** Where the log ends and what the next group goes on from. */
interface End { readonly offset: number; readonly sequence: number; readonly crc: number }
interface PendingAppend { readonly records: readonly Uint8Array[]; readonly resolve: () => void; readonly reject: (error: unknown) => void }

/**
 * AppendLog in one file (layout: log-format.ts). Appends that overlap share one write and one fdatasync. At open a torn tail is cut; if
 * what is damaged was flushed once (a mark says so, or a later group stands behind it), open fails with `log-damaged`.
 * After a failed write or flush the log refuses everything (`log-write-failed`): what the disk then holds is known only after a restart.
 */
export class FileLog implements AppendLog {
  readonly #path: string
  #file: FileHandle
  #end: End
  #pending: PendingAppend[] = []
  #lane: Promise<void> = Promise.resolve()
  #isFlushQueued = false
  #marks = 0
  #failure: ShoalError | undefined

  private constructor(path: string, file: FileHandle, end: End) {
    this.#path = path
    this.#file = file
    this.#end = end
  }

  /**
   * Opens the log, making it (and its directory) when there is none.
   * @throws ShoalError `log-damaged` (internal), `log-format-unknown` (failed-precondition)
   */
  static async open(path: string): Promise<FileLog> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await rm(temporaryPath(path), { force: true })
    const file = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    }) ?? await createFile(path, [])
    try {
      const end = await findEnd(path, file)
      if ((await file.stat()).size > end.offset) {
        await file.truncate(end.offset)
        await file.sync()
      }
      return new FileLog(path, file, end)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async *records(): AsyncGenerator<Uint8Array, void, undefined> {
    const { offset: endOffset } = this.#end
    const file = await open(this.#path, 'r')
    try {
      let at: End = { offset: FILE_HEADER_BYTES, sequence: 0, crc: 0 }
      while (at.offset < endOffset) {
        const group = await readGroup(file, at)
        if (group === undefined) throw damaged(this.#path, at.offset)
        yield* group.records
        at = group.next
      }
    } finally {
      await file.close()
    }
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    for (const record of records) {
      if (record.length + 4 > BODY_BYTES_MAX) throw new ShoalError('resource-exhausted', 'record-too-large', `a record of ${record.length} bytes does not fit into the log`)
    }
    if (records.length === 0) return
    await new Promise<void>((resolve, reject) => {
      this.#pending.push({ records, resolve, reject })
      if (this.#isFlushQueued) return
      this.#isFlushQueued = true
      this.#lane = this.#lane.then(() => this.#flush())
    })
  }

  async rewrite(records: readonly Uint8Array[]): Promise<void> {
    const done = this.#lane.then(() => this.#guarded(async () => {
      const old = this.#file
      this.#file = await createFile(this.#path, records)
      this.#end = await findEnd(this.#path, this.#file)
      this.#marks = 0
      await old.close()
    }))
    // Those who wait for the lane do not care how this ended: #failure tells them.
    this.#lane = done.catch((error: unknown) => { if (error !== this.#failure) throw error })
    await done
  }

  sizeBytes(): number { return this.#end.offset }

  /** Waits for what is under way, flushes the last mark and closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lane
    if (this.#failure?.code === 'log-closed') return
    if (this.#failure === undefined) await this.#file.datasync()
    this.#failure = new ShoalError('unavailable', 'log-closed', `the log ${this.#path} is closed`)
    await this.#file.close()
  }

  /** Writes everything that waits. Never rejects: each append learns its own outcome. */
  async #flush(): Promise<void> {
    this.#isFlushQueued = false
    const taken = this.#pending
    this.#pending = []
    try {
      await this.#guarded(() => this.#write(taken.flatMap(pending => pending.records)))
      for (const pending of taken) pending.resolve()
    } catch (error) {
      for (const pending of taken) pending.reject(error)
    }
  }

  async #write(records: readonly Uint8Array[]): Promise<void> {
    let end = this.#end
    for (const group of inGroups(records)) {
      const { bytes, bodyCrc } = encodeGroup(end.sequence, group, end.crc)
      await writeAll(this.#file, bytes, end.offset)
      end = { offset: end.offset + bytes.length, sequence: end.sequence + 1, crc: bodyCrc }
    }
    await this.#file.datasync()
    this.#end = end
    // Not flushed itself: it reaches the disk with the next flush, and until then an older one counts.
    const mark = encodeMark(this.#marks++, end.offset)
    await writeAll(this.#file, mark.bytes, mark.at)
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    try {
      await work()
    } catch (cause) {
      this.#failure = new ShoalError('internal', 'log-write-failed', `the log ${this.#path} can not be written: ${messageOf(cause)}; free or repair the disk, then restart`, { cause })
      throw this.#failure
    }
  }
}

/** Makes the file whole beside its place, then moves it there: a crash leaves the old or the new. */
async function createFile(path: string, records: readonly Uint8Array[]): Promise<FileHandle> {
  const file = await open(temporaryPath(path), 'w+', 0o600)
  try {
    await writeAll(file, encodeFileHeader(), 0)
    let end: End = { offset: FILE_HEADER_BYTES, sequence: 0, crc: 0 }
    for (const group of inGroups(records)) {
      const { bytes, bodyCrc } = encodeGroup(end.sequence, group, end.crc)
      await writeAll(file, bytes, end.offset)
      end = { offset: end.offset + bytes.length, sequence: end.sequence + 1, crc: bodyCrc }
    }
    const mark = encodeMark(0, end.offset)
    await writeAll(file, mark.bytes, mark.at)
    await file.sync()
    await rename(temporaryPath(path), path)
    await syncDirectory(dirname(path))
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Walks all groups. @throws ShoalError `log-damaged`, `log-format-unknown` */
async function findEnd(path: string, file: FileHandle): Promise<End> {
  const header = await read(file, 0, FILE_HEADER_BYTES)
  const format = decodeFileHeader(header)
  if (format === undefined) throw damaged(path, 0)
  if (format !== LOG_FORMAT) {
    throw new ShoalError('failed-precondition', 'log-format-unknown', `the log ${path} has format ${format}, and this version reads ${LOG_FORMAT}: run the version that wrote it`)
  }
  let at: End = { offset: FILE_HEADER_BYTES, sequence: 0, crc: 0 }
  for (let group = await readGroup(file, at); group !== undefined; group = await readGroup(file, at)) at = group.next
  if (at.offset < decodeMarks(header) || await hasLaterGroup(file, at)) throw damaged(path, at.offset)
  return at
}

/** @returns undefined when there is no whole group at this place */
async function readGroup(file: FileHandle, at: End): Promise<{ readonly records: readonly Uint8Array[]; readonly next: End } | undefined> {
  const header = decodeGroupHeader(await read(file, at.offset, GROUP_HEADER_BYTES))
  if (header === undefined || header.sequence !== at.sequence) return undefined
  const offset = at.offset + GROUP_HEADER_BYTES
  const records = decodeBody(header, await read(file, offset, header.bodyBytes), at.crc)
  return records === undefined ? undefined : { records, next: { offset: offset + header.bodyBytes, sequence: at.sequence + 1, crc: header.bodyCrc } }
}

async function hasLaterGroup(file: FileHandle, end: End): Promise<boolean> {
  const { size } = await file.stat()
  for (let at = end.offset; at < size; at += SEARCH_BYTES) {
    if (hasGroupAfter(await read(file, at, SEARCH_BYTES + GROUP_HEADER_BYTES), end.sequence)) return true
  }
  return false
}

function damaged(path: string, offset: number): ShoalError {
  return new ShoalError('internal', 'log-damaged', `the log ${path} is damaged at offset ${offset}: records that were acknowledged can not be read. `
    + 'If other managers are running, remove this one from the cluster (shoal node demote, shoal node rm), delete its directory and let it join again; '
    + 'if it is the only one, restore the directory from a backup')
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

/** Reads up to `count` bytes; fewer at the end of the file. */
async function read(file: FileHandle, offset: number, count: number): Promise<Uint8Array> {
  const { size } = await file.stat()
  const buffer = Buffer.alloc(Math.max(0, Math.min(count, size - offset)))
  let done = 0
  while (done < buffer.length) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, offset + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return buffer.subarray(0, done)
}

async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done)
    done += bytesWritten
  }
}

function temporaryPath(path: string): string { return `${path}.new` }
