import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

/** Files up to this size are read at once. */
const SMALL_BYTES = 1 << 20

/**
 * What a copied file or directory is for the build cache: names, types, permissions and contents below it. Neither owners (a copy has new ones) nor times count.
 * @param name what it will be called, where that is not the destination's own name
 */
export async function treeChecksum(path: string, name: string, isExcluded: (path: string) => boolean): Promise<string> {
  const hash = createHash('sha256')
  for await (const line of linesOf(path, name, '', isExcluded)) hash.update(line)
  return hash.digest('hex')
}

async function* linesOf(path: string, name: string, below: string, isExcluded: (path: string) => boolean): AsyncIterable<string> {
  const stat = await lstat(path)
  const excluded = below !== '' && isExcluded(below)
  if (!excluded) {
    const what = stat.isFile() ? await contentChecksum(path, stat.size) : stat.isSymbolicLink() ? await readlink(path) : stat.isDirectory() ? '' : `${stat.rdev}`
    yield `${JSON.stringify(name)} ${stat.mode.toString(8)} ${JSON.stringify(what)}\n`
  }
  if (!stat.isDirectory()) return
  for (const entry of (await readdir(path)).sort()) yield* linesOf(join(path, entry), `${name}/${entry}`, below === '' ? entry : `${below}/${entry}`, isExcluded)
}

/** SHA-256 of a file, in hex. */
export async function contentChecksum(path: string, sizeBytes: number): Promise<string> {
  const hash = createHash('sha256')
  if (sizeBytes <= SMALL_BYTES) hash.update(await readFile(path))
  else for await (const chunk of createReadStream(path, { highWaterMark: SMALL_BYTES })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
