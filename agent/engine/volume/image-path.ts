import { lstat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Whether an image may have something at `path`, from its layers alone; so that a root file system is mounted only if there is something to copy.
 * True also where a link is on the way. Whiteouts are not looked at: they only make a false true.
 */
export async function mayBeInImage(layers: readonly string[], path: string): Promise<boolean> {
  const parts = path.split('/').filter(part => part !== '' && part !== '.')
  for (const layer of layers) if (await mayBeInLayer(layer, parts)) return true
  return false
}

async function mayBeInLayer(layer: string, parts: readonly string[]): Promise<boolean> {
  let at = layer
  for (const part of parts) {
    at = join(at, part)
    const stat = await lstat(at).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
      throw error
    })
    if (stat === undefined) return false
    if (stat.isSymbolicLink()) return true
  }
  return true
}
