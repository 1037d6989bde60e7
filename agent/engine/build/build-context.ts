import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import ignore from '@balena/dockerignore'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { ConfinedRoot } from '../files/confined-root.ts'
import { unpackTar } from '../files/unpack-tar.ts'
import type { LayerStore } from '../image/layer-store.ts'
import { resolveInRoot } from '../runtime/path-in-root.ts'
import { decompressed } from './decompress.ts'

/** Of a context as it is unpacked: more would be a mistake of the client, or a bomb. */
export const CONTEXT_BYTES_MAX = 32 * 1024 ** 3
const BLOCK_BYTES = 512
const DOCKERFILE_BYTES_MAX = 1024 * 1024

/** The files that a client sent, in a directory that nobody else writes to; gone with dispose, or at the next start of the daemon. */
export interface BuildContext extends AsyncDisposable { readonly root: string }

export interface ContextParts { readonly layers: Pick<LayerStore, 'temporaryDirectory'>; readonly kernel: Pick<Kernel, 'mounts' | 'processes'> }

/** Unpacks a context. @throws `malformed-archive`, `path-outside`, `context-too-large` (all invalid-argument) */
export async function receiveContext(body: AsyncIterable<Uint8Array>, { layers, kernel }: ContextParts): Promise<BuildContext> {
  const root = await layers.temporaryDirectory()
  const context: BuildContext = { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) }
  try {
    await using confined = await ConfinedRoot.open(root, { writable: true })
    await using directory = await confined.find('/', { follow: true })
    await unpackTar(bounded(decompressed(body, kernel.processes)), directory, { root: confined, mounts: kernel.mounts, noOverwriteDirNonDir: false, owner: { uid: 0, gid: 0 } })
    return context
  } catch (error) {
    await context[Symbol.asyncDispose]()
    throw error
  }
}

/** The Dockerfile's text; it and .dockerignore leave the context if the latter says so. @throws `no-dockerfile`, `bad-dockerfile` */
export async function takeDockerfile(root: string, asked: string): Promise<string> {
  const name = asked === '' ? 'Dockerfile' : asked
  const text = await readIn(root, name) ?? (name === 'Dockerfile' ? await readIn(root, 'dockerfile') : undefined)
  if (text === undefined) throw new ShoalError('unknown', 'no-dockerfile', `Cannot locate specified Dockerfile: ${name}`)
  if (text.length === 0) throw new ShoalError('invalid-argument', 'bad-dockerfile', `the Dockerfile (${name}) cannot be empty`)
  const ignored = await readIn(root, '.dockerignore')
  if (ignored !== undefined) {
    const filter = ignore.default({ ignorecase: false }).add(ignored)
    for (const file of ['.dockerignore', name]) if (filter.ignores(file.replace(/^\/+/, ''))) await rm(await resolveInRoot(root, file), { force: true })
  }
  return text
}

async function readIn(root: string, name: string): Promise<string | undefined> {
  const path = await resolveInRoot(root, name)
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || !found.isFile()) return undefined
  if (found.size > DOCKERFILE_BYTES_MAX) throw new ShoalError('invalid-argument', 'bad-dockerfile', `${name} has ${found.size} bytes; ${DOCKERFILE_BYTES_MAX} are allowed`)
  return readFile(join(path), 'utf8')
}

async function* bounded(tar: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let bytes = 0
  for await (const chunk of tar) {
    bytes += chunk.length
    if (bytes > CONTEXT_BYTES_MAX) throw new ShoalError('invalid-argument', 'context-too-large', `the build context is larger than ${CONTEXT_BYTES_MAX} bytes; leave files out with .dockerignore`)
    yield chunk
  }
  // The stock CLI leaves out what fills the last block and ends the archive, when it puts a Dockerfile from elsewhere in.
  yield Buffer.alloc((BLOCK_BYTES - bytes % BLOCK_BYTES) % BLOCK_BYTES + 2 * BLOCK_BYTES)
}
