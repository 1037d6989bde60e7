import { createWriteStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { isDiskFull, messageOf, ShoalError } from '../../../src/base/errors.ts'
import { diskFull } from '../durable-file.ts'
import { LAYER_RATIO_MAX, LAYER_UNPACKED_BYTES_FREE } from './layer-store.ts'
import { malformedImage as malformed } from './malformed-image.ts'
import { choosePlatform, type Platform } from './platform.ts'

/** One image in an archive: where its parts are. A layer is a file, maybe compressed; asking for one that is not in the archive fails. */
export interface ArchivedImage { readonly names: readonly string[]; readonly config: Buffer; readonly layers: readonly (() => string)[] }

/** Members of an archive, unpacked to files that are numbered: no name in it is ever a path here. */
type Members = ReadonlyMap<string, string>

const MEMBERS_MAX = 10_000
const LINKS_MAX = 8
/** Manifests and configurations are held in memory; real ones have some KiB. */
const JSON_BYTES_MAX = 8 * 1024 * 1024
/** The parser holds extended headers in memory, however long they say they are. */
const HEADER_BYTES_MAX = 8 * 1024 * 1024
/** Indexes of indexes: one for the archive, one for the platforms. */
const INDEX_DEPTH_MAX = 4

/**
 * Reads a `docker save` archive or an OCI layout into `directory` (the caller's to delete).
 * @throws `malformed-image` (invalid-argument)
 */
export async function readImageArchive(tar: Readable, directory: string, platform: Platform): Promise<readonly ArchivedImage[]> {
  const members = await unpack(tar, directory)
  const manifest = members.get('manifest.json')
  const images = manifest !== undefined ? await dockerImages(manifest, members) : await ociImages(members, platform)
  if (images.length === 0) throw malformed('it holds no image')
  return images
}

async function unpack(tar: Readable, directory: string): Promise<Members> {
  const files = new Map<string, string>()
  const links = new Map<string, string>()
  let count = 0
  const parser = extract()
  const bound = new HeaderBound()
  const feeding = feed(tar, bound, parser)
  // Awaited below, after what the parser says.
  feeding.catch(() => undefined)
  try {
    for await (const entry of parser) {
      bound.reset()
      const name = posix.normalize(entry.header.name)
      if (++count > MEMBERS_MAX) throw malformed(`it has more than ${MEMBERS_MAX} members`)
      if (entry.header.type === 'file') {
        // Numbered by member, not by name: an archive may hold a name twice, and the last one counts.
        const path = join(directory, String(count))
        await pipeline(entry, async function* (chunks: AsyncIterable<unknown>) {
          for await (const chunk of chunks) {
            bound.reset()
            yield chunk
          }
        }, createWriteStream(path))
        files.set(name, path)
        continue
      }
      // Older archives hold a layer that several images share once, and links to it.
      if (entry.header.type === 'symlink') links.set(name, posix.join(posix.dirname(name), entry.header.linkname ?? ''))
      if (entry.header.type === 'link') links.set(name, posix.normalize(entry.header.linkname ?? ''))
      entry.resume()
    }
    await feeding
  } catch (error) {
    if (isDiskFull(error)) throw diskFull(directory, error)
    throw error instanceof ShoalError ? error : malformed(messageOf(error))
  }
  for (const name of links.keys()) {
    let target = name
    for (let hops = 0; hops < LINKS_MAX && !files.has(target); hops++) target = links.get(target) ?? target
    const path = files.get(target)
    if (path !== undefined) files.set(name, path)
  }
  return files
}

/** Unpacks gzip on the way, as `docker load -i x.tar.gz` expects. */
async function feed(tar: Readable, bound: HeaderBound, parser: ReturnType<typeof extract>): Promise<void> {
  const chunks = tar[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  const first = await chunks.next()
  const whole = async function* (): AsyncIterable<Uint8Array> {
    for (let next = first; next.done !== true; next = await chunks.next()) {
      bound.packedBytes += next.value.length
      yield next.value
    }
  }
  const isGzip = first.done !== true && first.value[0] === 0x1f && first.value[1] === 0x8b
  try {
    if (isGzip) await pipeline(whole, createGunzip(), bound, parser)
    else await pipeline(whole, bound, parser)
  } finally {
    await chunks.return?.()
  }
}

/** Fails an archive from which no member comes for too long, or which was made too small: it would fill the disk. */
class HeaderBound extends Transform {
  packedBytes = 0
  #bytes = 0
  #unpackedBytes = 0

  /** Called for each sign of life of the parser. */
  reset(): void { this.#bytes = 0 }

  override _transform(chunk: Uint8Array, _encoding: unknown, callback: (error?: Error | null, chunk?: Uint8Array) => void): void {
    this.#bytes += chunk.length
    this.#unpackedBytes += chunk.length
    if (this.#unpackedBytes > Math.max(LAYER_UNPACKED_BYTES_FREE, this.packedBytes * LAYER_RATIO_MAX)) callback(malformed(`it unpacks to more than ${this.#unpackedBytes} bytes from ${this.packedBytes}`))
    else if (this.#bytes > HEADER_BYTES_MAX) callback(malformed(`one of its headers is larger than ${HEADER_BYTES_MAX} bytes`))
    else callback(null, chunk)
  }
}

async function dockerImages(manifest: string, members: Members): Promise<readonly ArchivedImage[]> {
  const entries = await readMember(manifest, 'manifest.json')
  if (!Array.isArray(entries)) throw malformed('manifest.json is not a list')
  const images: ArchivedImage[] = []
  for (const entry of entries as readonly unknown[]) {
    const { Config, RepoTags, Layers } = fieldsOf(entry, 'manifest.json')
    if (typeof Config !== 'string') throw malformed('in manifest.json, Config must be a text')
    images.push({ names: texts(RepoTags, 'RepoTags'), config: await readBounded(member(members, Config), Config), layers: texts(Layers, 'Layers').map(name => () => member(members, name)) })
  }
  return images
}

async function ociImages(members: Members, platform: Platform): Promise<readonly ArchivedImage[]> {
  if (!members.has('index.json')) throw malformed('it has neither manifest.json nor index.json')
  const { manifests } = fieldsOf(await readMember(member(members, 'index.json'), 'index.json'), 'index.json')
  const images: ArchivedImage[] = []
  for (const descriptor of descriptors(manifests, 'index.json')) {
    const image = await ociImage(descriptor, members, { platform, depth: 1 })
    if (image !== undefined) images.push(image)
  }
  return images
}

async function ociImage(descriptor: Descriptor, members: Members, { platform, depth }: { readonly platform: Platform; readonly depth: number }): Promise<ArchivedImage | undefined> {
  if (depth > INDEX_DEPTH_MAX) throw malformed(`its indexes are nested more than ${INDEX_DEPTH_MAX} deep`)
  const { annotations, digest } = descriptor
  const name = annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name']
  const manifest = fieldsOf(await readMember(blob(members, digest), digest), digest)
  if (manifest['manifests'] !== undefined) {
    const there = descriptors(manifest['manifests'], digest).filter(candidate => members.has(blobName(candidate.digest)))
    const inner = choosePlatform(there, platform) ?? there.find(candidate => candidate.platform?.os === 'linux')
    return inner === undefined ? undefined : ociImage({ ...inner, annotations }, members, { platform, depth: depth + 1 })
  }
  if (manifest['config'] === undefined) throw malformed(`${digest} is no image manifest`)
  const config = descriptorOf(manifest['config'], digest)
  return {
    names: typeof name === 'string' && /[/:]/.test(name) ? [name] : [],
    config: await readBounded(blob(members, config.digest), config.digest),
    layers: descriptors(manifest['layers'], digest).map(layer => () => blob(members, layer.digest)),
  }
}

interface Descriptor { readonly digest: string; readonly annotations: Readonly<Record<string, unknown>>; readonly platform?: Platform }

function descriptors(value: unknown, where: string): readonly Descriptor[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw malformed(`in ${where}, manifests and layers must be lists`)
  return value.map(item => descriptorOf(item, where))
}

function descriptorOf(value: unknown, where: string): Descriptor {
  const { digest, annotations, platform } = fieldsOf(value, where)
  if (typeof digest !== 'string') throw malformed(`in ${where}, a digest must be a text`)
  return { digest, annotations: fieldsOf(annotations ?? {}, where), ...(platform === undefined || platform === null ? {} : { platform: platformOf(fieldsOf(platform, where)) }) }
}

function platformOf({ os, architecture, variant }: Readonly<Record<string, unknown>>): Platform {
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return { os: text(os), architecture: text(architecture), ...(text(variant) === '' ? {} : { variant: text(variant) }) }
}

function fieldsOf(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`in ${where}, something that must be an object is none`)
  return value as Readonly<Record<string, unknown>>
}

function texts(value: unknown, name: string): readonly string[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value) || !value.every(item => typeof item === 'string')) throw malformed(`in manifest.json, ${name} must be a list of texts`)
  return value
}

function blobName(digest: string): string { return `blobs/${digest.replace(':', '/')}` }
function blob(members: Members, digest: string): string { return member(members, blobName(digest)) }

function member(members: Members, name: string): string {
  const path = members.get(posix.normalize(name))
  if (path === undefined) throw malformed(`${name} is missing from it`)
  return path
}

async function readMember(path: string, name: string): Promise<unknown> {
  const bytes = await readBounded(path, name)
  try {
    return JSON.parse(bytes.toString()) as unknown
  } catch (cause) {
    throw malformed(`${name} is not JSON`, cause)
  }
}

async function readBounded(path: string, name: string): Promise<Buffer> {
  const { size } = await stat(path)
  if (size > JSON_BYTES_MAX) throw malformed(`${name} is larger than ${JSON_BYTES_MAX} bytes`)
  return readFile(path)
}
