import { lchown, lstat, mkdir, readlink, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ShoalError } from '../../../src/base/errors.ts'
import { makeDirectory } from '../durable-file.ts'
import type { Owner } from '../../kernel/id-mapping.ts'

const SYMLINKS_MAX = 40

/**
 * The host path of `path` inside `root`, with symbolic links followed as the container would see them: never out of the root. Parts that do not exist are
 * kept as they are. Only for a root that nothing runs in: links may otherwise change between the look and the use.
 */
export async function resolveInRoot(root: string, path: string): Promise<string> {
  let todo = path.split('/')
  let done: string[] = []
  for (let links = 0; todo.length > 0;) {
    const [part = '', ...rest] = todo
    todo = rest
    if (part === '' || part === '.') continue
    if (part === '..') { done = done.slice(0, -1); continue }
    const target = await linkTarget(join(root, ...done, part))
    if (target === undefined) { done.push(part); continue }
    if (++links > SYMLINKS_MAX) throw new ShoalError('invalid-argument', 'too-many-symlinks', `${path} in the container leads through more than ${SYMLINKS_MAX} symbolic links`)
    if (target.startsWith('/')) done = []
    todo = [...target.split('/'), ...todo]
  }
  return join(root, ...done)
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined
  } catch {
    return undefined
  }
}

/** A text file of the root, "" when there is none. */
export async function readInRoot(root: string, path: string): Promise<string> {
  try {
    return await readFile(await resolveInRoot(root, path), 'utf8')
  } catch {
    return ''
  }
}

/** Makes a directory and its parents, root's or this owner's. @throws `bad-working-directory` (invalid-argument) */
export async function makeDirectoryInRoot(root: string, path: string, owner?: Owner): Promise<void> {
  const target = await resolveInRoot(root, path)
  const first = await mkdir(target, { recursive: true, mode: 0o755 }).catch(async (error: NodeJS.ErrnoException) => {
    // A full disk is no such thing, to mkdir's `recursive`.
    if (error.code === 'ENOENT') {
      await makeDirectory(target, 0o755)
      return target
    }
    if (error.code !== 'EEXIST' && error.code !== 'ENOTDIR') throw error
    throw new ShoalError('invalid-argument', 'bad-working-directory', `Cannot mkdir: ${path} is not a directory`, { cause: error })
  })
  if (first === undefined || owner === undefined) return
  for (let made = target; made.length >= first.length; made = dirname(made)) await lchown(made, owner.uid, owner.gid)
}
