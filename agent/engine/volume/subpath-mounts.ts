import { readdirSync, rmdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { KernelMounts } from '../../kernel/kernel.ts'
import { openSubpath } from './volume-subpath.ts'

/** A part of a volume at a path of ours, until it is disposed; what was mounted from there stays. */
export interface MountedSubpath extends AsyncDisposable { readonly path: string }

/**
 * Parts of volumes, held at paths that nobody else can change while a runtime mounts them: a name inside the volume could become another file
 * between our look and the runtime's (D-401). Nothing in the folder is ever deleted but empty directories and empty files.
 */
export class SubpathMounts {
  readonly #folder: string
  readonly #mounts: KernelMounts
  #count = 0

  constructor(folder: string, mounts: KernelMounts) {
    this.#folder = folder
    this.#mounts = mounts
  }

  /** Takes away what a daemon that was killed left. */
  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    for (const target of this.#mounts.under(this.#folder)) if (target !== this.#folder) await this.#mounts.unmount(target)
    for (const name of readdirSync(this.#folder)) removeEmpty(join(this.#folder, name))
  }

  /** @throws `bad-subpath` (invalid-argument), `mount-failed` */
  async mount(data: string, subpath: string): Promise<MountedSubpath> {
    await using source = await openSubpath(data, subpath)
    const target = join(this.#folder, String(++this.#count))
    if (statSync(source.path).isDirectory()) await mkdir(target)
    else writeFileSync(target, '')
    try {
      this.#mounts.bind(source.path, target)
    } catch (error) {
      removeEmpty(target)
      throw error
    }
    return {
      path: target,
      [Symbol.asyncDispose]: async () => {
        await this.#mounts.unmount(target)
        removeEmpty(target)
      },
    }
  }
}

/** Fails rather than to delete what a mount may still hold. */
function removeEmpty(path: string): void {
  const stat = statSync(path)
  if (stat.isDirectory()) rmdirSync(path)
  else if (stat.size === 0) unlinkSync(path)
}
