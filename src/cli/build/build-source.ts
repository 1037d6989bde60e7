import { readFile, realpath, stat } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pack } from 'tar-stream'
import { ShoalError } from '../../base/errors.ts'
import { readIgnoreFile } from './ignore-file.ts'
import { packContext } from './pack-context.ts'

/** What is sent: a tar, or where the daemon is to fetch it; and the Dockerfile's name in it. */
export interface BuildSource { readonly body: Readable | undefined; readonly remote: string | undefined; readonly dockerfile: string }

/** Name of a Dockerfile in the tar that is not in the context. */
const OUTSIDE_NAME = '.dockerfile.shoal'
const MAGIC: readonly string[] = ['1f8b', '425a68', 'fd377a58', '28b52ffd']
const TAR_MAGIC_AT = 257

/** @param path directory, URL, or "-" for a tar or Dockerfile on standard input @param file of -f @throws `bad-context` */
export async function buildSource(path: string, file: string | undefined, stdin: AsyncIterable<Uint8Array>): Promise<BuildSource> {
  if (/^(https?|git|ssh):\/\/|^git@|^github\.com\//.test(path)) return { body: undefined, remote: path, dockerfile: file ?? '' }
  if (path === '-') {
    if (file === '-') throw bad('standard input cannot be both the context and the Dockerfile')
    return fromStdin(stdin, file ?? '')
  }
  const root = await realpath(path).catch(() => undefined)
  if (root === undefined || !(await stat(root)).isDirectory()) throw bad(`unable to prepare context: path ${JSON.stringify(path)} not found, or no directory`)
  if (file === '-') {
    const text = Buffer.concat(await collected(stdin)).toString()
    return { body: packContext(root, await readIgnoreFile(root, undefined), [{ name: OUTSIDE_NAME, text }]), remote: undefined, dockerfile: OUTSIDE_NAME }
  }
  const named = file ?? await defaultName(root)
  const dockerfile = await realpath(file === undefined ? resolve(root, named) : named).catch(() => undefined)
  if (dockerfile === undefined) throw bad(`unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat ${resolve(file === undefined ? root : '.', named)}: no such file or directory`)
  const within = relative(root, dockerfile)
  if (!within.startsWith('..')) return { body: packContext(root, await readIgnoreFile(root, within), []), remote: undefined, dockerfile: within }
  return { body: packContext(root, await readIgnoreFile(root, undefined), [{ name: OUTSIDE_NAME, text: await readFile(dockerfile, 'utf8') }]), remote: undefined, dockerfile: OUTSIDE_NAME }
}

async function defaultName(root: string): Promise<string> {
  return await stat(resolve(root, 'Dockerfile')).then(() => 'Dockerfile', async () => stat(resolve(root, 'dockerfile')).then(() => 'dockerfile', () => 'Dockerfile'))
}

async function fromStdin(stdin: AsyncIterable<Uint8Array>, dockerfile: string): Promise<BuildSource> {
  const iterator = stdin[Symbol.asyncIterator]()
  let head = Buffer.alloc(0)
  while (head.length < TAR_MAGIC_AT + 5) {
    const next = await iterator.next()
    if (next.done === true) break
    head = Buffer.concat([head, next.value])
  }
  const rest = async function* (): AsyncIterable<Uint8Array> {
    yield head
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value
  }
  const isTar = MAGIC.some(magic => head.toString('hex', 0, 6).startsWith(magic)) || head.toString('latin1', TAR_MAGIC_AT, TAR_MAGIC_AT + 5) === 'ustar'
  if (isTar) return { body: Readable.from(rest(), { objectMode: false }), remote: undefined, dockerfile }
  const tar = pack()
  tar.entry({ name: 'Dockerfile', mode: 0o600 }, Buffer.concat(await collected(rest())))
  tar.finalize()
  return { body: Readable.from(tar as AsyncIterable<Uint8Array>, { objectMode: false }), remote: undefined, dockerfile: 'Dockerfile' }
}

async function collected(stream: AsyncIterable<Uint8Array>): Promise<readonly Uint8Array[]> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

function bad(message: string): ShoalError { return new ShoalError('invalid-argument', 'bad-context', message) }
