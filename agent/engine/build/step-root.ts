import { readdir } from 'node:fs/promises'
import { ConfinedRoot } from '../files/confined-root.ts'
import type { MappedFolders } from '../files/mapped-folders.ts'
import { isOpaque, isWhiteout } from '../files/overlay-changes.ts'
import { packTree } from '../files/pack-tree.ts'
import type { Layer, LayerStore } from '../image/layer-store.ts'
import type { KernelMounts } from '../../kernel/kernel.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { BorrowedSnapshot, Snapshotter } from '../snapshot/snapshotter.ts'

export interface StepRootParts { readonly snapshotter: Snapshotter; readonly layers: LayerStore; readonly mounts: Pick<KernelMounts, 'attribute'> }

/**
 * A root file system for one step of a build in which no process runs: the layers of an image, writable. What is written is thrown away with dispose, unless keep() made a
 * layer of it. A crash leaves nothing: the snapshot belongs to no container, so the next start removes it.
 */
export class StepRoot implements AsyncDisposable {
  readonly root: string
  readonly #id: string
  readonly #borrowed: BorrowedSnapshot
  readonly #parts: StepRootParts

  private constructor(id: string, borrowed: BorrowedSnapshot, parts: StepRootParts) {
    this.#id = id
    this.#borrowed = borrowed
    this.#parts = parts
    this.root = borrowed.root
  }

  /** @param layers directories, bottom first; `mapped`: as a container is to see them */
  static async open(id: string, layers: readonly string[], parts: StepRootParts, mapped?: MappedFolders): Promise<StepRoot> {
    await parts.snapshotter.prepare(id, layers)
    return new StepRoot(id, await parts.snapshotter.borrow(id, layers, mapped), parts)
  }

  /** The layer of what was written; undefined when that is nothing. The root is not to be used any more. */
  async keep(): Promise<Layer | undefined> {
    const upper = changesOf(this.#parts.snapshotter, this.#id)
    await this.#borrowed[Symbol.asyncDispose]()
    if ((await readdir(upper)).length === 0) return undefined
    return takeLayer(upper, this.#parts)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#borrowed[Symbol.asyncDispose]()
    await this.#parts.snapshotter.remove(this.#id)
  }
}

/** @throws `no-changes` (not-implemented) with a storage driver that does not tell */
export function changesOf(snapshotter: Snapshotter, id: string): string {
  const upper = snapshotter.changesDirectory(id)
  if (upper === undefined) throw new ShoalError('not-implemented', 'no-changes', `the storage driver ${snapshotter.driver} does not keep what a container changes; use overlay`)
  return upper
}

/** Makes a layer of an overlay's upper directory by moving it: it already has the form that layers have. It must not be mounted. With `copies` it stays where it is. */
export async function takeLayer(upper: string, { layers, mounts }: Pick<StepRootParts, 'layers' | 'mounts'>, { copies } = { copies: false }): Promise<Layer> {
  await using root = await ConfinedRoot.open(upper, { writable: false })
  const tar = packTree(await root.find('/', { follow: true }), {
    root, mounts, name: '',
    decide: file => isWhiteout(file) ? { emptyFile: `.wh.${file.parts.at(-1) ?? ''}` } : 'pack',
    extra: directory => isOpaque(directory, mounts) ? ['.wh..wh..opq'] : [],
  })
  return copies ? await layers.add(tar) : await layers.adopt(upper, tar)
}
