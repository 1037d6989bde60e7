import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { ShoalError } from '../../../src/base/errors.ts'

/**
 * Whether a working directory can be made, as far as an image's layers tell without mounting them: not where the image has a file. Links and what layers
 * take away are left to the start. `layers` topmost first.
 * @throws `bad-working-directory` (invalid-argument)
 */
export async function checkWorkingDirectory(path: string, layers: readonly string[]): Promise<void> {
  let prefix = ''
  for (const part of path.split('/').filter(name => name !== '' && name !== '.')) {
    if (part === '..') return
    prefix = `${prefix}/${part}`
    const kind = await kindOf(prefix, layers)
    if (kind === 'file') throw new ShoalError('invalid-argument', 'bad-working-directory', `Cannot mkdir: ${path} is not a directory`)
    if (kind !== 'directory') return
  }
}

async function kindOf(path: string, layers: readonly string[]): Promise<'file' | 'directory' | 'other'> {
  for (const layer of layers) {
    const stat = await lstat(join(layer, path)).catch((error: NodeJS.ErrnoException) => { if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined; throw error })
    if (stat !== undefined) return stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other'
  }
  return 'other'
}
