import type { Random } from '../base/random.ts'
import type { KeyRing } from '../platform/storage/key-ring.ts'
import type { LogKey } from '../platform/storage/log-seal.ts'
import { StateFile } from './state-file.ts'

const KEY_BYTES = 32
const KEY_ID_BYTES = 16

/** keys.json of a manager, base64 and hex. */
interface KeyFile { readonly format: 1; readonly keys: readonly { readonly id: string; readonly key: string }[] }

/**
 * The keys that this manager seals its raft log and its state with, the one to seal with first. Made at the first call, and kept beside the state,
 * readable by root alone: they protect copies of the state (a backup, a disk image) that do not have them. With autolock they are sealed themselves.
 * @param ring what they are sealed with; what is not sealed so yet is now
 * @throws ShoalError `state-file-damaged` (internal), `seal-key-missing` (failed-precondition)
 */
export function openManagerKeys(path: string, random: Random, ring: KeyRing): readonly [LogKey, ...LogKey[]] {
  const file = new StateFile<KeyFile>(path, ring)
  file.reseal()
  const [first, ...others] = file.read()?.keys ?? []
  if (first !== undefined) return [decoded(first), ...others.map(decoded)]
  const key = createKey(random)
  writeKeys(file, [key])
  return [key]
}

/** The keys as they are kept, none where there is no file; writes nothing. @throws ShoalError `state-file-damaged` (internal), `seal-key-missing` (failed-precondition) */
export function readManagerKeys(path: string, ring: KeyRing): readonly LogKey[] { return (new StateFile<KeyFile>(path, ring).read()?.keys ?? []).map(decoded) }

/** Puts a new key before those of now; durable when it returns (D-425). @returns all of them */
export function rotateManagerKeys(path: string, random: Random, ring: KeyRing): readonly [LogKey, ...LogKey[]] {
  const keys = [createKey(random), ...openManagerKeys(path, random, ring)] as const
  writeKeys(new StateFile<KeyFile>(path, ring), keys)
  return keys
}

/** Forgets the keys that nothing is sealed with any more; the first always stays. */
export function forgetManagerKeys(path: string, ring: KeyRing, neededIds: readonly string[]): void {
  const file = new StateFile<KeyFile>(path, ring)
  const keys = file.read()?.keys ?? []
  const kept = keys.filter(({ id }, i) => i === 0 || neededIds.includes(id))
  if (kept.length < keys.length) file.write({ format: 1, keys: kept })
}

function createKey(random: Random): LogKey { return { id: Buffer.from(random.bytes(KEY_ID_BYTES)).toString('hex'), key: random.bytes(KEY_BYTES) } }

function writeKeys(file: StateFile<KeyFile>, keys: readonly LogKey[]): void {
  file.write({ format: 1, keys: keys.map(({ id, key }) => ({ id, key: Buffer.from(key).toString('base64') })) })
}

function decoded({ id, key }: KeyFile['keys'][number]): LogKey { return { id, key: new Uint8Array(Buffer.from(key, 'base64')) } }

/** Seals them with what the ring seals with now. */
export function resealManagerKeys(path: string, ring: KeyRing): void { new StateFile<KeyFile>(path, ring).reseal() }
