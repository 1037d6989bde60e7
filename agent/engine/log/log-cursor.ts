import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { JsonLines } from './json-lines.ts'
import { RECORD_HEAD } from './record-head.ts'

const NEWLINE = 0x0a
export const READ_BYTES = 1 << 18
/** Files that one search for the next record passes over at most. */
const ROTATIONS_MAX = 1000
/** Files that are kept open for a slow follower; more would let one client hold any amount of deleted text on the disk. */
const AHEAD_MAX = 16
/** Rotations amid the opening of all files, one after the other; each leaves out at most what nobody could have read in time. */
const OPEN_TRIES_MAX = 20

export interface LogFiles {
  readonly path: string
  readonly filesMax: number
  /** The files are lines of JSON rather than records. */
  readonly isJson?: boolean
}
/** A record's place: the file that it was written to, which keeps its inode when it is rotated, and the offset in it. */
export interface LogPosition { readonly inode: number; readonly offset: number }

/** Walks from the oldest file to the newest and stays on the right one while they are rotated. */
export class LogCursor {
  readonly #source: LogFiles
  #current: OpenFile | undefined
  #offset = 0
  /** Newer files, oldest first: open, so that they can be read when they have been rotated away. */
  readonly #ahead: OpenFile[] = []
  #isClosed = false
  readonly #json: JsonLines | undefined

  /** From `start`, or the oldest record there is when that has been rotated away. */
  constructor(source: LogFiles, options: { readonly start?: LogPosition | undefined; /** Only the text counts, not when each line came. */ readonly isJoined?: boolean } = {}) {
    const { start } = options
    this.#source = source
    this.#json = source.isJson === true ? new JsonLines(options.isJoined === true) : undefined
    const paths = this.#paths()
    const resumed = start === undefined ? undefined : paths.find(path => inodeOf(path) === start.inode)
    const first = resumed ?? paths.find(path => inodeOf(path) !== undefined)
    if (first !== undefined) this.#current = openFile(first)
    if (start !== undefined && this.#current?.inode === start.inode) this.#offset = start.offset
  }

  /** Where the next record will be read, or was not there yet. */
  get position(): LogPosition | undefined { return this.#current === undefined ? undefined : { inode: this.#current.inode, offset: this.#offset } }

  /** Whole records, or undefined when there are none now. */
  next(): Buffer | undefined {
    for (let rotations = 0; rotations < ROTATIONS_MAX; rotations++) {
      this.#current ??= openFile(this.#source.path)
      if (this.#current === undefined) return undefined
      const chunk = this.#read(this.#current)
      if (chunk !== undefined) return chunk
      this.keepUp()
      const next = this.#ahead[0]
      if (next === undefined) return undefined
      // Only a file that has a successor is complete: what was written between the last read and the rotation is still to come.
      const last = this.#read(this.#current)
      if (last !== undefined) return last
      closeSync(this.#current.fd)
      this.#ahead.shift()
      this.#current = next
      this.#offset = 0
    }
    return undefined
  }

  /** Opens what is newer than the newest open file. */
  keepUp(): void {
    if (this.#isClosed || this.#current === undefined || this.#ahead.length >= AHEAD_MAX) return
    const newest = this.#ahead.at(-1) ?? this.#current
    if (inodeOf(this.#source.path) === newest.inode) return
    const files = this.#openAll()
    // Not found: rotated away altogether, so that what is oldest now comes next.
    const from = files.findIndex(file => file.inode === newest.inode) + 1
    const to = from + AHEAD_MAX - this.#ahead.length
    for (const [at, file] of files.entries()) {
      if (at >= from && at < to) this.#ahead.push(file)
      else closeSync(file.fd)
    }
  }

  close(): void {
    this.#isClosed = true
    if (this.#current !== undefined) closeSync(this.#current.fd)
    for (const { fd } of this.#ahead.splice(0)) closeSync(fd)
    this.#current = undefined
  }

  #read({ fd }: OpenFile): Buffer | undefined {
    const left = fstatSync(fd).size - this.#offset
    if (this.#json !== undefined) return this.#readLines(this.#json, fd, left)
    if (left < RECORD_HEAD) return undefined
    const buffer = Buffer.allocUnsafe(Math.min(left, READ_BYTES))
    const bytes = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, this.#offset))
    let end = 0
    while (end + RECORD_HEAD <= bytes.length && end + RECORD_HEAD + bytes.readUInt32BE(end + 12) <= bytes.length) end += RECORD_HEAD + bytes.readUInt32BE(end + 12)
    this.#offset += end
    return end === 0 ? undefined : bytes.subarray(0, end)
  }

  #readLines(json: JsonLines, fd: number, left: number): Buffer | undefined {
    for (let size = READ_BYTES; left > 0; size *= 2) {
      const buffer = Buffer.allocUnsafe(Math.min(left, size))
      const bytes = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, this.#offset))
      const end = bytes.lastIndexOf(NEWLINE) + 1
      this.#offset += end
      if (end > 0) return json.toRecords(bytes.subarray(0, end))
      // A line with many attributes may be longer than a read; one without an end is being written.
      if (size >= left) return undefined
    }
    return undefined
  }

  /** Oldest first. A rotation amid the opening would hide a file under the name that was just looked at, so that it begins anew then. */
  #openAll(): readonly OpenFile[] {
    const paths = this.#paths()
    for (let tries = 1; ; tries++) {
      const files = paths.map(openFile)
      const found = files.filter(file => file !== undefined)
      if (tries === OPEN_TRIES_MAX || paths.every((path, at) => inodeOf(path) === files[at]?.inode)) return found
      for (const { fd } of found) closeSync(fd)
    }
  }

  /** Oldest first. */
  #paths(): readonly string[] {
    const rotated = Array.from({ length: this.#source.filesMax - 1 }, (_, index) => `${this.#source.path}.${this.#source.filesMax - 1 - index}`)
    return [...rotated, this.#source.path]
  }
}

interface OpenFile { readonly fd: number; readonly inode: number }

function openFile(path: string): OpenFile | undefined {
  try {
    const fd = openSync(path, 'r')
    return { fd, inode: fstatSync(fd).ino }
  } catch (error) {
    // Rotated away just now.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function inodeOf(path: string): number | undefined { return statSync(path, { throwIfNoEntry: false })?.ino }
