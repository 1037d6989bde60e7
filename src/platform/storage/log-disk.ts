import { closeSync, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readdirSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The folder of a log: synchronous, for it is used in a thread of its own, or in a simulator. NodeLogDisk is the real one; test twin:
 * SimulatedLogDisk. What is written is durable after sync() of the file; names are durable after syncNames().
 */
export interface LogDisk {
  readonly path: string
  names(): readonly string[]
  /** An empty file for reading and writing; one of that name is emptied. */
  create(name: string): LogFile
  /** @throws when there is none */
  open(name: string): LogFile
  rename(from: string, to: string): void
  remove(name: string): void
  syncNames(): void
}

export interface LogFile {
  size(): number
  /** Up to `count` bytes; fewer at the end of the file. */
  read(offset: number, count: number): Buffer
  write(bytes: Uint8Array, offset: number): void
  sync(): void
  /** Gives back what stands behind `size`; a crash may bring it back. */
  cut(size: number): void
  close(): void
}

/** A folder of the host, made when it is missing. */
export class NodeLogDisk implements LogDisk {
  readonly path: string

  constructor(path: string) {
    this.path = path
    mkdirSync(path, { recursive: true, mode: 0o700 })
  }

  names(): readonly string[] { return readdirSync(this.path) }
  create(name: string): LogFile { return new NodeLogFile(openSync(join(this.path, name), 'w+', 0o600)) }
  open(name: string): LogFile { return new NodeLogFile(openSync(join(this.path, name), 'r+')) }
  rename(from: string, to: string): void { renameSync(join(this.path, from), join(this.path, to)) }
  remove(name: string): void { rmSync(join(this.path, name), { force: true }) }

  /** See fsync(2): a name is durable when its folder is. */
  syncNames(): void {
    const folder = openSync(this.path, 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  }
}

class NodeLogFile implements LogFile {
  readonly #fd: number

  constructor(fd: number) { this.#fd = fd }

  size(): number { return fstatSync(this.#fd).size }

  read(offset: number, count: number): Buffer { return readAt(this.#fd, offset, count) }

  write(bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length;) done += writeSync(this.#fd, bytes, done, bytes.length - done, offset + done)
  }

  sync(): void { fdatasyncSync(this.#fd) }
  cut(size: number): void { ftruncateSync(this.#fd, size) }
  close(): void { closeSync(this.#fd) }
}

/** What the file of `fd` holds from `offset` on: up to `count` bytes, fewer at its end. */
export function readAt(fd: number, offset: number, count: number): Buffer {
  const buffer = Buffer.alloc(Math.max(0, Math.min(count, fstatSync(fd).size - offset)))
  let done = 0
  while (done < buffer.length) {
    const read = readSync(fd, buffer, done, buffer.length - done, offset + done)
    if (read === 0) break
    done += read
  }
  return buffer.subarray(0, done)
}
