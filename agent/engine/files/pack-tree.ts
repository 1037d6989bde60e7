import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { KernelMounts } from '../../kernel/kernel.ts'
import type { ConfinedRoot, PinnedFile } from './confined-root.ts'
import { TAR_END, tarHeader, tarPadding, type TarMember } from './tar-header.ts'

/** What a copy or an image keeps of a file beside owner, mode, time and contents. */
export const KEPT_ATTRIBUTE = 'security.capability'
const CHUNK_BYTES = 1 << 18

export interface PackOptions {
  readonly root: ConfinedRoot
  readonly mounts: Pick<KernelMounts, 'attribute'>
  /** What the first entry is called; '' leaves it out and gives only what is in it. */
  readonly name: string
  /** Leaves an entry out with what is below it, or has an empty file of another name in the same directory stand for it. */
  readonly decide?: (file: PinnedFile) => 'pack' | 'skip' | { readonly emptyFile: string }
  /** Empty files to put into a directory besides. */
  readonly extra?: (directory: PinnedFile) => readonly string[]
}

/** A tar of `start` and what is below it, in the order of names. Owns `start`. What vanishes while it is read is left out. */
export function packTree(start: PinnedFile, options: PackOptions): Readable {
  const tar = async function* (): AsyncIterable<Buffer> {
    await using first = start
    yield* packOne(first, { ...options, linked: new Map() }, options.name)
    yield TAR_END
  }
  return Readable.from(tar(), { objectMode: false, highWaterMark: CHUNK_BYTES })
}

interface Packing extends PackOptions {
  /** Device and inode of files with several names -> the first of them. */
  readonly linked: Map<string, string>
}

async function* packOne(file: PinnedFile, packing: Packing, name: string): AsyncIterable<Buffer> {
  const { stat } = file
  const { uid, gid } = file.owner
  const member = { name, mode: stat.mode, uid, gid, size: 0, mtimeSeconds: Math.floor(stat.mtimeMs / 1000) }
  if (stat.isSocket()) return
  if (stat.isDirectory()) { yield* packDirectory(file, packing, member); return }
  const key = `${stat.dev}:${stat.ino}`
  const first = packing.linked.get(key)
  if (stat.nlink > 1 && first !== undefined) { yield tarHeader({ ...member, type: 'link', linkName: first }); return }
  if (stat.nlink > 1) packing.linked.set(key, name)
  if (stat.isSymbolicLink()) yield tarHeader({ ...member, type: 'symlink', linkName: file.linkText })
  else if (stat.isFile()) yield* packFile(file, packing, member)
  else yield tarHeader({ ...member, type: stat.isFIFO() ? 'fifo' : stat.isBlockDevice() ? 'block' : 'character', device: deviceOf(stat.rdev) })
}

async function* packDirectory(directory: PinnedFile, packing: Packing, member: Omit<TarMember, 'type'>): AsyncIterable<Buffer> {
  const prefix = member.name === '' || member.name.endsWith('/') ? member.name : `${member.name}/`
  if (prefix !== '') yield tarHeader({ ...member, name: prefix, type: 'directory' })
  const empty = (name: string): Buffer => tarHeader({ ...member, name: `${prefix}${name}`, type: 'file', mode: 0o600, uid: 0, gid: 0 })
  for (const name of packing.extra?.(directory) ?? []) yield empty(name)
  for (const name of (await readdir(directory.path)).sort(byBytes)) {
    const child = await packing.root.listedChild(directory, name)
    if (child === undefined) continue
    try {
      const decision = packing.decide?.(child) ?? 'pack'
      if (decision === 'skip') continue
      if (decision !== 'pack') { yield empty(decision.emptyFile); continue }
      yield* packOne(child, packing, `${prefix}${name}`)
    } finally {
      await child[Symbol.asyncDispose]()
    }
  }
}

/** Exactly as many bytes as the header says, also when the file grows or shrinks meanwhile. */
async function* packFile(file: PinnedFile, { mounts }: Packing, member: Omit<TarMember, 'type'>): AsyncIterable<Buffer> {
  const { size } = file.stat
  const handle = await open(file.path, constants.O_RDONLY)
  try {
    const attribute = mounts.attribute(file.path, KEPT_ATTRIBUTE)
    yield tarHeader({ ...member, type: 'file', size, ...(attribute === undefined ? {} : { attributes: new Map([[KEPT_ATTRIBUTE, attribute]]) }) })
    for (let at = 0; at < size;) {
      const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, size - at))
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at)
      yield bytesRead === 0 ? buffer : buffer.subarray(0, bytesRead)
      at += bytesRead === 0 ? buffer.length : bytesRead
    }
    yield tarPadding(size)
  } finally {
    await handle.close()
  }
}

/** dev_t of Linux: 12 bits of the minor number are split around the major. */
function deviceOf(rdev: number): { readonly major: number; readonly minor: number } {
  return { major: (rdev >> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00) }
}

function byBytes(a: string, b: string): number { return Buffer.compare(Buffer.from(a), Buffer.from(b)) }
