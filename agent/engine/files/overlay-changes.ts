import type { Stats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import type { KernelMounts } from '../../kernel/kernel.ts'
import type { ConfinedRoot, PinnedFile } from './confined-root.ts'

export type ChangeKind = 'modified' | 'added' | 'deleted'
export interface Change { readonly path: string; readonly kind: ChangeKind }

const OPAQUE = 'trusted.overlay.opaque'
/** A link to /proc/mounts. */
const MTAB = '/etc/mtab'
/** What the runtime makes in every container to mount something on. It is not the container's doing, so it is no change and in no image. */
export const MOUNT_POINTS: readonly string[] = ['/.dockerenv', '/dev', '/dev/console', '/dev/pts', '/dev/shm', '/dev/mqueue', '/proc', '/sys', '/etc/hosts', '/etc/hostname', '/etc/resolv.conf', MTAB]

/** A file of the lower layers that an upper one hides: a device 0:0. */
export function isWhiteout(file: PinnedFile): boolean { return file.stat.isCharacterDevice() && file.stat.rdev === 0 }

/** Whether a directory hides what lower layers have in it. */
export function isOpaque(directory: PinnedFile, mounts: Pick<KernelMounts, 'attribute'>): boolean {
  return directory.stat.isDirectory() && mounts.attribute(directory.path, OPAQUE)?.toString() === 'y'
}

/** Whether it is only there to be mounted on. A directory must be empty, which the caller has seen. */
export function isMountPointName(file: PinnedFile): boolean {
  return MOUNT_POINTS.includes(file.name) && (file.stat.isDirectory() || (file.stat.isFile() && file.stat.size === 0) || file.stat.isCharacterDevice() || (file.stat.isSymbolicLink() && file.name === MTAB))
}

/**
 * What an overlay's upper directory changes in the layers below (bottom first), directories before what is in them, by name.
 * Layers are walked by directories that were seen to be some, so none of their links is followed.
 */
export async function overlayChanges(upper: ConfinedRoot, layers: readonly string[], mounts: Pick<KernelMounts, 'attribute'>): Promise<readonly Change[]> {
  await using root = await upper.find('/', { follow: true })
  return await changesIn(root, [...layers].reverse(), { upper, mounts })
}

interface Context { readonly upper: ConfinedRoot; readonly mounts: Pick<KernelMounts, 'attribute'> }

async function changesIn(directory: PinnedFile, lower: readonly string[], context: Context): Promise<readonly Change[]> {
  const changes: Change[] = []
  for (const name of (await readdir(directory.path)).sort(byBytes)) {
    await using file = await context.upper.listedChild(directory, name)
    if (file === undefined) continue
    const below = await lookDown(lower, name)
    if (isWhiteout(file)) {
      if (below.stat !== undefined) changes.push({ path: file.name, kind: 'deleted' })
      continue
    }
    const inside = file.stat.isDirectory() ? await changesIn(file, isOpaque(file, context.mounts) ? [] : below.directories, context) : []
    if (inside.length === 0 && isMountPointName(file)) continue
    if (file.stat.isDirectory() && inside.length === 0 && below.stat?.isDirectory() === true && isSame(file.stat, below.stat) && !isOpaque(file, context.mounts)) continue
    changes.push({ path: file.name, kind: below.stat === undefined ? 'added' : 'modified' }, ...inside)
  }
  return changes
}

/** An entry as the layers show it, and the directories that make it up, topmost first. */
async function lookDown(lower: readonly string[], name: string): Promise<{ readonly stat: Stats | undefined; readonly directories: readonly string[] }> {
  let found: Stats | undefined
  const directories: string[] = []
  for (const directory of lower) {
    const stat = await lstat(`${directory}/${name}`).catch(() => undefined)
    if (stat === undefined) continue
    if (stat.isCharacterDevice() && stat.rdev === 0) break
    found ??= stat
    if (!stat.isDirectory()) break
    directories.push(`${directory}/${name}`)
  }
  return { stat: found, directories }
}

function isSame(a: Stats, b: Stats): boolean { return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid }

function byBytes(a: string, b: string): number { return Buffer.compare(Buffer.from(a), Buffer.from(b)) }
