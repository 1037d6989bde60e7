import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { hasCode, messageOf, ShoalError } from '../../../src/base/errors.ts'
import { createHexId } from '../../../src/base/ids.ts'
import type { Random } from '../../../src/base/random.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { readJson, writeDurably } from '../durable-file.ts'
import { Mutex } from '../mutex.ts'
import { diskUsage } from '../snapshot/disk-usage.ts'

/** One unpacked layer. `blob` is the tar as it came, maybe compressed: kept, so that saving gives back the same digest. */
export interface Layer { readonly diffId: string; readonly sizeBytes: number }

const WHITEOUT = '.wh.'
const OPAQUE = '.wh..wh..opq'
/** Part of a digest that names a layer's directory: short, because all of an image's layers must fit into one mount option page. */
const DIRECTORY_NAME_LENGTH = 32

/** Layers by the digest of their uncompressed tar: directories that are never changed once they are there. */
export class LayerStore {
  readonly #root: string
  readonly #kernel: Kernel
  readonly #random: Random
  /** The same layer may arrive twice at once: the first is kept. */
  readonly #keeping = new Mutex()

  constructor(root: string, kernel: Kernel, random: Random) {
    this.#root = root
    this.#kernel = kernel
    this.#random = random
  }

  /** Makes the folders and throws away what a crash left unfinished. */
  async open(): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: 0o711 })
    await mkdir(join(this.#root, 'blobs'), { recursive: true, mode: 0o700 })
    await rm(this.#temporary, { recursive: true, force: true })
    await mkdir(this.#temporary, { recursive: true, mode: 0o700 })
    for (const name of await readdir(this.#root)) {
      if (/^[0-9a-f]{32}$/.test(name) && !existsSync(join(this.#root, `${name}.json`))) await rm(join(this.#root, name), { recursive: true, force: true })
    }
  }

  get #temporary(): string { return join(this.#root, 'tmp') }

  /** A new empty directory that is gone after a restart. */
  async temporaryDirectory(): Promise<string> {
    const path = join(this.#temporary, createHexId(this.#random).slice(0, 16))
    await mkdir(path, { recursive: true, mode: 0o700 })
    return path
  }

  directory(diffId: string): string { return join(this.#root, hexOf(diffId).slice(0, DIRECTORY_NAME_LENGTH)) }
  blobPath(diffId: string): string { return join(this.#root, 'blobs', hexOf(diffId)) }
  async get(diffId: string): Promise<Layer | undefined> { return readJson<Layer>(`${this.directory(diffId)}.json`) }

  /** Unpacks a layer from its tar (plain, gzip, xz, bzip2 or zstd). Nothing is left behind on failure. @throws `malformed-image` (invalid-argument) */
  async add(tar: AsyncIterable<Uint8Array>): Promise<Layer> {
    const work = await this.temporaryDirectory()
    try {
      const blob = join(work, 'blob')
      await pipeline(tar, createWriteStream(blob))
      const contents = join(work, 'contents')
      await mkdir(contents, { mode: 0o755 })
      const diffId = await this.#unpack(blob, contents)
      return await this.#keeping.run(async () => await this.get(diffId) ?? this.#keep(diffId, blob, contents))
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }

  async remove(diffId: string): Promise<void> {
    await rm(`${this.directory(diffId)}.json`, { force: true })
    await rm(this.directory(diffId), { recursive: true, force: true })
    await rm(this.blobPath(diffId), { force: true })
  }

  /** The layer's tar, uncompressed. */
  async *tar(diffId: string): AsyncIterable<Uint8Array> {
    yield* this.#decompressed(this.blobPath(diffId))
  }

  /** The unpacked layer is complete when its json is there; that is written last. */
  async #keep(diffId: string, blob: string, contents: string): Promise<Layer> {
    const layer = { diffId, sizeBytes: await diskUsage(contents) }
    await rm(this.directory(diffId), { recursive: true, force: true })
    await rename(blob, this.blobPath(diffId))
    await rename(contents, this.directory(diffId))
    await writeDurably(`${this.directory(diffId)}.json`, JSON.stringify(layer), { sync: true })
    return layer
  }

  /** GNU tar keeps to its directory: it refuses `..`, strips leading slashes and puts links that lead out in place only at the end. */
  async #unpack(blob: string, contents: string): Promise<string> {
    const hash = createHash('sha256')
    const tar = this.#decompressed(blob)
    let bytes = 0
    const hashed = async function* (): AsyncIterable<Uint8Array> {
      for await (const chunk of tar) {
        hash.update(chunk)
        bytes += chunk.length
        yield chunk
      }
    }
    try {
      const { code, stderr } = await this.#kernel.processes.run([
        'tar', '--extract', '--directory', contents, '--numeric-owner', '--same-owner', '--same-permissions', '--delay-directory-restore',
        '--xattrs', '--xattrs-include=security.capability', '--xattrs-include=user.*',
      ], { input: hashed() })
      if (bytes === 0) throw malformed('the archive is empty')
      if (code !== 0) throw malformed(firstLine(stderr.toString()))
    } catch (error) {
      throw hasCode(error, 'malformed-image') ? error : malformed(messageOf(error), error)
    }
    await this.#applyWhiteouts(contents)
    return `sha256:${hash.digest('hex')}`
  }

  async *#decompressed(path: string): AsyncIterable<Uint8Array> {
    const source = createReadStream(path, { highWaterMark: 1 << 18 })
    const magic = await readMagic(path)
    if (magic.startsWith('1f8b')) yield* source.pipe(createGunzip())
    else if (magic.startsWith('fd377a58')) yield* this.#kernel.processes.filter(['xz', '-dc'], source)
    else if (magic.startsWith('425a68')) yield* this.#kernel.processes.filter(['bzip2', '-dc'], source)
    else if (magic.startsWith('28b52ffd')) yield* this.#kernel.processes.filter(['zstd', '-dc'], source)
    else yield* source
  }

  /** A tar says "deleted" with files named .wh.NAME; overlay says it with devices 0:0 and an attribute. */
  async #applyWhiteouts(root: string): Promise<void> {
    const entries = await readdir(root, { recursive: true })
    for (const entry of entries.filter(path => basename(path).startsWith(WHITEOUT))) {
      const path = join(root, entry)
      const directory = dirname(path)
      const stat = await lstat(path).catch(() => undefined)
      if (stat === undefined) continue
      await rm(path, { recursive: true, force: true })
      if (basename(path) === OPAQUE) this.#kernel.mounts.makeOpaque(directory)
      else if (!basename(path).startsWith(`${WHITEOUT}${WHITEOUT}`)) {
        const hidden = join(directory, basename(path).slice(WHITEOUT.length))
        if (!existsSync(hidden)) this.#kernel.mounts.makeWhiteout(hidden)
      }
    }
  }
}

function hexOf(digest: string): string { return digest.replace(/^sha256:/, '') }

function malformed(reason: string, cause?: unknown): ShoalError {
  return new ShoalError('invalid-argument', 'malformed-image', `the image archive cannot be read: ${reason}`, { cause })
}

function firstLine(text: string): string { return text.split('\n')[0]?.replace(/^tar: /, '') ?? '' }

async function readMagic(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0)
    return buffer.subarray(0, bytesRead).toString('hex')
  } finally {
    await file.close()
  }
}
