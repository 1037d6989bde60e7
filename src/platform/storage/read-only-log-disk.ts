import { closeSync, fstatSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ShoalError } from '../../base/errors.ts'
import { readAt, type LogDisk, type LogFile } from './log-disk.ts'

/** The folder of a log that is looked at and left as it is: whatever opening a log would tidy up there, is not. */
export class ReadOnlyLogDisk implements LogDisk {
  readonly path: string
  constructor(path: string) { this.path = path }

  names(): readonly string[] { return readdirSync(this.path) }
  /** @throws ShoalError `log-damaged` (internal): only a log without a segment is begun at open */
  create(): LogFile { throw new ShoalError('internal', 'log-damaged', `the log ${this.path} is empty`) }
  open(name: string): LogFile { return new ReadOnlyLogFile(openSync(join(this.path, name), 'r')) }
  rename(): void {}
  remove(): void {}
  syncNames(): void {}
}

class ReadOnlyLogFile implements LogFile {
  readonly #fd: number
  constructor(fd: number) { this.#fd = fd }

  size(): number { return fstatSync(this.#fd).size }
  read(offset: number, count: number): Buffer { return readAt(this.#fd, offset, count) }
  write(): void {}
  sync(): void {}
  cut(): void {}
  close(): void { closeSync(this.#fd) }
}
