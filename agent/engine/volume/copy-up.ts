import { chmod, chown, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { KernelMounts } from '../../kernel/kernel.ts'
import { makeDirectory } from '../durable-file.ts'
import { ConfinedRoot } from '../files/confined-root.ts'
import { packTree } from '../files/pack-tree.ts'
import { unpackTar } from '../files/unpack-tar.ts'
import { FILLING } from './volume-records.ts'

/** Whether there is something to copy: the source is a directory and the target an empty one. */
export async function wantsCopyUp(source: string, target: string): Promise<boolean> {
  const from = await stat(source).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  return from?.isDirectory() === true && (await readdir(target)).length === 0
}

/**
 * Copies what a directory of an image holds into a volume: owners, modes, times, links, devices and capabilities included, and the directory's own owner and mode.
 * Neither side leads out of its directory, whatever links are in it. Leaves the volume empty when it fails.
 */
export async function copyUp(source: string, target: string, mounts: KernelMounts): Promise<void> {
  try {
    await using from = await ConfinedRoot.open(source, { writable: false })
    await using to = await ConfinedRoot.open(target, { writable: true })
    const first = await from.find('/', { follow: true })
    const { uid, gid, mode } = first.stat
    await using directory = await to.find('/', { follow: true })
    await unpackTar(packTree(first, { root: from, mounts, name: '' }), directory, { root: to, mounts, noOverwriteDirNonDir: false, owner: undefined })
    await chown(target, uid, gid)
    await chmod(target, mode & 0o7777)
    // A volume that holds anything is never filled again: a power failure must not leave empty files in it.
    await mounts.sync(target)
  } catch (error) {
    await emptyDirectory(target)
    throw error
  }
}

/** As copyUp, for a volume that nobody uses: all of it is there, or nothing. */
export async function fillAtOnce(source: string, target: string, mounts: KernelMounts): Promise<void> {
  const filling = join(dirname(target), FILLING)
  await rm(filling, { recursive: true, force: true })
  await makeDirectory(filling, 0o755)
  await copyUp(source, filling, mounts)
  // rename(2) takes the place of an empty directory.
  await rename(filling, target)
}

async function emptyDirectory(path: string): Promise<void> {
  for (const name of await readdir(path)) await rm(join(path, name), { recursive: true, force: true })
}
