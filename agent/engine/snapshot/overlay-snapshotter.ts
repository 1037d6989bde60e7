import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { KernelMounts } from '../../kernel/kernel.ts'
import { makeDirectory } from '../durable-file.ts'
import type { MappedFolders } from '../files/mapped-folders.ts'
import { diskUsage } from './disk-usage.ts'
import type { BorrowedSnapshot, Snapshotter } from './snapshotter.ts'

/** Snapshots as overlay mounts: `<root>/<id>/{upper,work,merged}`. */
export class OverlaySnapshotter implements Snapshotter {
  readonly driver = 'overlay2'
  readonly #root: string
  readonly #mounts: KernelMounts
  readonly #mounted = new Set<string>()
  /** Mounted for a container's run, not only for a look from outside. */
  readonly #running = new Set<string>()
  readonly #borrowers = new Map<string, number>()
  /** Being unmounted now; whoever mounts again waits, or the new mount would be taken away. */
  readonly #unmounting = new Map<string, Promise<void>>()

  constructor(root: string, mounts: KernelMounts) {
    this.#root = root
    this.#mounts = mounts
  }

  async prepare(id: string): Promise<void> {
    const base = join(this.#root, id)
    await makeDirectory(join(base, 'upper'), 0o755)
    await Promise.all([makeDirectory(join(base, 'work')), makeDirectory(join(base, 'merged'))])
  }

  async mount(id: string, layers: readonly string[], mapped?: MappedFolders): Promise<string> {
    this.#running.add(id)
    return this.#mount(id, layers, mapped)
  }

  async borrow(id: string, layers: readonly string[], mapped?: MappedFolders): Promise<BorrowedSnapshot> {
    this.#borrowers.set(id, (this.#borrowers.get(id) ?? 0) + 1)
    let isReturned = false
    const giveBack = async (): Promise<void> => {
      if (isReturned) return
      isReturned = true
      const left = (this.#borrowers.get(id) ?? 1) - 1
      if (left > 0) { this.#borrowers.set(id, left); return }
      this.#borrowers.delete(id)
      if (!this.#running.has(id)) await this.#unmount(id)
    }
    try {
      return { root: await this.#mount(id, layers, mapped), [Symbol.asyncDispose]: giveBack }
    } catch (error) {
      await giveBack()
      throw error
    }
  }

  async #mount(id: string, layers: readonly string[], mapped: MappedFolders | undefined): Promise<string> {
    await this.#unmounting.get(id)
    const base = join(this.#root, id)
    const target = join(base, 'merged')
    if (this.#mounted.has(id)) return target
    // An image without layers still needs one lower directory: the snapshot's own empty `merged` parent would contain it, so an empty one is made.
    const lower = layers.length === 0 ? [join(base, 'empty')] : [...layers].reverse()
    if (layers.length === 0) await makeDirectory(join(base, 'empty'))
    const view = (path: string): string => mapped?.view(path) ?? path
    this.#mounts.overlay({ lower: lower.map(view), upper: view(join(base, 'upper')), work: view(join(base, 'work')), target })
    this.#mounted.add(id)
    return target
  }

  async unmount(id: string): Promise<void> {
    this.#running.delete(id)
    // Unmounting would only hide it: a second mount over the same files beside the hidden one is not safe.
    if (!this.#borrowers.has(id)) await this.#unmount(id)
  }

  async #unmount(id: string): Promise<void> {
    if (!this.#mounted.has(id)) return
    this.#mounted.delete(id)
    const unmounting = this.#mounts.unmount(join(this.#root, id, 'merged')).finally(() => this.#unmounting.delete(id))
    this.#unmounting.set(id, unmounting)
    await unmounting
  }

  async remove(id: string): Promise<void> {
    this.#running.delete(id)
    await this.#unmount(id)
    await rm(join(this.#root, id), { recursive: true, force: true })
  }

  async retain(ids: ReadonlySet<string>, running: ReadonlySet<string>): Promise<void> {
    for (const target of this.#mounts.under(this.#root)) {
      const id = target.slice(this.#root.length + 1).split('/')[0] ?? ''
      if (running.has(id)) { this.#mounted.add(id); this.#running.add(id) }
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
  changesDirectory(id: string): string { return join(this.#root, id, 'upper') }
}
