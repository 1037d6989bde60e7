import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { hasCode, isDiskFull, messageOf, ShoalError } from '../../../src/base/errors.ts'
import { createHexId } from '../../../src/base/ids.ts'
import type { Random } from '../../../src/base/random.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { diskFull, makeDirectory, readJson, removeUnfinished, writeDurably } from '../durable-file.ts'
import { Mutex } from '../mutex.ts'
import { diskUsage } from '../snapshot/disk-usage.ts'
import { malformedImage } from './malformed-image.ts'
import { applyWhiteouts } from './whiteouts.ts'

/** One unpacked layer. Its tar is kept as it came, maybe compressed, so that saving gives back the same digest. */
export interface Layer {
  readonly diffId: string
  readonly sizeBytes: number
  /** Its compressed form as registries know it. */
  readonly blob?: LayerBlob
}
export interface LayerBlob {
  readonly digest: string
  readonly sizeBytes: number
  /** "domain/path" of repositories that have it; the newest last. */
  readonly repositories: readonly string[]
}

/** Part of a digest that names a layer's directory: short, because all of an image's layers must fit into one mount option page. */
const DIRECTORY_NAME_LENGTH = 32
/** Repositories remembered for a layer: where a push may take it from. */
const REPOSITORIES_MAX = 8
/** More than any image that is known; the file system's inodes are everybody's. */
export const LAYER_ENTRIES_MAX = 1_000_000
/** A layer of any size may come as it is. One that unpacks to more than this must not have been made small by more than the ratio: honest files are not that empty. */
export const LAYER_UNPACKED_BYTES_FREE = 8 * 1024 ** 3
export const LAYER_RATIO_MAX = 100
export const DEFAULT_LAYER_LIMITS: LayerLimits = { entriesMax: LAYER_ENTRIES_MAX, unpackedBytesFree: LAYER_UNPACKED_BYTES_FREE, ratioMax: LAYER_RATIO_MAX }
const NEWLINE = 0x0a

export interface LayerLimits { readonly entriesMax: number; readonly unpackedBytesFree: number; readonly ratioMax: number }

/** Layers by the digest of their uncompressed tar: directories that are never changed once they are there. */
export class LayerStore {
  readonly #root: string
  readonly #kernel: Kernel
  readonly #random: Random
  /** The same layer may arrive twice at once: the first is kept. */
  readonly #keeping = new Mutex()

  readonly #limits: LayerLimits

  constructor(root: string, kernel: Kernel, random: Random, limits = DEFAULT_LAYER_LIMITS) {
    this.#limits = limits
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
    await removeUnfinished(this.#root)
    for (const folder of [this.#root, join(this.#root, 'blobs')]) {
      for (const name of await readdir(folder)) {
        const isOurs = /^[0-9a-f]{32}([0-9a-f]{32})?$/.test(name)
        if (isOurs && !existsSync(join(this.#root, `${name.slice(0, DIRECTORY_NAME_LENGTH)}.json`))) await this.#removeTree(join(folder, name))
      }
    }
  }

  /** Makes all layers that were added outlive a power failure. */
  async sync(): Promise<void> { await this.#kernel.mounts.sync(this.#root) }

  get #temporary(): string { return join(this.#root, 'tmp') }

  /** A new empty directory that is gone after a restart. */
  async temporaryDirectory(): Promise<string> {
    const path = join(this.#temporary, createHexId(this.#random).slice(0, 16))
    await makeDirectory(path, 0o700)
    return path
  }

  directory(diffId: string): string { return join(this.#root, hexOf(diffId).slice(0, DIRECTORY_NAME_LENGTH)) }
  blobPath(diffId: string): string { return join(this.#root, 'blobs', hexOf(diffId)) }
  /** Undefined also for one that is damaged: adding it again mends it. */
  async get(diffId: string): Promise<Layer | undefined> {
    const directory = this.directory(diffId)
    const layer = await readJson<Layer>(`${directory}.json`).catch((error: unknown) => { if (!hasCode(error, 'record-damaged')) throw error; return undefined })
    return layer?.diffId === diffId && typeof layer.sizeBytes === 'number' && existsSync(directory) ? layer : undefined
  }

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

  /** Unpacks a blob that is a file already; the file stays the caller's. `onRead` hears how many of its bytes are unpacked. @throws `malformed-image`, also when the digest is another */
  async addFile(path: string, expected: string, options: { readonly blob?: LayerBlob; readonly onRead?: (bytes: number, total: number) => void; readonly signal?: AbortSignal } = {}): Promise<Layer> {
    const work = await this.temporaryDirectory()
    try {
      const blob = join(work, 'blob')
      await link(path, blob)
      const contents = join(work, 'contents')
      await mkdir(contents, { mode: 0o755 })
      const diffId = await this.#unpack(blob, contents, options)
      if (diffId !== expected) throw malformedImage(`a layer has digest ${diffId}, not ${expected}`)
      return await this.#keeping.run(async () => await this.get(diffId) ?? this.#keep(diffId, blob, contents, options.blob))
    } finally {
      await this.#removeTree(work)
    }
  }

  /**
   * Takes over a directory of this file system that has a layer's form already; `tar` is what is in it. A directory that is not needed, because the layer is there, stays.
   * @returns the layer
   */
  async adopt(contents: string, tar: AsyncIterable<Uint8Array>): Promise<Layer> {
    const work = await this.temporaryDirectory()
    try {
      const blob = join(work, 'blob')
      const hash = createHash('sha256')
      await pipeline(tar, async function* (chunks: AsyncIterable<Uint8Array>) { for await (const chunk of chunks) { hash.update(chunk); yield chunk } }, createWriteStream(blob))
      const diffId = `sha256:${hash.digest('hex')}`
      return await this.#keeping.run(async () => await this.get(diffId) ?? this.#keep(diffId, blob, contents))
    } finally {
      await this.#removeTree(work)
    }
  }

  /** Notes that a repository has this blob. */
  async noteBlob(diffId: string, blob: Omit<LayerBlob, 'repositories'>, repository: string): Promise<void> {
    await this.#keeping.run(async () => {
      const layer = await this.get(diffId)
      if (layer === undefined) return
      const known = layer.blob?.digest === blob.digest ? layer.blob.repositories.filter(each => each !== repository) : []
      await this.#write({ ...layer, blob: { ...blob, repositories: [...known, repository].slice(-REPOSITORIES_MAX) } }, true)
    })
  }

  /** Digests of all layers that are complete. */
  async all(): Promise<readonly string[]> {
    const names = (await readdir(this.#root)).filter(name => /^[0-9a-f]{32}\.json$/.test(name))
    const found = await Promise.all(names.map(async name => (await readJson<Layer>(join(this.#root, name)).catch((error: unknown) => { if (!hasCode(error, 'record-damaged')) throw error; return undefined }))?.diffId))
    return found.filter((diffId): diffId is string => typeof diffId === 'string' && /^sha256:[0-9a-f]{64}$/.test(diffId))
  }

  async remove(diffId: string): Promise<void> {
    await rm(`${this.directory(diffId)}.json`, { force: true })
    await rm(this.directory(diffId), { recursive: true, force: true })
    await rm(this.blobPath(diffId), { force: true })
  }

  /** How its tar is kept. */
  async compression(diffId: string): Promise<'gzip' | 'other' | 'none'> {
    const magic = await readMagic(this.blobPath(diffId))
    if (magic.startsWith('1f8b')) return 'gzip'
    return /^(fd377a58|425a68|28b52ffd)/.test(magic) ? 'other' : 'none'
  }

  /** The layer's tar, uncompressed. @throws `layer-damaged` at its end, when it is not what it was */
  async *tar(diffId: string): AsyncIterable<Uint8Array> {
    const hash = createHash('sha256')
    for await (const chunk of this.#decompressed(this.blobPath(diffId))) {
      hash.update(chunk)
      yield chunk
    }
    const digest = `sha256:${hash.digest('hex')}`
    if (digest !== diffId) throw new ShoalError('internal', 'layer-damaged', `the layer ${diffId} is damaged on disk: ${this.blobPath(diffId)} holds ${digest}; remove the image and pull or load it again`)
  }

  /** The unpacked layer is complete when its json is there; that is written last. */
  async #keep(diffId: string, blob: string, contents: string, origin?: LayerBlob): Promise<Layer> {
    const layer = { diffId, sizeBytes: await diskUsage(contents), ...(origin === undefined ? {} : { blob: origin }) }
    await rm(this.directory(diffId), { recursive: true, force: true })
    await rename(blob, this.blobPath(diffId))
    await rename(contents, this.directory(diffId))
    // The image that needs the layer has all of this synced.
    await this.#write(layer, false)
    return layer
  }

  async #write(layer: Layer, sync: boolean): Promise<void> { await writeDurably(`${this.directory(layer.diffId)}.json`, JSON.stringify(layer), { sync }) }

  /** GNU tar keeps to its directory: it refuses `..`, strips leading slashes and puts links that lead out in place only at the end. */
  async #unpack(blob: string, contents: string, options: { readonly onRead?: (bytes: number, total: number) => void; readonly signal?: AbortSignal } = {}): Promise<string> {
    const hash = createHash('sha256')
    const { size: packedBytes } = await stat(blob)
    const bytesMax = Math.max(this.#limits.unpackedBytesFree, packedBytes * this.#limits.ratioMax)
    let source: { readonly bytesRead: number } | undefined
    const tar = this.#decompressed(blob, opened => { source = opened })[Symbol.asyncIterator]()
    let bytes = 0
    let entries = 0
    let failure: unknown
    const tooMany = new AbortController()
    const stop = options.signal === undefined ? tooMany.signal : AbortSignal.any([options.signal, tooMany.signal])
    // tar names each member that it makes, one to a line.
    const count = (names: Uint8Array): void => {
      for (let at = names.indexOf(NEWLINE); at >= 0; at = names.indexOf(NEWLINE, at + 1)) entries++
      if (entries > this.#limits.entriesMax) tooMany.abort(malformedImage(`a layer has more than ${this.#limits.entriesMax} files`))
    }
    const take = async (): Promise<Uint8Array | undefined> => {
      try {
        stop.throwIfAborted()
        const next = await tar.next()
        if (next.done === true) return undefined
        hash.update(next.value)
        bytes += next.value.length
        options.onRead?.(source?.bytesRead ?? 0, packedBytes)
        if (bytes > bytesMax) throw malformedImage(`a layer of ${packedBytes} bytes unpacks to more than ${bytesMax}`)
        return next.value
      } catch (error) {
        // Kept, for nobody listens any more when tar has stopped reading.
        failure = error
        throw error
      }
    }
    // Reads by hand: tar stops at the end of the archive, but the digest is that of the whole file, which must be sound to its end.
    const hashed = async function* (): AsyncIterable<Uint8Array> {
      for (let chunk = await take(); chunk !== undefined; chunk = await take()) yield chunk
    }
    try {
      const { code, stderr } = await this.#kernel.processes.run([
        'tar', '--extract', '--verbose', '--directory', contents, '--numeric-owner', '--same-owner', '--same-permissions', '--delay-directory-restore',
        '--xattrs', '--xattrs-include=security.capability', '--xattrs-include=user.*',
      ], { input: hashed(), onStdout: count, signal: stop })
      for await (const _rest of hashed()) { /* hashed */ }
      if (failure !== undefined) throw failure
      if (bytes === 0) throw malformedImage('the archive is empty')
      if (code !== 0) throw refusal(stderr.toString())
      await applyWhiteouts(contents, this.#kernel.mounts)
    } catch (error) {
      if (stop.aborted) throw stop.reason
      const reason = failure ?? error
      if (isDiskFull(reason)) throw diskFull(contents, reason)
      throw hasCode(reason, 'malformed-image') || hasCode(reason, 'disk-full') ? reason : malformedImage(messageOf(reason), reason)
    } finally {
      await tar.return?.()
    }
    return `sha256:${hash.digest('hex')}`
  }

  async *#decompressed(path: string, onOpen?: (source: { readonly bytesRead: number }) => void): AsyncIterable<Uint8Array> {
    const source = createReadStream(path, { highWaterMark: 1 << 18 })
    onOpen?.(source)
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
      // What rm leaves goes at the next start.
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

/** What tar's end with an error means: a disk that takes no more is no fault of the image. */
function refusal(text: string): ShoalError {
  const full = /^tar: (.*): Cannot (?:write|open|mkdir|create \S+(?: to .*)?): (?:No space left on device|Disk quota exceeded)$/m.exec(text)
  return full === null ? malformedImage(complaint(text)) : diskFull(full[1])
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
