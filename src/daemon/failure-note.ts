import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Why the manager process of this host ended, told by it and shown by the daemon in info and in errors. Lies where the system forgets it at a restart. */
export class FailureNote {
  readonly #path: string

  /** @param folder that of the process's configuration */
  constructor(folder: string) { this.#path = join(folder, 'manager.failure') }

  /** Empty while there is nothing to tell. */
  read(): string {
    try {
      return readFileSync(this.#path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
      throw error
    }
  }

  /** Where even this cannot be written, the process's last words are in the daemon's log alone. */
  write(reason: string): void {
    try {
      writeFileSync(this.#path, reason)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
    }
  }

  clear(): void { rmSync(this.#path, { force: true }) }
}
