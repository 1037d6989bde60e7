import { constants } from 'node:fs'
import { link, lchown, lutimes, mkdir, open, readdir, rmdir, symlink, unlink, type FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract, type Header } from 'tar-stream'
import { isDiskFull, messageOf, ShoalError } from '../../../src/base/errors.ts'
import { toHost, type Owner } from '../../kernel/id-mapping.ts'
import type { KernelMounts } from '../../kernel/kernel.ts'
import { diskFull } from '../durable-file.ts'
import type { ConfinedRoot, PinnedFile } from './confined-root.ts'
import { KEPT_ATTRIBUTE } from './pack-tree.ts'

const S_IFCHR = 0o020000
const S_IFBLK = 0o060000
const S_IFIFO = 0o010000
/** A file that must be made anew: nothing that stands there is opened. */
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

export interface UnpackOptions {
  readonly root: ConfinedRoot
  readonly mounts: Pick<KernelMounts, 'setAttribute' | 'makeNode'>
  /** Refuse to replace a directory by something else, and the other way round. */
  readonly noOverwriteDirNonDir: boolean
  /** Everything belongs to this user, instead of the one in the tar. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined
}

/**
 * Unpacks a tar into a directory of a confined root. Links in the tree are followed inside it; none that the tar brings, or that somebody makes meanwhile, leads out.
 * @throws `malformed-archive`, `path-outside`, `file-in-the-way` (all invalid-argument), `read-only-mount`
 */
export async function unpackTar(tar: AsyncIterable<Uint8Array>, directory: PinnedFile, options: UnpackOptions): Promise<void> {
  const parser = extract()
  const feeding = pipeline(Readable.from(tar, { objectMode: false }), parser)
  // Awaited below, after what the parser says.
  feeding.catch(() => undefined)
  const unpacker = new Unpacker(directory.parts, options)
  try {
    for await (const entry of parser) {
      await unpacker.take(entry.header, entry as AsyncIterable<Uint8Array>)
      entry.resume()
    }
    await feeding
    await unpacker.finish()
  } catch (error) {
    if (error instanceof ShoalError) throw error
    if (isDiskFull(error)) throw diskFull((error as NodeJS.ErrnoException).path, error)
    throw new ShoalError('invalid-argument', 'malformed-archive', `error processing tar file: ${error instanceof Error && error.message === 'Unexpected end of data' ? 'unexpected EOF' : messageOf(error)}`, { cause: error })
  }
}

class Unpacker {
  readonly #base: readonly string[]
  readonly #options: UnpackOptions
  /** Directories get their times when nothing is written to them any more. */
  readonly #times: { readonly name: string; readonly mtime: Date }[] = []

  constructor(base: readonly string[], options: UnpackOptions) {
    this.#base = base
    this.#options = options
  }

  async take(header: Header, body: AsyncIterable<Uint8Array>): Promise<void> {
    const parts = partsOf(header.name)
    const name = parts.at(-1)
    if (name === undefined) return
    await using parent = await this.#directory(parts.slice(0, -1))
    if (!parent.writable) throw new ShoalError('permission-denied', 'read-only-mount', 'mounted volume is marked read-only')
    const isThere = await this.#makeRoom(parent, name, header)
    const path = `${parent.path}/${name}`
    const { uid, gid } = ownerOnHost(parent, this.#options.owner ?? { uid: header.uid ?? 0, gid: header.gid ?? 0 })
    const mtime = header.mtime ?? new Date(0)
    const mode = (header.mode ?? 0o644) & 0o7777
    switch (header.type) {
      case 'directory':
        if (!isThere) await mkdir(path)
        await withHandle(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW, async handle => {
          await handle.chown(uid, gid)
          await handle.chmod(mode)
        })
        this.#times.push({ name: [...parent.parts, name].join('/'), mtime })
        return
      case 'file': case 'contiguous-file':
        await withHandle(path, CREATE, async handle => {
          for await (const chunk of body) await writeAll(handle, chunk)
          await handle.chown(uid, gid)
          await handle.chmod(mode)
          this.#setCapability(handle, header)
          await handle.utimes(mtime, mtime)
        })
        return
      case 'symlink':
        await symlink(header.linkname ?? '', path)
        await lchown(path, uid, gid)
        await lutimes(path, mtime, mtime)
        return
      case 'link': {
        const target = partsOf(header.linkname ?? '')
        await using directory = await this.#directory(target.slice(0, -1))
        await link(`${directory.path}/${target.at(-1) ?? ''}`, path)
        return
      }
      case 'fifo': case 'character-device': case 'block-device': {
        const type = header.type === 'fifo' ? S_IFIFO : header.type === 'block-device' ? S_IFBLK : S_IFCHR
        this.#options.mounts.makeNode(path, type | mode, { major: header.devmajor ?? 0, minor: header.devminor ?? 0 })
        await lchown(path, uid, gid)
        await lutimes(path, mtime, mtime)
        return
      }
      default: return
    }
  }

  async finish(): Promise<void> {
    for (const { name, mtime } of this.#times.reverse()) {
      await using directory = await this.#options.root.find(`/${name}`, { follow: false })
      if (directory.stat.isDirectory()) await withHandle(directory.path, constants.O_RDONLY | constants.O_DIRECTORY, handle => handle.utimes(mtime, mtime))
    }
  }

  /** A directory below the one that is unpacked into; made if it is missing. */
  async #directory(parts: readonly string[]): Promise<PinnedFile> {
    const { root } = this.#options
    const path = `/${[...this.#base, ...parts].join('/')}`
    try {
      return await root.find(path, { follow: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parts.length === 0) throw error
    }
    await using parent = await this.#directory(parts.slice(0, -1))
    if (!parent.writable) throw new ShoalError('permission-denied', 'read-only-mount', 'mounted volume is marked read-only')
    const made = `${parent.path}/${parts.at(-1) ?? ''}`
    await mkdir(made, { mode: 0o755 })
    if (this.#options.owner !== undefined || parent.ids !== undefined) {
      const { uid, gid } = ownerOnHost(parent, this.#options.owner ?? { uid: 0, gid: 0 })
      await lchown(made, uid, gid)
    }
    return root.find(path, { follow: true })
  }

  /** Takes away what stands in the way. True when a directory stands where one belongs. */
  async #makeRoom(parent: PinnedFile, name: string, header: Header): Promise<boolean> {
    const { root, noOverwriteDirNonDir } = this.#options
    let existing: PinnedFile
    try {
      existing = await root.child(parent, name)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
    try {
      const isDirectory = existing.stat.isDirectory()
      if (isDirectory && header.type === 'directory') return true
      if (noOverwriteDirNonDir && isDirectory) throw inTheWay(`cannot overwrite directory "${existing.name}" with non-directory "${header.name}"`)
      if (noOverwriteDirNonDir && header.type === 'directory') throw inTheWay(`cannot overwrite non-directory "${existing.name}" with directory "${header.name}"`)
      if (existing.isMountPoint) throw inTheWay(`unlinkat ${existing.name}: device or resource busy: something is mounted there`)
      await removeTree(root, parent, existing, name)
      return false
    } finally {
      await existing[Symbol.asyncDispose]()
    }
  }

  #setCapability(handle: FileHandle, header: Header): void {
    const text = (header.pax as Readonly<Record<string, string>> | null | undefined)?.[`SCHILY.xattr.${KEPT_ATTRIBUTE}`]
    // The reader takes values for UTF-8; what was none cannot be restored.
    if (text === undefined || text.includes('�')) return
    this.#options.mounts.setAttribute(`/proc/self/fd/${handle.fd}`, KEPT_ATTRIBUTE, Buffer.from(text))
  }
}

/** Deletes a directory's entries by handles, so that a link that is put in their place is deleted itself and not followed. */
async function removeTree(root: ConfinedRoot, parent: PinnedFile, file: PinnedFile, name: string): Promise<void> {
  if (!file.stat.isDirectory()) { await unlink(`${parent.path}/${name}`); return }
  for (const entry of await readdir(file.path)) {
    await using child = await root.child(file, entry)
    if (child.isMountPoint) throw inTheWay(`unlinkat ${child.name}: device or resource busy: something is mounted there`)
    await removeTree(root, file, child, entry)
  }
  await rmdir(`${parent.path}/${name}`)
}

function ownerOnHost({ ids }: PinnedFile, owner: Owner): Owner { return ids === undefined ? owner : toHost(ids, owner) }

/** @throws `path-outside` */
function partsOf(name: string): readonly string[] {
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') { parts.push(part); continue }
    if (parts.pop() === undefined) throw new ShoalError('invalid-argument', 'path-outside', `${JSON.stringify(name)} in the archive is outside of where it is unpacked`)
  }
  return parts
}

async function withHandle(path: string, flags: number, work: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, flags, 0o600)
  try {
    await work(handle)
  } finally {
    await handle.close()
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length;) at += (await handle.write(chunk, at, chunk.length - at)).bytesWritten
}

function inTheWay(message: string): ShoalError { return new ShoalError('invalid-argument', 'file-in-the-way', message) }
