import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack, type Header, type Pack } from 'tar-stream'
import type { IgnoreFile } from './ignore-file.ts'

export interface ExtraFile { readonly name: string; readonly text: string }

/** A directory as the tar that POST /build takes, without what is ignored. Owners are not told: the daemon gives everything to root. A failure to read destroys the stream. */
export function packContext(root: string, ignored: IgnoreFile, extra: readonly ExtraFile[]): Readable {
  const tar = pack()
  const work = async (): Promise<void> => {
    for (const { name, text } of extra) await entry(tar, { name, mode: 0o600 }, text)
    await packDirectory(tar, root, '', ignored)
    tar.finalize()
  }
  work().catch((error: unknown) => { tar.destroy(error as Error) })
  return Readable.from(tar as AsyncIterable<Uint8Array>, { objectMode: false })
}

async function packDirectory(tar: Pack, root: string, below: string, ignored: IgnoreFile): Promise<void> {
  for (const name of (await readdir(join(root, below))).sort()) {
    const path = below === '' ? name : `${below}/${name}`
    const stat = await lstat(join(root, path))
    const isIgnored = ignored.isIgnored(path)
    const header = { name: path, mode: stat.mode & 0o7777, mtime: stat.mtime, uid: 0, gid: 0 }
    if (stat.isDirectory()) {
      if (!isIgnored) await entry(tar, { ...header, type: 'directory' })
      if (!isIgnored || !ignored.prunes) await packDirectory(tar, root, path, ignored)
      continue
    }
    if (isIgnored) continue
    if (stat.isSymbolicLink()) await entry(tar, { ...header, type: 'symlink', linkname: await readlink(join(root, path)) })
    else if (stat.isFile()) await pipeline(createReadStream(join(root, path), { end: Math.max(0, stat.size - 1), ...(stat.size === 0 ? { start: 0, end: 0 } : {}) }), tar.entry({ ...header, size: stat.size }))
  }
}

function entry(tar: Pack, header: Partial<Header> & { readonly name: string }, text = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    tar.entry(header, text, error => { if (error === null || error === undefined) resolve(); else reject(error) })
  })
}
