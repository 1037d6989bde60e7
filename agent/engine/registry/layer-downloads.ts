import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat, truncate, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { abortable } from '../../../src/base/abort.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { messageOf } from '../../../src/base/errors.ts'
import { Mutex } from '../mutex.ts'
import type { Descriptor } from './manifest.ts'
import { RegistryRefusal, RegistryUnreachable } from './registry-error.ts'
import type { FetchedBlob } from './repository-client.ts'

/** A download that nobody took up again for so long is thrown away when the daemon starts. */
export const DOWNLOAD_AGE_MAX_MS = 24 * 60 * 60 * 1000
/** Between tries, growing by as much each time, as dockerd waits. */
const RETRY_STEP_MS = 5_000
/** Parts of a transfer that wait for the disk; each has up to 64 KiB. */
const CHUNKS_WAITING_MAX = 64

export interface BlobSource { blob(digest: string, fromByte: number, signal?: AbortSignal): Promise<FetchedBlob> }

export interface DownloadOptions {
  readonly signal: AbortSignal
  readonly attemptsMax: number
  readonly onBytes: (bytes: number) => void
  readonly onRetry: (seconds: number) => void
  readonly onVerify: () => void
}

/**
 * Compressed layers on their way here, one file each, named by digest: "HEX.part" grows, and becomes "HEX" when its digest is right. A half-done one
 * outlives connection and daemon and is continued where it broke off (D-302).
 */
export class LayerDownloads {
  readonly #root: string
  readonly #clock: Clock
  readonly #locks = new Map<string, { readonly mutex: Mutex; users: number }>()
  readonly #held = new Map<string, number>()

  constructor(root: string, clock: Clock) {
    this.#root = root
    this.#clock = clock
  }

  /** Throws away what nobody has wanted for a day. */
  async open(): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 })
    await this.#clear(this.#clock.nowMs() - DOWNLOAD_AGE_MAX_MS)
  }

  /** Everything that is not being downloaded now. @returns bytes that became free */
  async prune(): Promise<number> { return this.#clear(Infinity) }

  /** Keeps prune away from these until the function that is returned is called. */
  hold(digests: readonly string[]): () => void {
    for (const digest of digests) this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1)
    return () => {
      for (const digest of digests) {
        const count = (this.#held.get(digest) ?? 0) - 1
        if (count > 0) this.#held.set(digest, count)
        else this.#held.delete(digest)
      }
    }
  }

  /** The whole blob as a file with the right digest; `release` when it is used. @throws RegistryRefusal, RegistryUnreachable */
  async fetch(source: BlobSource, blob: Descriptor, options: DownloadOptions): Promise<string> {
    return this.#alone(blob.digest, options.signal, async () => {
      const whole = this.#path(blob.digest)
      const part = `${whole}.part`
      if (await sizeOf(whole) === blob.size) return whole
      const wasBegun = await sizeOf(part) > 0
      await this.#complete(source, blob, part, options)
      options.onVerify()
      if (await fileDigest(part, options.signal) !== blob.digest) {
        await rm(part, { force: true })
        // What an earlier daemon left may have suffered with the machine: that is not the registry's fault.
        if (wasBegun) await this.#complete(source, blob, part, options)
        if (!wasBegun || await fileDigest(part, options.signal) !== blob.digest) {
          await rm(part, { force: true })
          throw new RegistryRefusal(200, 'DIGEST_INVALID', `filesystem layer verification failed for digest ${blob.digest}`)
        }
      }
      await rename(part, whole)
      return whole
    })
  }

  /** It is unpacked: the file is not needed any more. */
  async release(digest: string): Promise<void> { await rm(this.#path(digest), { force: true }) }

  #path(digest: string): string { return join(this.#root, digest.slice('sha256:'.length)) }

  /** Gets what is missing, however often the connection breaks: a try that brought something does not count. */
  async #complete(source: BlobSource, blob: Descriptor, part: string, options: DownloadOptions): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const had = await sizeOf(part)
      if (had > blob.size) await truncate(part, 0)
      if (had === blob.size && had > 0) return
      try {
        await this.#append(source, blob, part, options)
        return
      } catch (error) {
        options.signal.throwIfAborted()
        if (!isTransient(error)) throw error
        if (await sizeOf(part) > had) attempt = 1
        if (attempt >= options.attemptsMax) throw error
        for (let leftMs = attempt * RETRY_STEP_MS; leftMs > 0; leftMs -= 1000) {
          options.onRetry(leftMs / 1000)
          await this.#clock.sleep(1000, options.signal)
        }
      }
    }
  }

  async #append(source: BlobSource, blob: Descriptor, part: string, options: DownloadOptions): Promise<void> {
    const had = await sizeOf(part)
    const { startByte, body } = await source.blob(blob.digest, had, options.signal)
    const chunks = chunksOf(body, blob.digest)
    const file = await open(part, 'a', 0o600).catch((error: unknown) => { body.destroy(); throw error })
    try {
      if (startByte !== had) await file.truncate(startByte === 0 ? 0 : had)
      if (startByte !== had && startByte !== 0) throw new RegistryUnreachable(`the registry answers with bytes from ${startByte} on instead of ${had}`)
      let at = startByte
      for await (const chunk of chunks) {
        at += chunk.length
        if (at > blob.size) throw new RegistryRefusal(200, 'SIZE_INVALID', `${blob.digest} is larger than the ${blob.size} bytes of its manifest`)
        await file.appendFile(chunk)
        options.onBytes(at)
      }
      if (at < blob.size) throw new RegistryUnreachable('unexpected EOF')
    } finally {
      body.destroy()
      await file.close()
    }
  }

  async #alone<T>(digest: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const lock = this.#locks.get(digest) ?? { mutex: new Mutex(), users: 0 }
    this.#locks.set(digest, lock)
    lock.users++
    const running = lock.mutex.run(async () => { signal.throwIfAborted(); return work() })
    // Forgotten only when the work has really ended, however soon the caller goes.
    const forget = (): void => { if (--lock.users === 0) this.#locks.delete(digest) }
    running.then(forget, forget)
    return abortable(running, signal)
  }

  async #clear(beforeMs: number): Promise<number> {
    let bytes = 0
    for (const name of await readdir(this.#root)) {
      const path = join(this.#root, name)
      if (this.#held.has(`sha256:${name.replace(/\.part$/, '')}`)) continue
      const { mtimeMs, size } = await stat(path)
      if (mtimeMs >= beforeMs) continue
      await unlink(path)
      bytes += size
    }
    return bytes
  }
}

/** A broken connection, or a registry that has trouble of its own. */
function isTransient(error: unknown): boolean {
  return error instanceof RegistryUnreachable || (error instanceof RegistryRefusal && (error.status >= 500 || error.status === 429))
}

/**
 * All that arrives, then the reason why no more does: iterating the stream itself would lose what had come before it broke. Listens from the call on,
 * not from the first chunk asked for: a connection that breaks before that would never be heard of.
 */
function chunksOf(body: Readable, digest: string): AsyncIterable<Buffer> {
  const queue: Buffer[] = []
  let end: { readonly error?: unknown } | undefined
  let wake = (): void => undefined
  const finish = (reason: { readonly error?: unknown }): void => { end ??= reason; wake() }
  body.on('data', (chunk: Buffer) => {
    queue.push(chunk)
    if (queue.length >= CHUNKS_WAITING_MAX) body.pause()
    wake()
  })
  body.once('end', () => finish({})).once('error', error => finish({ error })).once('close', () => finish({ error: new Error('unexpected EOF') }))
  async function* chunks(): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      for (let chunk = queue.shift(); chunk !== undefined; chunk = queue.shift()) yield chunk
      if (end !== undefined) break
      body.resume()
      await new Promise<void>(resolve => { wake = resolve })
    }
    if (end.error !== undefined) throw new RegistryUnreachable(`the transfer of ${digest} broke off: ${messageOf(end.error)}`, { cause: end.error })
  }
  return chunks()
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(({ size }) => size, (error: NodeJS.ErrnoException) => { if (error.code === 'ENOENT') return 0; throw error })
}

async function fileDigest(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18, signal })) hash.update(chunk as Buffer)
  return `sha256:${hash.digest('hex')}`
}
