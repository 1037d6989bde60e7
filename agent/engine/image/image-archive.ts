import { createReadStream, createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract } from 'tar-stream'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'

/** One image in an archive: where its parts are. */
export interface ArchivedImage { readonly names: readonly string[]; readonly config: Buffer; readonly layers: readonly (() => Readable)[] }

/** Members of an archive, unpacked to files that are numbered: no name in it is ever a path here. */
type Members = ReadonlyMap<string, string>

const MEMBERS_MAX = 10_000
const LINKS_MAX = 8

/**
 * Reads a `docker save` archive or an OCI layout into `directory` (the caller's to delete).
 * @throws `malformed-image` (invalid-argument)
 */
export async function readImageArchive(tar: Readable, directory: string): Promise<readonly ArchivedImage[]> {
  const members = await unpack(tar, directory)
  const manifest = members.get('manifest.json')
  const images = manifest !== undefined ? await dockerImages(manifest, members) : await ociImages(members)
  if (images.length === 0) throw malformed('it holds no image')
  return images
}

async function unpack(tar: Readable, directory: string): Promise<Members> {
  const files = new Map<string, string>()
  const links = new Map<string, string>()
  const parser = extract()
  const feeding = pipeline(tar, parser)
  feeding.catch(() => undefined)
  try {
    for await (const entry of parser) {
      const name = posix.normalize(entry.header.name)
      if (files.size + links.size >= MEMBERS_MAX) throw malformed(`it has more than ${MEMBERS_MAX} members`)
      if (entry.header.type === 'file') {
        const path = join(directory, String(files.size))
        await pipeline(entry, createWriteStream(path))
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

async function dockerImages(manifest: string, members: Members): Promise<readonly ArchivedImage[]> {
  const entries = parse<readonly { readonly Config: string; readonly RepoTags: readonly string[] | null; readonly Layers: readonly string[] }[]>(await readFile(manifest), 'manifest.json')
  if (!Array.isArray(entries)) throw malformed('manifest.json is not a list')
  return Promise.all(entries.map(async entry => ({
    names: entry.RepoTags ?? [],
    config: await readFile(member(members, entry.Config)),
    layers: (entry.Layers ?? []).map((name: string) => { const path = member(members, name); return () => createReadStream(path) }),
  })))
}

interface Descriptor { readonly digest: string; readonly mediaType?: string; readonly annotations?: Readonly<Record<string, string>>; readonly platform?: { readonly architecture?: string; readonly os?: string } }

async function ociImages(members: Members): Promise<readonly ArchivedImage[]> {
  const index = parse<{ readonly manifests?: readonly Descriptor[] }>(await readFile(member(members, 'index.json')), 'index.json')
  const images: ArchivedImage[] = []
  for (const descriptor of index.manifests ?? []) {
    const image = await ociImage(descriptor, members)
    if (image !== undefined) images.push(image)
  }
  return images
}

async function ociImage(descriptor: Descriptor, members: Members): Promise<ArchivedImage | undefined> {
  const { annotations = {} } = descriptor
  const name = annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name']
  const manifest = parse<{ readonly manifests?: readonly Descriptor[]; readonly config?: Descriptor; readonly layers?: readonly Descriptor[] }>(await readFile(blob(members, descriptor)), descriptor.digest)
  if (manifest.manifests !== undefined) {
    const inner = manifest.manifests.find(candidate => candidate.platform?.os === 'linux' && members.has(blobName(candidate)))
    return inner === undefined ? undefined : ociImage({ ...inner, annotations }, members)
  }
  if (manifest.config === undefined) throw malformed(`${descriptor.digest} is no image manifest`)
  return {
    names: name !== undefined && /[/:]/.test(name) ? [name] : [],
    config: await readFile(blob(members, manifest.config)),
    layers: (manifest.layers ?? []).map(layer => { const path = blob(members, layer); return () => createReadStream(path) }),
  }
}

function blobName(descriptor: Descriptor): string { return `blobs/${descriptor.digest.replace(':', '/')}` }
function blob(members: Members, descriptor: Descriptor): string { return member(members, blobName(descriptor)) }

function member(members: Members, name: string): string {
  const path = members.get(posix.normalize(name))
  if (path === undefined) throw malformed(`${name} is missing from it`)
  return path
}

function parse<T>(bytes: Buffer, name: string): T {
  try {
    return JSON.parse(bytes.toString()) as T
  } catch (cause) {
    throw malformed(`${name} is not JSON`, cause)
  }
}

function malformed(reason: string, cause?: unknown): ShoalError {
  return new ShoalError('invalid-argument', 'malformed-image', `the image archive cannot be read: ${reason}`, { cause })
}
