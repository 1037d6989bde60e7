import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { ShoalError, messageOf } from '../base/errors.ts'

/** One JSON value on disk that is always the old or the new one, never a mixture. Mode 0600. */
export class StateFile<T> {
  readonly path: string

  constructor(path: string) { this.path = path }

  /** @throws ShoalError `state-file-damaged` (internal) when the file is there but is not JSON */
  read(): T | undefined {
    if (!existsSync(this.path)) return undefined
    try {
      return JSON.parse(readFileSync(this.path, 'utf8')) as T
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
      writeSync(file, JSON.stringify(value, null, 1))
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

  remove(): void { rmSync(this.path, { force: true }) }
}
