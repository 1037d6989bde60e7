import { chown, mkdir } from 'node:fs/promises'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { rootOf, type IdMapping } from '../../kernel/id-mapping.ts'
import type { KernelMounts } from '../../kernel/kernel.ts'

export interface MappedFoldersOptions {
  /** Where the views are mounted, each under its folder's name. */
  readonly root: string
  /** Below which the folders are. */
  readonly dataRoot: string
  readonly folders: readonly string[]
  readonly mounts: KernelMounts
}

/**
 * The engine's folders as a user namespace is to see them. What is on disk keeps the owners that images and containers say, whether containers are
 * mapped or not; these views of it show the mapped ones (D-490).
 */
export class MappedFolders implements AsyncDisposable {
  readonly ids: IdMapping
  readonly #options: MappedFoldersOptions

  private constructor(ids: IdMapping, options: MappedFoldersOptions) {
    this.ids = ids
    this.#options = options
  }

  /** The folders must be there. @throws `mount-failed` (failed-precondition) where the kernel or the file system has no such views */
  static async open(ids: IdMapping, options: MappedFoldersOptions): Promise<MappedFolders> {
    const { root, dataRoot, folders, mounts } = options
    await closeMappedFolders(root, mounts)
    // What root in a container makes is root's on disk, set-user-id programs included: nobody but the containers' users may come near it.
    await mkdir(root, { recursive: true, mode: 0o710 })
    await chown(root, 0, rootOf(ids).gid)
    const opened = new MappedFolders(ids, options)
    try {
      for (const folder of folders) {
        const target = join(root, folder)
        await mkdir(target, { recursive: true })
        await mounts.bindMapped(join(dataRoot, folder), target, ids)
      }
      return opened
    } catch (error) {
      await opened[Symbol.asyncDispose]()
      throw error
    }
  }

  /** A path of the engine's folders in its view; any other, and what is mounted on one of the folders, as it is. */
  view(path: string): string {
    const { root, dataRoot, folders } = this.#options
    const folder = folders.find(name => path.startsWith(`${join(dataRoot, name)}/`))
    if (folder === undefined) return path
    const viewed = join(root, path.slice(dataRoot.length))
    return isSame(path, viewed) ? viewed : path
  }

  /** What runs keeps its own hold of them. */
  async [Symbol.asyncDispose](): Promise<void> { await closeMappedFolders(this.#options.root, this.#options.mounts) }
}

/** Takes away the views of a daemon that was killed. */
export async function closeMappedFolders(root: string, mounts: Pick<KernelMounts, 'under' | 'unmount'>): Promise<void> {
  for (const target of mounts.under(root)) await mounts.unmount(target)
}

function isSame(path: string, viewed: string): boolean {
  const [there, here] = [statSync(path, { throwIfNoEntry: false }), statSync(viewed, { throwIfNoEntry: false })]
  return there !== undefined && here !== undefined && there.dev === here.dev && there.ino === here.ino
}
