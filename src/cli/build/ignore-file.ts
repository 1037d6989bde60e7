import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import ignore from '@balena/dockerignore'

/** What is left out of a context. Paths are relative to it, with slashes. */
export interface IgnoreFile {
  isIgnored(path: string): boolean
  /** Nothing below an ignored directory can be wanted again: it need not be read. */
  readonly prunes: boolean
}

/**
 * The rules of `<Dockerfile>.dockerignore` if it is there, else those of `.dockerignore`; what the daemon needs to read is never left out.
 * @param dockerfile path relative to the context; undefined when it is not in it
 */
export async function readIgnoreFile(root: string, dockerfile: string | undefined): Promise<IgnoreFile> {
  const own = dockerfile === undefined ? undefined : await textOf(join(root, `${dockerfile}.dockerignore`))
  const text = own ?? await textOf(join(root, '.dockerignore'))
  if (text === undefined) return { isIgnored: () => false, prunes: true }
  const rules = ignore.default({ ignorecase: false }).add(text)
  const needed = new Set(['.dockerignore', ...(dockerfile === undefined ? [] : [dockerfile])])
  // A daemon of Docker's protocol takes these two out again, if the rules say so.
  const neededBelow = [...needed].flatMap(path => path.split('/').slice(0, -1).map((_part, at, parts) => parts.slice(0, at + 1).join('/')))
  return { isIgnored: path => !needed.has(path) && !neededBelow.includes(path) && rules.ignores(path), prunes: !/^\s*!/m.test(text) }
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => { if (error.code === 'ENOENT') return undefined; throw error })
}
