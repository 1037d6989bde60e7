import { chmod, lstat, mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import ignore from '@balena/dockerignore'
import { ShoalError } from '../../../src/base/errors.ts'
import { resolveInRoot } from '../runtime/path-in-root.ts'
import { download } from './download.ts'
import type { CopyInstruction } from './instruction.ts'
import { isPattern, pathPattern } from './path-pattern.ts'
import { contentChecksum, treeChecksum } from './tree-checksum.ts'

/** One file or directory to copy. `path` is on this host, links resolved. */
export interface CopySource {
  readonly path: string
  /** What it is called in a directory. */
  readonly name: string
  readonly isDirectory: boolean
  /** Unpack it if it is an archive. */
  readonly unpacks: boolean
  readonly checksum: string
  readonly isExcluded: (path: string) => boolean
}

export interface SourcesOptions {
  readonly instruction: CopyInstruction
  /** Sources as they are after expansion. */
  readonly sources: readonly string[]
  /** Documents of the instruction, expanded. */
  readonly documents: readonly { readonly name: string; readonly content: string }[]
  /** What paths are relative to: the context, a stage or an image. */
  readonly root: string
  /** Where downloads and documents go. */
  readonly scratch: string
  readonly signal: AbortSignal
}

/** Finds all that a COPY or ADD copies. @throws ShoalError in Docker's words */
export async function findSources(options: SourcesOptions): Promise<readonly CopySource[]> {
  const found: CopySource[] = []
  for (const source of options.sources) {
    if (isUrl(source)) found.push(await fromUrl(source, options))
    else found.push(...await fromTree(source, options))
  }
  for (const [index, document] of options.documents.entries()) {
    const directory = join(options.scratch, `document-${index}`)
    await mkdir(directory)
    await writeFile(join(directory, document.name), document.content)
    await chmod(join(directory, document.name), 0o644)
    found.push(await sourceOf(join(directory, document.name), document.name, false, () => false))
  }
  if (found.length === 0) throw copyFailed(options.instruction, 'no source files were specified')
  return found
}

/** "file:…", "dir:…" or "multi:…": what the sources are for the cache and the history. */
export async function checksumOfAll(sources: readonly CopySource[], combine: (texts: readonly string[]) => string): Promise<string> {
  const texts = sources.map(source => `${source.isDirectory ? 'dir' : 'file'}:${source.checksum}`)
  return await Promise.resolve(texts.length === 1 ? texts[0] ?? '' : `multi:${combine(texts)}`)
}

export function isUrl(source: string): boolean { return /^https?:\/\//i.test(source) }

async function fromUrl(url: string, { instruction, scratch, signal }: SourcesOptions): Promise<CopySource> {
  if (instruction.kind === 'copy') throw copyFailed(instruction, "source can't be a URL for COPY")
  const directory = join(scratch, `download-${basename(scratch)}-${(await readdir(scratch)).length}`)
  await mkdir(directory)
  const path = join(directory, 'file')
  const { name } = await download(url, path, signal).catch((error: unknown) => { throw signal.aborted ? error : copyFailed(instruction, (error as Error).message, error) })
  const { size } = await lstat(path)
  if (instruction.checksum !== undefined) await verify(instruction, url, await contentChecksum(path, size))
  if (name === '' && instruction.destination.endsWith('/')) throw copyFailed(instruction, `cannot determine filename for source ${url}`)
  return sourceOf(path, name === '' ? 'file' : name, false, () => false)
}

async function verify(instruction: CopyInstruction, url: string, actual: string): Promise<void> {
  const wanted = /^sha256:([0-9a-f]{64})$/.exec(instruction.checksum ?? '')?.[1]
  if (wanted === undefined) throw copyFailed(instruction, `--checksum must be sha256: and 64 hexadecimal digits, not ${instruction.checksum ?? ''}`)
  if (wanted !== actual) throw copyFailed(instruction, `digest mismatch for ${url}: sha256:${actual} (expected: sha256:${wanted})`)
  await Promise.resolve()
}

async function fromTree(source: string, options: SourcesOptions): Promise<readonly CopySource[]> {
  const { instruction, root } = options
  if (instruction.checksum !== undefined) throw copyFailed(instruction, "checksum can't be specified for non-HTTP(S) sources")
  const path = source.replace(/^\/+/, '')
  const parts = path.split('/')
  if (instruction.from === undefined && leadsOut(parts)) throw copyFailed(instruction, `forbidden path outside the build context: ${source} ()`)
  const filter = ignore.default({ ignorecase: false }).add([...instruction.exclude])
  const excluding = (base: string) => (below: string): boolean => instruction.exclude.length > 0 && filter.ignores([base, below].filter(part => part !== '').join('/').replace(/^\.\//, ''))
  const unpacks = instruction.kind === 'add'
  if (!isPattern(path)) {
    const resolved = await resolveInRoot(root, path)
    if (await lstat(resolved).catch(() => undefined) === undefined) throw notFound(instruction, source)
    return [await sourceOf(resolved, basename(path) || basename(resolved), unpacks, excluding(normal(path)))]
  }
  const pattern = pathPattern(normal(path))
  if (pattern === undefined) throw copyFailed(instruction, 'syntax error in pattern')
  const found: CopySource[] = []
  for await (const match of matching(root, '', pattern)) {
    if (excluding('')(match)) continue
    found.push(await sourceOf(await resolveInRoot(root, match), basename(match), unpacks, excluding(match)))
  }
  return found
}

async function sourceOf(path: string, name: string, unpacks: boolean, isExcluded: (path: string) => boolean): Promise<CopySource> {
  const stat = await lstat(path)
  const isDirectory = stat.isDirectory()
  return { path, name, isDirectory, unpacks: unpacks && stat.isFile(), isExcluded, checksum: await treeChecksum(path, isDirectory ? '' : name, isExcluded) }
}

async function* matching(root: string, below: string, pattern: RegExp): AsyncIterable<string> {
  const entries = (await readdir(join(root, below), { withFileTypes: true })).sort((a, b) => a.name < b.name ? -1 : 1)
  for (const entry of entries) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (pattern.test(path)) yield path
    else if (entry.isDirectory()) yield* matching(root, path, pattern)
  }
}

function normal(path: string): string { return path.split('/').filter(part => part !== '' && part !== '.').join('/') }

function leadsOut(parts: readonly string[]): boolean {
  let depth = 0
  for (const part of parts) {
    if (part === '..') depth--
    else if (part !== '' && part !== '.') depth++
    if (depth < 0) return true
  }
  return false
}

function notFound(instruction: CopyInstruction, source: string): ShoalError {
  const where = instruction.from === undefined ? 'file not found in build context or excluded by .dockerignore: ' : ''
  return copyFailed(instruction, `${where}stat ${source}: file does not exist`)
}

export function copyFailed(instruction: CopyInstruction, message: string, cause?: unknown): ShoalError {
  return new ShoalError('invalid-argument', 'copy-failed', `${instruction.kind === 'add' ? 'ADD' : 'COPY'} failed: ${message}`, { cause })
}
