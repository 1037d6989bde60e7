import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import { ConfinedRoot, type PinnedFile } from '../files/confined-root.ts'

const LINKS_MAX = 40

/** A part of a volume that stays the same file while its name may change; disposing lets go of it. */
export interface OpenSubpath extends AsyncDisposable { readonly path: string }

/**
 * Opens `subpath` of the volume at `data`. Links in the volume are followed as long as they stay in it, each part by itself, so that whoever writes to the volume meanwhile leads nowhere else.
 * @throws `bad-subpath` (invalid-argument) in Docker's words
 */
export async function openSubpath(data: string, subpath: string): Promise<OpenSubpath> {
  const root = await ConfinedRoot.open(data, { writable: true })
  try {
    const file = await walk(root, subpath).catch((cause: NodeJS.ErrnoException) => {
      if (cause instanceof ShoalError) throw cause
      throw new ShoalError('invalid-argument', 'bad-subpath', `cannot access path ${data}/${subpath}: ${reasonOf(cause, `${data}/${subpath}`)}`, { cause })
    })
    return { path: file.path, [Symbol.asyncDispose]: async () => { await file[Symbol.asyncDispose](); await root[Symbol.asyncDispose]() } }
  } catch (error) {
    await root[Symbol.asyncDispose]()
    throw error
  }
}

async function walk(root: ConfinedRoot, subpath: string): Promise<PinnedFile> {
  let todo = subpath.split('/').filter(isName)
  const walked: PinnedFile[] = [await root.find('/', { follow: true })]
  try {
    for (let links = 0; todo.length > 0;) {
      const [part = '', ...rest] = todo
      todo = rest
      const here = walked.at(-1)
      if (here === undefined) throw escapes()
      if (part === '..') {
        await walked.pop()?.[Symbol.asyncDispose]()
        if (walked.length === 0) throw escapes()
        continue
      }
      const next = await root.child(here, part)
      if (!next.stat.isSymbolicLink()) { walked.push(next); continue }
      await next[Symbol.asyncDispose]()
      if (next.linkText.startsWith('/')) throw escapes()
      if (++links > LINKS_MAX) throw new ShoalError('invalid-argument', 'too-many-symlinks', `${subpath} in the volume leads through more than ${LINKS_MAX} symbolic links`)
      todo = [...next.linkText.split('/').filter(isName), ...todo]
    }
    const found = walked.pop()
    if (found === undefined) throw escapes()
    return found
  } finally {
    for (const left of walked) await left[Symbol.asyncDispose]()
  }
}

function isName(part: string): boolean { return part !== '' && part !== '.' }

function escapes(): ShoalError { return new ShoalError('invalid-argument', 'bad-subpath', 'path concatenation escapes the base directory') }

function reasonOf(error: NodeJS.ErrnoException, path: string): string {
  return error.code === 'ENOENT' ? `lstat ${path}: no such file or directory` : messageOf(error)
}
