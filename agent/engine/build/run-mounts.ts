import { chmod, chown, mkdir, rm, rmdir, lstat, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Mount } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { KernelMounts } from '../../kernel/kernel.ts'
import { toHost } from '../../kernel/id-mapping.ts'
import type { MappedFolders } from '../files/mapped-folders.ts'
import { MOUNT_POINTS } from '../files/overlay-changes.ts'
import { resolveInRoot } from '../runtime/path-in-root.ts'
import type { CacheMounts } from './cache-mounts.ts'
import type { RunMount } from './mount-option.ts'
import type { StepRoot } from './step-root.ts'

export interface RunMountParts {
  readonly caches: CacheMounts
  readonly mounts: Pick<KernelMounts, 'mount' | 'unmount'>
  /** Of this step, not yet there. */
  readonly secretsDirectory: string
  readonly secrets: ReadonlyMap<string, Uint8Array>
  /** The context (undefined), a stage or an image, writable, for this step. */
  readonly openRoot: (from: string | undefined) => Promise<StepRoot>
  readonly mapped: MappedFolders | undefined
}

/** What RUN --mount gives a step, until it is disposed. */
export interface PreparedMounts extends AsyncDisposable {
  readonly mounts: readonly Mount[]
  readonly env: readonly string[]
}

/** Secrets in all, of one step. */
const SECRETS_TMPFS = 'mode=0700,size=4m'

/** Makes ready what the mounts need. @throws `no-such-secret`, `copy-failed` */
export async function prepareMounts(wanted: readonly RunMount[], parts: RunMountParts): Promise<PreparedMounts> {
  const undo: AsyncDisposable[] = []
  const dispose = async (): Promise<void> => { for (const one of undo.splice(0).reverse()) await one[Symbol.asyncDispose]() }
  const env: string[] = []
  const mounts: Mount[] = []
  try {
    for (const [index, mount] of wanted.entries()) {
      switch (mount.kind) {
        case 'tmpfs':
          mounts.push({ Type: 'tmpfs', Target: mount.target, ...(mount.sizeBytes > 0 ? { TmpfsOptions: { SizeBytes: mount.sizeBytes } } : {}) })
          break
        case 'cache': {
          const use = await parts.caches.use(mount.id, mount.sharing, mount)
          undo.push(use)
          mounts.push({ Type: 'bind', Source: parts.mapped?.view(use.path) ?? use.path, Target: mount.target, ReadOnly: mount.readOnly })
          break
        }
        case 'bind': {
          const root = await parts.openRoot(mount.from)
          undo.push(root)
          const source = await resolveInRoot(root.root, mount.source)
          if (await lstat(source).catch(() => undefined) === undefined) throw new ShoalError('invalid-argument', 'bad-mount', `invalid --mount: ${mount.source} is not in ${mount.from ?? 'the build context'}`)
          mounts.push({ Type: 'bind', Source: source, Target: mount.target, ReadOnly: !mount.writable, BindOptions: { NonRecursive: true } })
          break
        }
        case 'secret': {
          const contents = parts.secrets.get(mount.id)
          if (contents === undefined) {
            if (mount.required) throw new ShoalError('invalid-argument', 'no-such-secret', `secret ${mount.id}: not found; give it with: shoal build --secret id=${mount.id},src=FILE`)
            break
          }
          if (mount.env !== undefined) env.push(`${mount.env}=${Buffer.from(contents).toString()}`)
          if (mount.target === undefined) break
          if (!undo.some(one => one instanceof SecretFolder)) undo.push(await SecretFolder.open(parts))
          const path = join(parts.secretsDirectory, String(index))
          await writeFile(path, contents, { mode: 0o600 })
          const owner = parts.mapped === undefined ? mount : toHost(parts.mapped.ids, mount)
          await chown(path, owner.uid, owner.gid)
          await chmod(path, mount.mode)
          mounts.push({ Type: 'bind', Source: path, Target: mount.target, ReadOnly: true, BindOptions: { NonRecursive: true } })
        }
      }
    }
    return { mounts, env, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** In memory: secrets are on no disk. */
class SecretFolder implements AsyncDisposable {
  readonly #parts: RunMountParts

  private constructor(parts: RunMountParts) { this.#parts = parts }

  static async open(parts: RunMountParts): Promise<SecretFolder> {
    await mkdir(parts.secretsDirectory, { recursive: true, mode: 0o700 })
    await parts.mounts.mount('tmpfs', parts.secretsDirectory, 'tmpfs', SECRETS_TMPFS)
    return new SecretFolder(parts)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.mounts.unmount(this.#parts.secretsDirectory)
    await rm(this.#parts.secretsDirectory, { recursive: true, force: true })
  }
}

/**
 * Takes what the runtime made only to mount something on out of a step's changes: empty files and folders at these places, unless the image has them.
 * @param upper an overlay's upper directory, not mounted
 * @param layers directories below it, bottom first
 */
export async function removeMountPoints(upper: string, layers: readonly string[], targets: readonly string[]): Promise<void> {
  const own = targets.flatMap(target => { const parts = target.slice(1).split('/'); return parts.map((_part, at) => `/${parts.slice(0, at + 1).join('/')}`) })
  for (const path of [...new Set([...MOUNT_POINTS, ...own])].sort().reverse()) {
    const place = join(upper, path)
    if (await isThroughLink(upper, path)) continue
    const stat = await lstat(place).catch(() => undefined)
    if (stat === undefined || (stat.isCharacterDevice() && stat.rdev === 0) || await isBelow(layers, path, stat.isDirectory())) continue
    if (stat.isDirectory()) { if ((await readdir(place)).length === 0) await rmdir(place) }
    else if (stat.isCharacterDevice() || (stat.isFile() && stat.size === 0) || (stat.isSymbolicLink() && path === '/etc/mtab')) await rm(place)
  }
}

async function isThroughLink(upper: string, path: string): Promise<boolean> {
  const parts = path.slice(1).split('/').slice(0, -1)
  for (const [at] of parts.entries()) {
    const stat = await lstat(join(upper, ...parts.slice(0, at + 1))).catch(() => undefined)
    if (stat !== undefined && !stat.isDirectory()) return true
  }
  return false
}

/** A file of the image that is only mounted over is not in the changes; a directory may be, when something in it is. */
async function isBelow(layers: readonly string[], path: string, isDirectory: boolean): Promise<boolean> {
  if (MOUNT_POINTS.includes(path) && !isDirectory) return false
  for (const layer of layers) if ((await lstat(join(layer, path)).catch(() => undefined))?.isDirectory() === isDirectory) return true
  return false
}
