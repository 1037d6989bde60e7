import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync, openSync, fsyncSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { isDiskFull, messageOf } from '../../../src/base/errors.ts'
import type { Logger } from '../../../src/base/logger.ts'
import { damagedRecord, diskFull, parseRecord } from '../durable-file.ts'

/**
 * A folder of JSON records, one file each. A write is atomic; with `durable` it also survives a power failure, without it only the
 * end of the process, which is enough for what dies with the kernel anyway.
 */
export class RecordFiles<T> {
  readonly #folder: string
  readonly #durable: boolean
  readonly #logger: Logger
  readonly #isSound: (name: string, record: T) => boolean

  /** @param options.isSound whether a record has what every record of its kind has */
  constructor(folder: string, options: { readonly durable: boolean; readonly logger: Logger; readonly isSound: (name: string, record: T) => boolean }) {
    this.#folder = folder
    this.#durable = options.durable
    this.#logger = options.logger
    this.#isSound = options.isSound
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** All records by name. A half-written file of a crash is removed; a damaged one is reported and left (D-251). */
  load(): Map<string, T> {
    const records = new Map<string, T>()
    for (const file of readdirSync(this.#folder)) {
      const path = join(this.#folder, file)
      if (!file.endsWith('.json')) {
        rmSync(path, { force: true })
        continue
      }
      try {
        const name = file.slice(0, -'.json'.length)
        records.set(name, this.#read(path, name))
      } catch (err) {
        this.#logger.error('a record of the networks is damaged; what it describes is not there', { path, reason: messageOf(err) })
      }
    }
    return records
  }

  #read(path: string, name: string): T {
    const record = parseRecord<T>(path, readFileSync(path, 'utf8'))
    if (!this.#isSound(name, record)) throw damagedRecord(path)
    return record
  }

  /** @throws ShoalError `disk-full` (resource-exhausted); the record stays as it was */
  write(name: string, record: T): void {
    const path = join(this.#folder, `${name}.json`)
    try {
      writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600, flush: this.#durable })
    } catch (cause) {
      rmSync(`${path}.new`, { force: true })
      throw isDiskFull(cause) ? diskFull(path, cause) : cause
    }
    renameSync(`${path}.new`, path)
    if (this.#durable) syncFolder(this.#folder)
  }

  remove(name: string): void { rmSync(join(this.#folder, `${name}.json`), { force: true }) }
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
