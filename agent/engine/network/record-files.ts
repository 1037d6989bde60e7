import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync, openSync, fsyncSync, closeSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A folder of JSON records, one file each. A write is atomic; with `durable` it also survives a power failure, without it only the
 * end of the process, which is enough for what dies with the kernel anyway.
 */
export class RecordFiles<T> {
  readonly #folder: string
  readonly #durable: boolean

  constructor(folder: string, options: { readonly durable: boolean }) {
    this.#folder = folder
    this.#durable = options.durable
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** All records by name. A half-written file of a crash is removed. */
  load(): Map<string, T> {
    const records = new Map<string, T>()
    for (const file of readdirSync(this.#folder)) {
      if (file.endsWith('.json')) records.set(file.slice(0, -'.json'.length), JSON.parse(readFileSync(join(this.#folder, file), 'utf8')) as T)
      else rmSync(join(this.#folder, file), { force: true })
    }
    return records
  }

  write(name: string, record: T): void {
    const path = join(this.#folder, `${name}.json`)
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600, flush: this.#durable })
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
