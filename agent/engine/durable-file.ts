import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { diskFullMessage, isDiskFull, ShoalError } from '../../src/base/errors.ts'

/**
 * Replaces a file so that a crash leaves the old contents or the new. With `sync` the new ones also outlive a power failure;
 * without it they outlive a crash of this process only, which is enough for what a reboot makes untrue anyway (D-214).
 * @throws ShoalError `disk-full` (resource-exhausted); the old contents stay
 */
export async function writeDurably(path: string, text: string | Uint8Array, options: { readonly sync: boolean }): Promise<void> {
  const fresh = `${path}.new`
  try {
    await writeFresh(fresh, text, options.sync)
  } catch (cause) {
    await rm(fresh, { force: true })
    throw isDiskFull(cause) ? diskFull(path, cause) : cause
  }
  await rename(fresh, path)
  if (options.sync) await syncDirectory(dirname(path))
}

/** Removes what writes that a crash cut off left in a folder. Only while nobody writes there. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) if (name.endsWith('.new')) await rm(join(folder, name), { force: true })
}

async function writeFresh(path: string, text: string | Uint8Array, sync: boolean): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(text)
    if (sync) await file.datasync()
  } finally {
    await file.close()
  }
}

/**
 * Makes a folder and those above it; one that is there is left as it is. mkdir's own `recursive` answers ENOENT on a full disk, which tells nobody what is wrong.
 * @throws ShoalError `disk-full` (resource-exhausted)
 */
export async function makeDirectory(path: string, mode = 0o777): Promise<void> {
  if (await makeOne(path, mode)) return
  await makeDirectory(dirname(path), mode)
  if (!await makeOne(path, mode)) throw new ShoalError('internal', 'directory-gone', `${dirname(path)} was removed while a folder was made in it`)
}

/** False when there is nothing to make it in. */
async function makeOne(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return false
    if (isDiskFull(error)) throw diskFull(path, error)
    if (code !== 'EEXIST') throw error
  }
  return true
}

/** `disk-full` (resource-exhausted) */
export function diskFull(path?: string, cause?: unknown): ShoalError {
  return new ShoalError('resource-exhausted', 'disk-full', diskFullMessage(path), { cause })
}

/** Makes what was made, renamed or removed in a folder outlive a power failure. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** A JSON file, or undefined when there is none. @throws ShoalError `record-damaged` (internal) when it is not JSON, naming the file */
export async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => { if (error.code === 'ENOENT') return undefined; throw error })
  return text === undefined ? undefined : parseRecord<T>(path, text)
}

/** @throws ShoalError `record-damaged` (internal) */
export function parseRecord<T>(path: string, text: string): T {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as T
  } catch (cause) {
    throw damagedRecord(path, cause)
  }
  throw damagedRecord(path)
}

/** Whoever reads many records reports this and goes on with the others (D-251). */
export function damagedRecord(path: string, cause?: unknown): ShoalError {
  return new ShoalError('internal', 'record-damaged', `${path} is damaged; restore it from a backup and restart the daemon, or remove it to give up what it describes`, { cause })
}
