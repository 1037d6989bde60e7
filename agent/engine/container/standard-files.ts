import { lchown, lstat, mkdir, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Owner } from '../../kernel/id-mapping.ts'
import { resolveInRoot } from '../runtime/path-in-root.ts'

const MOUNTS = '/proc/mounts'
/** What is there in the way stays. */
const TOLERATED = ['EEXIST', 'ENOTDIR', 'EISDIR', 'ELOOP']

/**
 * Makes what every Docker container has besides its image and its mounts: `/.dockerenv`, by which programs know that they are in a container, and
 * `/etc/mtab`, which df and mount read. An image's own stay. They are no changes (MOUNT_POINTS). Only for a root that nothing runs in.
 */
export async function makeStandardFiles(root: string, owner?: Owner): Promise<void> {
  const made = async (path: string, work: Promise<unknown>): Promise<void> => {
    if (await isDone(work) && owner !== undefined) await lchown(path, owner.uid, owner.gid)
  }
  await made(join(root, '.dockerenv'), writeFile(join(root, '.dockerenv'), '', { flag: 'wx', mode: 0o755 }))
  const etc = await resolveInRoot(root, '/etc')
  await made(etc, mkdir(etc, { mode: 0o755 }))
  await made(join(etc, 'mtab'), symlink(MOUNTS, join(etc, 'mtab')))
}

/** How many bytes of what a container has written are these files: nobody is told of them. */
export async function standardFilesBytes(written: string): Promise<number> {
  const etc = join(written, 'etc')
  // A link there would lead into the host.
  if ((await lstat(etc).catch(() => undefined))?.isDirectory() !== true) return 0
  return await readlink(join(etc, 'mtab')).catch(() => '') === MOUNTS ? MOUNTS.length : 0
}

async function isDone(work: Promise<unknown>): Promise<boolean> {
  return await work.then(() => true, (error: NodeJS.ErrnoException) => {
    if (!TOLERATED.includes(error.code ?? '')) throw error
    return false
  })
}
