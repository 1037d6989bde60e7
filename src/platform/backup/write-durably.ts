import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from '../storage/sync-directory.ts'

const TEMPORARY = '.new'

/**
 * Writes a file, readable by its owner alone, that is there whole or not at all: beside its place first, flushed, then moved.
 * @param check called with the path of the whole file before it is moved: what it throws leaves the old one
 */
export async function writeDurably(path: string, content: AsyncIterable<Uint8Array>, check?: (path: string) => Promise<void>): Promise<void> {
  const temporary = path + TEMPORARY
  try {
    const file = await open(temporary, 'w', 0o600)
    try {
      for await (const bytes of content) await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await check?.(temporary)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}
