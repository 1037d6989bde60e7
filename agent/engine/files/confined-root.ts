import { constants, type Stats } from 'node:fs'
import { open, readlink, type FileHandle } from 'node:fs/promises'
import { ShoalError } from '../../../src/base/errors.ts'
import { toContainer, type IdMapping, type Owner } from '../../kernel/id-mapping.ts'

/** open(2): names a file without opening it. The number is the same on amd64 and arm64. */
const O_PATH = 0o10000000
const LINKS_MAX = 40
const DEPTH_MAX = 1000

/** What of a container's file system comes from elsewhere on the host. */
export interface ConfinedMount {
  readonly destination: string
  readonly source: string
  readonly writable: boolean
  /** Owners there are those of a user namespace as the host has them. */
  readonly ids?: IdMapping | undefined
}

/**
 * A file that stays the same file whatever happens to its name. `path` stands for it in any call of node:fs until it is disposed;
 * `${path}/name` names an entry of a directory without any other link being followed on the way.
 */
export class PinnedFile implements AsyncDisposable {
  readonly stat: Stats
  /** Where it is in the container, links resolved; [] is the root. */
  readonly parts: readonly string[]
  readonly writable: boolean
  /** It is where a bind or volume begins: its name cannot be taken away. */
  readonly isMountPoint: boolean
  /** How owners here, and of what is below, differ from those that the container knows. */
  readonly ids: IdMapping | undefined
  /** What a symbolic link says; '' for anything else. */
  readonly linkText: string
  readonly #handle: FileHandle

  constructor(handle: FileHandle, stat: Stats, place: { readonly parts: readonly string[]; readonly writable: boolean; readonly isMountPoint: boolean; readonly linkText?: string; readonly ids?: IdMapping | undefined }) {
    this.#handle = handle
    this.stat = stat
    this.parts = place.parts
    this.writable = place.writable
    this.isMountPoint = place.isMountPoint
    this.ids = place.ids
    this.linkText = place.linkText ?? ''
  }

  get path(): string { return `/proc/self/fd/${this.#handle.fd}` }
  /** As the container knows it. */
  get owner(): Owner { return this.ids === undefined ? this.stat : toContainer(this.ids, this.stat) }
  /** As the container names it. */
  get name(): string { return `/${this.parts.join('/')}` }
  async [Symbol.asyncDispose](): Promise<void> { await this.#handle.close() }
}

/**
 * A directory tree that no path leads out of, also while somebody changes it: each part of a path is opened by itself below the directory
 * that was opened before, links are read and walked the same way, and ".." goes back to what was open (D-276).
 */
export class ConfinedRoot implements AsyncDisposable {
  readonly #root: PinnedFile
  readonly #mounts: Map<string, ConfinedMount>

  private constructor(root: PinnedFile, mounts: Map<string, ConfinedMount>) {
    this.#root = root
    this.#mounts = mounts
  }

  /** Destinations of mounts may lead through links of the tree, as they do when a container starts. */
  static async open(path: string, options: { readonly writable: boolean; readonly mounts?: readonly ConfinedMount[]; readonly ids?: IdMapping | undefined }): Promise<ConfinedRoot> {
    const handle = await open(path, O_PATH | constants.O_DIRECTORY)
    const mounts = new Map<string, ConfinedMount>()
    const root = new ConfinedRoot(new PinnedFile(handle, await handle.stat(), { parts: [], writable: options.writable, isMountPoint: true, ids: options.ids }), mounts)
    try {
      for (const mount of [...options.mounts ?? []].sort((a, b) => a.destination.length - b.destination.length)) mounts.set(await root.#realPath(mount.destination), mount)
      return root
    } catch (error) {
      await root[Symbol.asyncDispose]()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> { await this.#root[Symbol.asyncDispose]() }

  /**
   * Finds a file; the caller disposes it. A link at the end is followed if asked, or if a slash stands behind it.
   * @throws the errors of open(2) with their `code` (ENOENT, ENOTDIR), or ShoalError `too-many-symlinks`
   */
  async find(path: string, options: { readonly follow: boolean }): Promise<PinnedFile> {
    let todo = path.split('/')
    const walked: PinnedFile[] = [await this.#again()]
    let links = 0
    try {
      while (todo.length > 0) {
        const [part = '', ...rest] = todo
        todo = rest
        const here = walked.at(-1) ?? this.#root
        if (part === '' || part === '.') {
          if (!here.stat.isDirectory()) throw notDirectory(path)
          continue
        }
        if (part === '..') {
          if (!here.stat.isDirectory()) throw notDirectory(path)
          if (walked.length > 1) await walked.pop()?.[Symbol.asyncDispose]()
          continue
        }
        if (walked.length > DEPTH_MAX) throw new ShoalError('invalid-argument', 'too-many-symlinks', `${path} in the container has more than ${DEPTH_MAX} parts`)
        const next = await this.child(here, part)
        if (!next.stat.isSymbolicLink() || (todo.length === 0 && !options.follow)) { walked.push(next); continue }
        await next[Symbol.asyncDispose]()
        if (++links > LINKS_MAX) throw new ShoalError('invalid-argument', 'too-many-symlinks', `${path} in the container leads through more than ${LINKS_MAX} symbolic links`)
        const target = next.linkText
        if (target.startsWith('/')) for (const left of walked.splice(1)) await left[Symbol.asyncDispose]()
        todo = [...target.split('/').filter(word => word !== ''), ...todo]
      }
      const found = walked.pop() ?? this.#root
      return found
    } finally {
      for (const left of walked) await left[Symbol.asyncDispose]()
    }
  }

  /** An entry of a directory, never followed; the caller disposes it. `name` is one part of a path. */
  async child(directory: PinnedFile, name: string): Promise<PinnedFile> {
    if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) throw new ShoalError('invalid-argument', 'bad-path', `${JSON.stringify(name)} is no name of a file`)
    if (!directory.stat.isDirectory()) throw notDirectory(directory.name)
    const parts = [...directory.parts, name]
    const mount = this.#mounts.get(parts.join('/'))
    const handle = mount === undefined ? await open(`${directory.path}/${name}`, O_PATH | constants.O_NOFOLLOW) : await open(mount.source, O_PATH)
    try {
      const stat = await handle.stat()
      // Only read by name: it may be another link's text by now, which is no worse, since every text is walked the same way.
      const linkText = stat.isSymbolicLink() ? await readlink(`${directory.path}/${name}`) : ''
      return new PinnedFile(handle, stat, { parts, writable: mount?.writable ?? directory.writable, isMountPoint: mount !== undefined, linkText, ids: mount === undefined ? directory.ids : mount.ids })
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /**
   * As `child`, but undefined for what has vanished since its name was listed.
   * @throws `unsupported-file-name` for a name that is no UTF-8, rather than to leave the file out unsaid
   */
  async listedChild(directory: PinnedFile, name: string): Promise<PinnedFile | undefined> {
    try {
      return await this.child(directory, name)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      if (name.includes('\ufffd')) throw new ShoalError('failed-precondition', 'unsupported-file-name', `${directory.name} holds a file whose name is not UTF-8 (like ${JSON.stringify(name)}); rename or remove it`, { cause: error })
      return undefined
    }
  }

  /** A text file, "" when there is none. */
  async readText(path: string, bytesMax: number): Promise<string> {
    try {
      await using file = await this.find(path, { follow: true })
      return (await readPinned(file, bytesMax)).toString()
    } catch {
      return ''
    }
  }

  async #again(): Promise<PinnedFile> {
    const handle = await open(this.#root.path, O_PATH | constants.O_DIRECTORY)
    return new PinnedFile(handle, this.#root.stat, this.#root)
  }

  /** As far as it exists, with links resolved; the rest as it is written. */
  async #realPath(path: string): Promise<string> {
    const parts = path.split('/').filter(part => part !== '')
    for (let known = parts.length; known > 0; known--) {
      try {
        await using found = await this.find(`/${parts.slice(0, known).join('/')}`, { follow: true })
        return [...found.parts, ...parts.slice(known)].join('/')
      } catch (error) {
        if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
      }
    }
    return parts.join('/')
  }
}

/** The beginning of a regular file. */
export async function readPinned(file: PinnedFile, bytesMax: number): Promise<Buffer> {
  if (!file.stat.isFile()) throw new ShoalError('invalid-argument', 'not-a-file', `${file.name} is not a regular file`)
  const handle = await open(file.path, constants.O_RDONLY)
  try {
    const buffer = Buffer.alloc(Math.min(file.stat.size, bytesMax))
    let at = 0
    while (at < buffer.length) {
      const { bytesRead } = await handle.read(buffer, at, buffer.length - at, at)
      if (bytesRead === 0) break
      at += bytesRead
    }
    return buffer.subarray(0, at)
  } finally {
    await handle.close()
  }
}

function notDirectory(path: string): Error { return Object.assign(new Error(`ENOTDIR: not a directory, ${path}`), { code: 'ENOTDIR' }) }
