import { constants } from 'node:fs'
import { chmod, copyFile, lchown, link, lstat, lutimes, mkdir, readdir, readlink, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ShoalError } from '../../../src/base/errors.ts'
import type { KernelMounts } from '../../kernel/kernel.ts'
import { KEPT_ATTRIBUTE } from '../files/pack-tree.ts'

export interface Owner { readonly uid: number; readonly gid: number }

export interface CopyTreeOptions {
  readonly mounts: Pick<KernelMounts, 'attribute' | 'setAttribute' | 'makeNode'>
  readonly owner: Owner
  /** Permissions of all that is copied, instead of its own. */
  readonly mode: number | undefined
  /** Leaves out what has this path below the source. */
  readonly isExcluded: (path: string) => boolean
}

/**
 * Copies a file, or what is in a directory, to a path of another tree. Neither tree may change meanwhile, and `target` has its links resolved:
 * what is copied is then never followed, only replaced.
 */
export async function copyTree(source: string, target: string, options: CopyTreeOptions): Promise<void> {
  const stat = await lstat(source)
  await makeDirectories(stat.isDirectory() ? target : dirname(target), options.owner)
  const linked = new Map<string, string>()
  if (stat.isDirectory()) await copyEntries(source, target, '', { ...options, linked })
  else await copyOne(source, target, '', { ...options, linked })
}

interface Copying extends CopyTreeOptions {
  /** Device and inode of files with several names -> where the first of them went. */
  readonly linked: Map<string, string>
}

/** Makes a directory and those above it; what is there stays as it is. @throws `not-a-directory` */
export async function makeDirectories(path: string, owner: Owner): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => { if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined; throw error })
  if (found?.isDirectory() === true) return
  if (found !== undefined) throw new ShoalError('invalid-argument', 'not-a-directory', `mkdir ${path}: not a directory`)
  await makeDirectories(dirname(path), owner)
  await mkdir(path, { mode: 0o755 })
  await lchown(path, owner.uid, owner.gid)
}

async function copyEntries(source: string, target: string, prefix: string, copying: Copying): Promise<void> {
  for (const name of (await readdir(source)).sort()) await copyOne(join(source, name), join(target, name), prefix === '' ? name : `${prefix}/${name}`, copying)
}

async function copyOne(source: string, target: string, path: string, copying: Copying): Promise<void> {
  const { owner, mounts, linked } = copying
  const stat = await lstat(source)
  const isExcluded = path !== '' && copying.isExcluded(path)
  // Something below an excluded directory may be wanted again ("!a/b").
  if (isExcluded && !stat.isDirectory()) return
  if (stat.isSocket()) return
  const mode = copying.mode ?? stat.mode & 0o7777
  if (stat.isDirectory()) {
    if (!isExcluded) await makeOwnDirectory(target, owner, mode)
    await copyEntries(source, target, path, copying)
    if (!isExcluded) await lutimes(target, stat.atime, stat.mtime)
    return
  }
  await rm(target, { recursive: true, force: true })
  if (isNested(path)) await makeDirectories(dirname(target), owner)
  const key = `${stat.dev}:${stat.ino}`
  const first = stat.nlink > 1 ? linked.get(key) : undefined
  if (first !== undefined) { await link(first, target); return }
  if (stat.nlink > 1) linked.set(key, target)
  if (stat.isSymbolicLink()) {
    await symlink(await readlink(source), target)
    await lchown(target, owner.uid, owner.gid)
  } else if (stat.isFile()) {
    await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
    await lchown(target, owner.uid, owner.gid)
    await chmod(target, mode)
    const capability = mounts.attribute(source, KEPT_ATTRIBUTE)
    if (capability !== undefined) mounts.setAttribute(target, KEPT_ATTRIBUTE, capability)
  } else {
    mounts.makeNode(target, (stat.mode & ~0o7777) | mode, deviceOf(stat.rdev))
    await lchown(target, owner.uid, owner.gid)
  }
  await lutimes(target, stat.atime, stat.mtime)
}

async function makeOwnDirectory(target: string, owner: Owner, mode: number): Promise<void> {
  const found = await lstat(target).catch(() => undefined)
  if (found !== undefined && !found.isDirectory()) await rm(target)
  if (found?.isDirectory() !== true) {
    await makeDirectories(dirname(target), owner)
    await mkdir(target)
  }
  await lchown(target, owner.uid, owner.gid)
  await chmod(target, mode)
}

function isNested(path: string): boolean { return path.includes('/') }

/** dev_t of Linux: 12 bits of the minor number are split around the major. */
function deviceOf(rdev: number): { readonly major: number; readonly minor: number } {
  return { major: (rdev >> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00) }
}
