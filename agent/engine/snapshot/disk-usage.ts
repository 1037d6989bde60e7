import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Bytes of the files below a directory; hard links count once. 0 when it is not there. */
export async function diskUsage(directory: string, seen = new Set<number>()): Promise<number> {
  // Files come and go while one counts, and what cannot be read cannot be counted.
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => [])
  let bytes = 0
  for (const entry of entries) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) { bytes += await diskUsage(path, seen); continue }
    const stat = await lstat(path).catch(() => undefined)
    if (stat === undefined || (stat.nlink > 1 && seen.has(stat.ino))) continue
    seen.add(stat.ino)
    bytes += stat.size
  }
  return bytes
}
