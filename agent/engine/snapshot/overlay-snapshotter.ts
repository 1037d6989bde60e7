import { existsSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { KernelMounts } from '../../kernel/kernel.ts'
import { diskUsage } from './disk-usage.ts'
import type { Snapshotter } from './snapshotter.ts'

/** Snapshots as overlay mounts: `<root>/<id>/{upper,work,merged}`. */
export class OverlaySnapshotter implements Snapshotter {
  readonly driver = 'overlay2'
  readonly #root: string
  readonly #mounts: KernelMounts
  readonly #mounted = new Set<string>()

  constructor(root: string, mounts: KernelMounts) {
    this.#root = root
    this.#mounts = mounts
  }

  async prepare(id: string): Promise<void> {
    const base = join(this.#root, id)
    await mkdir(join(base, 'upper'), { recursive: true, mode: 0o755 })
    await Promise.all([mkdir(join(base, 'work'), { recursive: true }), mkdir(join(base, 'merged'), { recursive: true })])
  }

  async mount(id: string, layers: readonly string[]): Promise<string> {
    const base = join(this.#root, id)
    const target = join(base, 'merged')
    if (this.#mounted.has(id)) return target
    // An image without layers still needs one lower directory: the snapshot's own empty `merged` parent would contain it, so an empty one is made.
    const lower = layers.length === 0 ? [join(base, 'empty')] : [...layers].reverse()
    if (layers.length === 0) await mkdir(join(base, 'empty'), { recursive: true })
    this.#mounts.overlay({ lower, upper: join(base, 'upper'), work: join(base, 'work'), target })
    this.#mounted.add(id)
    return target
  }

  async unmount(id: string): Promise<void> {
    if (!this.#mounted.has(id)) return
    await this.#mounts.unmount(join(this.#root, id, 'merged'))
    this.#mounted.delete(id)
  }

  async remove(id: string): Promise<void> {
    await this.unmount(id)
    await rm(join(this.#root, id), { recursive: true, force: true })
  }

  async retain(ids: ReadonlySet<string>, running: ReadonlySet<string>): Promise<void> {
    for (const target of this.#mounts.under(this.#root)) {
      const id = target.slice(this.#root.length + 1).split('/')[0] ?? ''
      if (running.has(id)) this.#mounted.add(id)
      else await this.#mounts.unmount(target)
    }
    if (!existsSync(this.#root)) return
    for (const id of await readdir(this.#root)) if (!ids.has(id)) await this.remove(id)
  }

  directories(id: string, layers: readonly string[]): Readonly<Record<string, string>> {
    const base = join(this.#root, id)
    return { LowerDir: [...layers].reverse().join(':'), MergedDir: join(base, 'merged'), UpperDir: join(base, 'upper'), WorkDir: join(base, 'work') }
  }

  sizeBytes(id: string): Promise<number> { return diskUsage(join(this.#root, id, 'upper')) }
}
