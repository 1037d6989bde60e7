import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import { rootOf, type IdMapping } from '../../kernel/id-mapping.ts'
import type { PathStat } from '../engine.ts'
import { ConfinedRoot, type ConfinedMount, type PinnedFile } from '../files/confined-root.ts'
import { absolutePath, baseName, goFileMode } from '../files/container-paths.ts'
import { isMountPointName, isOpaque, isWhiteout, overlayChanges, type Change } from '../files/overlay-changes.ts'
import { decompress } from '../files/decompress.ts'
import type { MappedFolders } from '../files/mapped-folders.ts'
import { packTree } from '../files/pack-tree.ts'
import { unpackTar } from '../files/unpack-tar.ts'
import { makeDirectoryInRoot } from '../runtime/path-in-root.ts'
import { lookUpUser } from '../runtime/user-lookup.ts'
import { openSubpath } from '../volume/volume-subpath.ts'
import type { Container } from './container.ts'
import { isUp } from './container-record.ts'
import type { RunnerOptions } from './container-runner.ts'
import { ACCOUNTS_BYTES_MAX } from './start-plan.ts'

/** As much as Go's server takes before it gives up on a request. */
const DRAIN_BYTES_MAX = 256 * 1024
const OWN_FILES: readonly string[] = ['hosts', 'hostname', 'resolv.conf']

export interface ContainerFilesOptions extends Pick<RunnerOptions, 'table' | 'volumes' | 'snapshotter' | 'kernel'> {
  readonly layersOf: (container: Container) => readonly string[]
  /** What a start now would give it. */
  readonly mappedOf: (container: Container) => MappedFolders | undefined
}

/** A container's file system as seen from outside: its root with volumes and binds, whether it runs or not. */
interface View extends AsyncDisposable { readonly root: ConfinedRoot }

/** Copies files into and out of containers, and tells what they changed. Nothing a container does with links leads out of it (D-276). */
export class ContainerFiles {
  readonly #options: ContainerFilesOptions
  #views = 0

  constructor(options: ContainerFilesOptions) { this.#options = options }

  async stat(container: Container, ref: string, path: string): Promise<PathStat> {
    const wanted = absolutePath(path)
    await using view = await this.#open(container)
    await using file = await find(view, wanted, false, ref, path)
    return await statOf(view, file, wanted)
  }

  async read(container: Container, ref: string, path: string): Promise<{ readonly stat: PathStat; readonly stream: Readable }> {
    const wanted = absolutePath(path)
    const view = await this.#open(container)
    try {
      const file = await find(view, wanted, false, ref, path)
      const stat = await statOf(view, file, wanted)
      const stream = packTree(file, { root: view.root, mounts: this.#options.kernel.mounts, name: baseName(wanted) })
      stream.once('close', () => { disposeAll([view]).catch(() => undefined) })
      return { stat, stream }
    } catch (error) {
      await view[Symbol.asyncDispose]()
      throw error
    }
  }

  async write(container: Container, ref: string, path: string, tar: Readable, options: { readonly noOverwriteDirNonDir: boolean; readonly copyUidGid: boolean }): Promise<void> {
    try {
      await this.#write(container, { ref, path }, tar, options)
    } catch (error) {
      await drain(tar)
      throw error
    }
  }

  async #write(container: Container, { ref, path }: { readonly ref: string; readonly path: string }, tar: Readable, options: { readonly noOverwriteDirNonDir: boolean; readonly copyUidGid: boolean }): Promise<void> {
    const wanted = absolutePath(path)
    await using view = await this.#open(container)
    await using directory = await find(view, wanted, true, ref, path)
    if (!directory.stat.isDirectory()) throw new ShoalError('invalid-argument', 'not-a-directory', 'extraction point is not a directory')
    if (!directory.writable) {
      const onRoot = container.record.mounts.every(mount => directory.name !== mount.Destination && !directory.name.startsWith(`${mount.Destination}/`))
      throw new ShoalError('permission-denied', 'read-only-mount', onRoot ? 'container rootfs is marked read-only' : 'mounted volume is marked read-only')
    }
    const owner = options.copyUidGid && (container.record.config.User ?? '') !== '' ? await userOf(view.root, container.record.config.User ?? '') : undefined
    await unpackTar(decompress(tar, this.#options.kernel.processes), directory, { root: view.root, mounts: this.#options.kernel.mounts, noOverwriteDirNonDir: options.noOverwriteDirNonDir, owner })
  }

  /** The root file system without volumes and binds. */
  async export(container: Container): Promise<Readable> {
    const borrowed = await this.#borrow(container)
    const root = await ConfinedRoot.open(borrowed.root, { writable: false, ids: this.#ids(container) })
    const stream = packTree(await root.find('/', { follow: true }), { root, mounts: this.#options.kernel.mounts, name: '' })
    stream.once('close', () => { disposeAll([root, borrowed]).catch(() => undefined) })
    return stream
  }

  async changes(container: Container): Promise<readonly Change[]> {
    const { layersOf, kernel } = this.#options
    await using upper = await this.#upper(container)
    return await overlayChanges(upper, layersOf(container), kernel.mounts)
  }

  /** What the container changed as an image's layer; undefined when that is nothing. */
  async layer(container: Container): Promise<Readable | undefined> {
    if ((await this.changes(container)).length === 0) return undefined
    const { mounts } = this.#options.kernel
    const upper = await this.#upper(container)
    const stream = packTree(await upper.find('/', { follow: true }), {
      root: upper, mounts, name: '',
      decide: file => isWhiteout(file) ? { emptyFile: `.wh.${file.parts.at(-1) ?? ''}` } : isMountPointName(file) ? 'skip' : 'pack',
      extra: directory => isOpaque(directory, mounts) ? ['.wh..wh..opq'] : [],
    })
    stream.once('close', () => { disposeAll([upper]).catch(() => undefined) })
    return stream
  }

  async #upper(container: Container): Promise<ConfinedRoot> {
    const directory = this.#options.snapshotter.changesDirectory(container.id)
    if (directory === undefined) throw new ShoalError('not-implemented', 'no-changes', `the storage driver ${this.#options.snapshotter.driver} does not keep what a container changes; use overlay`)
    return ConfinedRoot.open(directory, { writable: false })
  }

  /** The lock is held only until the root file system is there: a slow copy stops nobody from starting, stopping or removing the container. */
  #borrow(container: Container): Promise<{ readonly root: string } & AsyncDisposable> {
    return container.lock.run(async () => {
      if (this.#options.table.find(container.id) !== container) throw new ShoalError('not-found', 'no-such-container', `No such container: ${container.id}`)
      return this.#options.snapshotter.borrow(container.id, this.#options.layersOf(container), this.#options.mappedOf(container))
    })
  }

  /** The owners that its root file system shows now: those of its run, or of the one that would be. */
  #ids(container: Container): IdMapping | undefined {
    return isUp(container.state) ? container.record.ids : this.#options.mappedOf(container)?.ids
  }

  async #open(container: Container): Promise<View> {
    const undo: AsyncDisposable[] = []
    try {
      const borrowed = await this.#borrow(container)
      undo.push(borrowed)
      const ids = this.#ids(container)
      const mounts = [...this.#ownFiles(container)]
      for (const mount of container.record.mounts) {
        if (mount.Type === 'tmpfs' || mount.Type === 'image') continue
        // Before the first start nothing runs in it, and what volumes stand on may be missing.
        if (container.state.status === 'created') await makeDirectoryInRoot(borrowed.root, join(mount.Destination, '..'), ids === undefined ? undefined : rootOf(ids))
        const source = mount.Type === 'volume' && mount.Name !== undefined ? await this.#volume(mount.Name, mount.subpath, undo) : mount.Source
        // On disk the engine's own folders have the owners that the container knows; others have the host's.
        mounts.push({ destination: mount.Destination, source, writable: mount.RW, ids: this.#options.mappedOf(container)?.view(source) === source ? ids : undefined })
      }
      const root = await ConfinedRoot.open(borrowed.root, { writable: container.record.hostConfig.ReadonlyRootfs !== true, mounts, ids })
      undo.push(root)
      return { root, [Symbol.asyncDispose]: () => disposeAll([...undo].reverse()) }
    } catch (error) {
      await disposeAll([...undo].reverse())
      throw error
    }
  }

  async #volume(name: string, subpath: string | undefined, undo: AsyncDisposable[]): Promise<string> {
    const { volumes } = this.#options
    const user = `files-${++this.#views}`
    const data = await volumes.acquire(name, user)
    undo.push({ [Symbol.asyncDispose]: async () => { await volumes.release(name, user) } })
    if (subpath === undefined) return data
    const part = await openSubpath(data, subpath)
    undo.push(part)
    return part.path
  }

  *#ownFiles(container: Container): Iterable<ConfinedMount> {
    const directory = this.#options.table.directory(container.id)
    for (const name of OWN_FILES) if (existsSync(join(directory, name))) yield { destination: `/etc/${name}`, source: join(directory, name), writable: true }
  }
}

async function find(view: View, wanted: string, follow: boolean, ref: string, path: string): Promise<PinnedFile> {
  try {
    return await view.root.find(wanted, { follow })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ENAMETOOLONG') throw error
    throw new ShoalError('not-found', 'no-such-path', `Could not find the file ${path} in container ${ref}`, { cause: error })
  }
}

async function statOf(view: View, file: PinnedFile, wanted: string): Promise<PathStat> {
  const { stat } = file
  return {
    name: baseName(wanted), size: stat.size, mode: goFileMode(stat), mtime: stat.mtime.toISOString(),
    linkTarget: stat.isSymbolicLink() ? await targetOf(view, file) : '',
  }
}

/** Where a link leads in the end, or where it would if that were there. */
async function targetOf(view: View, link: PinnedFile): Promise<string> {
  try {
    await using target = await view.root.find(link.name, { follow: true })
    return target.name
  } catch {
    return absolutePath(link.linkText.startsWith('/') ? link.linkText : `${link.name}/../${link.linkText}`)
  }
}

async function userOf(root: ConfinedRoot, user: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const [passwd, group] = await Promise.all([root.readText('/etc/passwd', ACCOUNTS_BYTES_MAX), root.readText('/etc/group', ACCOUNTS_BYTES_MAX)])
  return lookUpUser(user, [], { passwd, group })
}

/** Takes what a refused client is still sending, within limits, so that it reads the answer instead of failing to write. */
async function drain(tar: Readable): Promise<void> {
  let bytes = 0
  try {
    for await (const chunk of tar) {
      bytes += (chunk as Buffer).length
      if (bytes > DRAIN_BYTES_MAX) return
    }
  } catch {
    return // The client left: nobody is there to read the answer.
  }
}

/** All of them, also when one fails. */
async function disposeAll(owned: readonly AsyncDisposable[]): Promise<void> {
  const failures: unknown[] = []
  for (const one of owned) {
    try {
      await one[Symbol.asyncDispose]()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw new ShoalError('internal', 'cleanup-failed', `what was opened of a container could not be closed: ${failures.map(messageOf).join('; ')}`, { cause: failures[0] })
}
