import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { hasCode, messageOf } from '../../../src/base/errors.ts'
import { createHexId } from '../../../src/base/ids.ts'
import type { Random } from '../../../src/base/random.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { readJson, writeDurably } from '../durable-file.ts'
import { Mutex } from '../mutex.ts'
import { diskUsage } from '../snapshot/disk-usage.ts'
import { malformedImage } from './malformed-image.ts'
import { applyWhiteouts } from './whiteouts.ts'

/** One unpacked layer. `blob` is the tar as it came, maybe compressed: kept, so that saving gives back the same digest. */
export interface Layer { readonly diffId: string; readonly sizeBytes: number }

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
      await this.#removeTree(work)
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
    const tar = this.#decompressed(blob)[Symbol.asyncIterator]()
    let bytes = 0
    let failure: unknown
    // Reads by hand: tar stops at the end of the archive, but the digest is that of the whole file, which must be sound to its end.
    const hashed = async function* (): AsyncIterable<Uint8Array> {
      try {
        for (let next = await tar.next(); next.done !== true; next = await tar.next()) {
          hash.update(next.value)
          bytes += next.value.length
          yield next.value
        }
      } catch (error) {
        // Kept, for nobody listens any more when tar has stopped reading.
        failure = error
        throw error
      }
    }
    try {
      const { code, stderr } = await this.#kernel.processes.run([
        'tar', '--extract', '--directory', contents, '--numeric-owner', '--same-owner', '--same-permissions', '--delay-directory-restore',
        '--xattrs', '--xattrs-include=security.capability', '--xattrs-include=user.*',
      ], { input: hashed() })
      for await (const _rest of hashed()) { /* hashed */ }
      if (failure !== undefined) throw failure
      if (bytes === 0) throw malformedImage('the archive is empty')
      if (code !== 0) throw malformedImage(complaint(stderr.toString()))
      await applyWhiteouts(contents, this.#kernel.mounts)
    } catch (error) {
      throw hasCode(error, 'malformed-image') ? error : malformedImage(messageOf(error), error)
    } finally {
      await tar.return?.()
    }
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

  /** Also what lies deeper than a path may be long. */
  async #removeTree(path: string): Promise<void> {
    try {
      await rm(path, { recursive: true, force: true })
    } catch {
      await this.#kernel.processes.run(['rm', '-rf', '--', path])
    }
  }
}

/** A digest becomes part of paths, so it is checked here whatever others have checked. */
function hexOf(digest: string): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1]
  if (hex === undefined) throw malformedImage(`${JSON.stringify(digest.slice(0, 80))} is no digest`)
  return hex
}

/** The line in which tar says what is wrong, without those about what it does by itself. */
function complaint(text: string): string {
  const lines = text.split('\n').map(line => line.replace(/^tar: /, '')).filter(line => line !== '' && !line.startsWith('Removing leading '))
  return lines[0] ?? 'tar refuses it'
}

async function readMagic(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0)
    return buffer.subarray(0, bytesRead).toString('hex')
  } finally {
    await file.close()
  }
}
