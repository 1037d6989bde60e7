import type { AppendLog, KvStore } from '../base/storage.ts'
import type { Random } from '../base/random.ts'
import type { KeyRing, KeyRingState } from '../platform/storage/key-ring.ts'
import type { LogKey } from '../platform/storage/log-seal.ts'
import { SealedStore } from '../platform/storage/sealed-store.ts'
import { forgetManagerKeys, openManagerKeys, resealManagerKeys, rotateManagerKeys } from './manager-keys.ts'

/** A raft log that can go on under other keys. */
export interface RotatingLog extends AppendLog {
  /** From now on seals with the first of these. */
  useKeys(keys: readonly LogKey[]): Promise<void>
  /** Ids of the keys that some part of it needed when it was opened. */
  readonly keyIdsAtOpen: readonly string[]
}

/** What ManagerSecrets opens. */
export interface ManagerSecretsParts<Log extends RotatingLog> {
  /** Of keys.json. */
  readonly keyPath: string
  /** What keys.json is sealed with. */
  readonly ring: KeyRing
  readonly random: Random
  readonly openStore: () => Promise<KvStore>
  readonly openLog: (keys: readonly [LogKey, ...LogKey[]]) => Promise<Log>
}

/** A manager's state and log with the keys that they are sealed with, through rotations (D-425): a crash at any point leaves what opens with the keys that are kept. */
export class ManagerSecrets<Log extends RotatingLog> {
  readonly #parts: ManagerSecretsParts<Log>
  readonly kv: SealedStore
  readonly log: Log

  private constructor(parts: ManagerSecretsParts<Log>, kv: SealedStore, log: Log) {
    this.#parts = parts
    this.kv = kv
    this.log = log
  }

  /** Opens both, and seals anew what a rotation left under older keys. The caller disposes `kv` and `log`. @throws what openManagerKeys, LevelStore and SegmentLog throw */
  static async open<Log extends RotatingLog>(parts: ManagerSecretsParts<Log>): Promise<ManagerSecrets<Log>> {
    const { keyPath, ring, random, openStore, openLog } = parts
    const keys = openManagerKeys(keyPath, random, ring)
    const kv = new SealedStore(await openStore(), keys)
    const log = await openLog(keys)
    // Before anyone else writes: then no value needs an older key, and the log alone tells which are kept.
    await kv.reseal()
    forgetManagerKeys(keyPath, ring, log.keyIdsAtOpen)
    return new ManagerSecrets(parts, kv, log)
  }

  /** Takes over what this host's secrets are sealed with. keys.json is sealed anew when it returns. @returns the log's going on under a new key; undefined: no new one is due */
  use(state: KeyRingState): Promise<void> | undefined {
    const { keyPath, ring, random } = this.#parts
    const isSealedAnew = state.isSealing !== ring.state.isSealing || state.keys[0]?.id !== ring.state.keys[0]?.id
    ring.use(state)
    resealManagerKeys(keyPath, ring)
    if (!isSealedAnew) return undefined
    const rotated = rotateManagerKeys(keyPath, random, ring)
    this.kv.useKeys(rotated)
    return this.log.useKeys(rotated)
  }
}
