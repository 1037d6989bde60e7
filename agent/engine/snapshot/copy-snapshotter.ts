import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { diskUsage } from './disk-usage.ts'
import type { BorrowedSnapshot, Snapshotter } from './snapshotter.ts'

/** Snapshots as plain copies, for machines and tests without overlay. Whiteouts of upper layers are not understood: meant for single-layer images. */
export class CopySnapshotter implements Snapshotter {
  readonly driver = 'vfs'
  readonly #root: string

  constructor(root: string) { this.#root = root }

  async prepare(id: string, layers: readonly string[]): Promise<void> {
    const target = join(this.#root, id)
    if (existsSync(target)) return
    const unfinished = `${target}.new`
    await rm(unfinished, { recursive: true, force: true })
    await mkdir(unfinished, { recursive: true })
    for (const layer of layers) await cp(layer, unfinished, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
    await rename(unfinished, target)
  }

  async mount(id: string): Promise<string> { return join(this.#root, id) }
  async unmount(): Promise<void> { await Promise.resolve() }
  async borrow(id: string): Promise<BorrowedSnapshot> { return { root: join(this.#root, id), [Symbol.asyncDispose]: async () => { await Promise.resolve() } } }
  changesDirectory(): undefined { return undefined }
  async remove(id: string): Promise<void> { await rm(join(this.#root, id), { recursive: true, force: true }) }

  async retain(ids: ReadonlySet<string>): Promise<void> {
    if (!existsSync(this.#root)) return
    for (const id of await readdir(this.#root)) if (!ids.has(id)) await this.remove(id)
  }

  directories(id: string): Readonly<Record<string, string>> { return { MergedDir: join(this.#root, id) } }
  sizeBytes(id: string): Promise<number> { return diskUsage(join(this.#root, id)) }
}
