import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface FileOwner { readonly uid: number; readonly gid: number }

/** A file to be bind-mounted into a container. */
export interface MemoryFile { readonly data: Uint8Array; readonly uid: number; readonly gid: number; readonly mode: number }

/**
 * Secrets and configs of tasks as files under a folder that should be memory-backed (tmpfs, e.g. below /run): one folder per task,
 * which only its owner may enter.
 */
export class MemoryFiles {
  readonly #folder: string
  readonly #ownerOnHost: (owner: FileOwner) => FileOwner

  /** @param ownerOnHost of a file whose owner in the container is given */
  constructor(folder: string, ownerOnHost: (owner: FileOwner) => FileOwner = owner => owner) {
    this.#folder = folder
    this.#ownerOnHost = ownerOnHost
  }

  /** Writes a task's files, replacing those from before; resolves to their paths, in order. */
  async write(taskId: string, files: readonly MemoryFile[]): Promise<readonly string[]> {
    await this.remove(taskId)
    if (files.length === 0) return []
    const folder = join(this.#folder, taskId)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return Promise.all(files.map(async (file, i) => {
      const path = join(folder, String(i))
      await writeFile(path, file.data, { mode: 0o600 })
      const { uid, gid } = this.#ownerOnHost(file)
      await chown(path, uid, gid)
      await chmod(path, file.mode & 0o7777)
      return path
    }))
  }

  /** Removes all files of a task; idempotent. */
  async remove(taskId: string): Promise<void> {
    await rm(join(this.#folder, taskId), { recursive: true, force: true })
  }
}
