import { statSync } from 'node:fs'
import type { Clock, Timer } from '../base/clock.ts'

/** One look reads as many inodes as there are folders. */
const LOOK_MS = 1000

/**
 * Looks whether folders that this process keeps files open in are still those of the start. Once one was removed or replaced, whatever is written
 * goes to files without a name, so that the next start would not find it (D-688).
 */
export class FolderGuard implements Disposable {
  readonly #clock: Clock
  readonly #folders: ReadonlyMap<string, string | undefined>
  readonly #onGone: (path: string) => void
  #timer: Timer

  /** @param onGone called once, with the folder */
  constructor(paths: readonly string[], clock: Clock, onGone: (path: string) => void) {
    this.#clock = clock
    this.#folders = new Map(paths.map(path => [path, identityOf(path)]))
    this.#onGone = onGone
    this.#timer = clock.after(LOOK_MS, () => this.#look())
  }

  [Symbol.dispose](): void { this.#timer.cancel() }

  #look(): void {
    for (const [path, identity] of this.#folders) if (identityOf(path) !== identity) return this.#onGone(path)
    this.#timer = this.#clock.after(LOOK_MS, () => this.#look())
  }
}

function identityOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? undefined : `${stat.dev}/${stat.ino}`
}
