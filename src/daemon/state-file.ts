import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { ShoalError, messageOf } from '../base/errors.ts'
import { KeyRing } from '../platform/storage/key-ring.ts'

/** One JSON value on disk that is always the old or the new one, never a mixture. Mode 0600. */
export class StateFile<T> {
  readonly path: string
  readonly #ring: KeyRing

  /** @param ring what the value is sealed with while that seals; none: it is kept open */
  constructor(path: string, ring = new KeyRing()) {
    this.path = path
    this.#ring = ring
  }

  /** @throws ShoalError `state-file-damaged` (internal) when the file is there but is not JSON; `seal-key-missing` (failed-precondition) */
  read(): T | undefined {
    if (!existsSync(this.path)) return undefined
    const text = this.#ring.open(readFileSync(this.path, 'utf8'), basename(this.path))
    try {
      return JSON.parse(text) as T
    } catch (cause) {
      throw new ShoalError('internal', 'state-file-damaged', `${this.path} cannot be read (${messageOf(cause)}); restore it from a backup, or remove it to give up what it says (swarm/state.json: this host's place in its cluster)`, { cause })
    }
  }

  /** Durable when it returns. */
  write(value: T): void {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 })
    const temporary = `${this.path}.new`
    const file = openSync(temporary, 'w', 0o600)
    try {
      writeSync(file, this.#ring.seal(JSON.stringify(value, null, 1), basename(this.path)))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, this.path)
    const directory = openSync(dirname(this.path), 'r')
    try {
      fsyncSync(directory)
    } finally {
      closeSync(directory)
    }
  }

  /** Writes what is kept otherwise than the ring would now, anew. */
  reseal(): void {
    if (!existsSync(this.path) || this.#ring.isCurrent(readFileSync(this.path, 'utf8'))) return
    const value = this.read()
    if (value !== undefined) this.write(value)
  }

  remove(): void { rmSync(this.path, { force: true }) }
}
