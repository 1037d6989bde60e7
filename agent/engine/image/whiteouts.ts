import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { KernelMounts } from '../../kernel/kernel.ts'

const PREFIX = '.wh.'
const OPAQUE = '.wh..wh..opq'

/**
 * A tar says "deleted" with files named .wh.NAME; overlay says it with devices 0:0 and an attribute. Turns the former into the latter.
 * Never leaves `root`: a layer's symbolic links are the layer's, and one to /etc must not let a .wh. file delete there (D-250).
 */
export async function applyWhiteouts(root: string, mounts: Pick<KernelMounts, 'makeOpaque' | 'makeWhiteout'>): Promise<void> {
  const directories = [root]
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      if (entry.name.startsWith(PREFIX)) await applyOne(directory, entry.name, mounts)
      else if (entry.isDirectory()) directories.push(join(directory, entry.name))
    }
  }
}

async function applyOne(directory: string, name: string, mounts: Pick<KernelMounts, 'makeOpaque' | 'makeWhiteout'>): Promise<void> {
  await rm(join(directory, name), { recursive: true, force: true })
  if (name === OPAQUE) return mounts.makeOpaque(directory)
  const hidden = name.slice(PREFIX.length)
  // Other names that begin with .wh..wh. are notes of old storage drivers.
  if (hidden.startsWith(PREFIX) || ['', '.', '..'].includes(hidden)) return
  const path = join(directory, hidden)
  if (await lstat(path).then(() => true, () => false)) return
  mounts.makeWhiteout(path)
}
