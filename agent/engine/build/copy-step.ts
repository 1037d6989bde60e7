import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import { ConfinedRoot } from '../files/confined-root.ts'
import { unpackTar } from '../files/unpack-tar.ts'
import type { Layer } from '../image/layer-store.ts'
import { readInRoot, resolveInRoot } from '../runtime/path-in-root.ts'
import { layersOf, type BuildSession } from './build-session.ts'
import { checksumOfAll, copyFailed, findSources, isUrl, type CopySource } from './copy-sources.ts'
import { copyTree, makeDirectories, type Owner } from './copy-tree.ts'
import { decompressed } from './decompress.ts'
import { expandDocument, expandWord } from './expand-word.ts'
import type { CopyInstruction } from './instruction.ts'
import { isArchive } from './is-archive.ts'
import { shellOf, visibleVariables, type StageConfig } from './metadata.ts'
import { StepRoot } from './step-root.ts'

export interface CopyPlan {
  readonly instruction: CopyInstruction
  readonly sources: readonly CopySource[]
  /** Absolute; a slash at its end says that it is a directory. */
  readonly destination: string
  readonly chown: string | undefined
  readonly mode: number | undefined
  readonly createdBy: string
}

/** Finds what is to be copied, and what the cache knows it by. @param root what sources are relative to @throws `copy-failed` (invalid-argument) in Docker's words */
export async function planCopy(instruction: CopyInstruction, stage: StageConfig, root: string, session: BuildSession): Promise<CopyPlan> {
  const variables = visibleVariables(stage.config, session.args)
  const expand = (word: string): string => expandWord(word, variables, session.escape)
  const expanded = instruction.sources.map(expand)
  refuseGit(instruction, expanded)
  const scratch = join(session.scratch, `copy-${session.next()}`)
  await mkdir(scratch)
  const written = expand(instruction.destination)
  const destination = absoluteDestination(written, stage.config.WorkingDir)
  const sources = await findSources({
    instruction, root, scratch, signal: session.signal, sources: expanded,
    documents: instruction.heredocs.map(({ name, content, expand: expands }) => ({ name, content: expands ? expandDocument(content, variables, session.escape) : content })),
  })
  if (sources.length > 1 && !destination.endsWith('/')) throw new ShoalError('invalid-argument', 'copy-failed', `When using ${instruction.kind.toUpperCase()} with more than one source file, the destination must be a directory and end with a /`)
  const chown = instruction.chown === undefined ? undefined : expand(instruction.chown)
  const chmod = instruction.chmod === undefined ? undefined : expand(instruction.chmod)
  const checksum = await checksumOfAll(sources, texts => createHash('sha256').update(texts.join(',')).digest('hex'))
  const options = [...(chown === undefined ? [] : [`--chown=${chown}`]), ...(chmod === undefined ? [] : [`--chmod=${chmod}`])]
  return {
    instruction, sources, destination, chown, mode: chmod === undefined ? undefined : parseMode(chmod),
    createdBy: [...shellOf(stage.config), '#(nop)', instruction.kind.toUpperCase(), ...options, checksum, 'in', `${written} `].join(' '),
  }
}

/** Copies it onto the image. @returns the layer of what was copied */
export async function copyStep(plan: CopyPlan, imageId: string, { parts, token, next }: BuildSession): Promise<Layer | undefined> {
  const { snapshotter, store, kernel } = parts
  await using step = await StepRoot.open(`${token}-${next()}`, layersOf(store, imageId), { snapshotter, layers: store.layers, mounts: kernel.mounts })
  const owner = plan.chown === undefined ? undefined : await ownerOf(plan.chown, step.root)
  try {
    for (const source of plan.sources) await copyOne(source, plan, { root: step.root, owner }, parts.kernel)
  } catch (error) {
    const reason = messageOf(error).replaceAll(step.root, '').replace(/^ENOTDIR: (.*?), (\w+) '(.*)'$/, '$2 $3: $1')
    throw new ShoalError('invalid-argument', 'copy-failed', `failed to copy files: ${reason}`, { cause: error })
  }
  return await step.keep()
}

async function copyOne(source: CopySource, plan: CopyPlan, { root, owner }: { readonly root: string; readonly owner: Owner | undefined }, kernel: BuildSession['parts']['kernel']): Promise<void> {
  const { destination, mode } = plan
  const target = await resolveInRoot(root, destination)
  const copying = { mounts: kernel.mounts, owner: owner ?? { uid: 0, gid: 0 }, mode, isExcluded: source.isExcluded }
  if (source.isDirectory) { await during('failed to copy directory', () => copyTree(source.path, target, copying)); return }
  if (source.unpacks && await isArchive(source.path, kernel.processes)) {
    await makeDirectories(target, copying.owner)
    await using confined = await ConfinedRoot.open(root, { writable: true })
    await using directory = await confined.find(destination, { follow: true })
    await unpackTar(decompressed(createReadStream(source.path), kernel.processes), directory, { root: confined, mounts: kernel.mounts, noOverwriteDirNonDir: false, owner })
    return
  }
  const existing = await lstat(target).catch(() => undefined)
  const isInto = destination.endsWith('/') || existing?.isDirectory() === true
  if (isInto) await during('failed to create new directory', () => makeDirectories(target, copying.owner))
  await copyTree(source.path, isInto ? join(target, source.name) : target, copying)
}

/** What was being done when it failed. */
async function during(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'copy-failed', `${what}: ${messageOf(cause)}`, { cause })
  }
}

function absoluteDestination(destination: string, workdir: string | undefined): string {
  const below = workdir === undefined || workdir === '' ? '/' : workdir
  const parts: string[] = []
  for (const part of (destination.startsWith('/') ? destination : `${below}/${destination}`).split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  const isDirectory = /(^|\/)\.?$/.test(destination)
  return parts.length === 0 ? '/' : `/${parts.join('/')}${isDirectory ? '/' : ''}`
}

/** "user", "user:group", names or numbers; a user alone is the group too. @throws `unknown-owner` */
async function ownerOf(chown: string, root: string): Promise<Owner> {
  const [user = '', group = user] = chown.split(':')
  const [passwd, groups] = await Promise.all([readInRoot(root, '/etc/passwd'), readInRoot(root, '/etc/group')])
  return { uid: idOf(user, passwd, 'uid', 'user'), gid: idOf(group, groups, 'gid', 'group') }
}

function idOf(name: string, file: string, id: string, what: string): number {
  const row = file.split('\n').map(line => line.split(':')).find(fields => fields[0] === name && fields.length > 2)
  if (row !== undefined) return Number(row[2])
  if (/^\d{1,10}$/.test(name) && Number(name) <= 0x7fffffff) return Number(name)
  throw new ShoalError('invalid-argument', 'unknown-owner', `unable to convert uid/gid chown string to host mapping: can't find ${id} for ${what} ${name}: no such ${what}: ${name}`)
}

function parseMode(text: string): number {
  if (!/^[0-7]{1,4}$/.test(text)) throw new ShoalError('invalid-argument', 'copy-failed', `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`)
  return Number.parseInt(text, 8)
}

function refuseGit(instruction: CopyInstruction, sources: readonly string[]): void {
  if (instruction.kind !== 'add') return
  const source = sources.find(each => /^(git@|git:\/\/|ssh:\/\/)/.test(each) || (isUrl(each) && /\.git(#|$)/.test(each)))
  if (source !== undefined) throw copyFailed(instruction, `${source} is a git repository, which is not supported by shoal; clone it into the context, or add an archive of it`)
}
