import { ShoalError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { parseUnlockKey } from '../ca/unlock-key.ts'
import { KeyRing } from '../platform/storage/key-ring.ts'
import type { LogKey } from '../platform/storage/log-seal.ts'
import { openText, sealText } from '../platform/storage/sealed-text.ts'
import { StateFile } from './state-file.ts'

const KEY_BYTES = 32
const KEY_ID_BYTES = 16
const PLACE = 'lock.json'

/** One of this node's keys, hex and base64. */
interface StoredKey { readonly id: string; readonly key: string }
/** lock.json: the node's keys, sealed with the unlock key; open while sealing is being given up. */
interface LockFile { readonly format: 1; readonly sealed?: string; readonly keys?: readonly StoredKey[] }

/**
 * Whether this node's secrets are sealed, and what opens them (autolock). They are sealed with a key of the node's own, which alone is sealed with the
 * cluster's unlock key, in one file: so a new unlock key is one atomic write, and a crash leaves what the old or the new one opens, never a mixture.
 * A change has two steps: change() makes the file open both what is and what will be; settle() gives up the old when everything is kept the new way.
 */
export class NodeLock {
  readonly #file: StateFile<LockFile>
  readonly #random: Random
  readonly ring = new KeyRing()
  #unlockKey = ''
  #isLocked = false

  constructor(path: string, random: Random) {
    this.#file = new StateFile(path)
    this.#random = random
  }

  /** Reads the file, as after a start: what only memory knew is forgotten. @throws ShoalError `state-file-damaged` */
  load(): void {
    const stored = this.#file.read()
    this.#unlockKey = ''
    this.#isLocked = stored?.sealed !== undefined
    this.ring.use({ keys: (stored?.keys ?? []).map(decoded), isSealing: false })
  }

  /** The node's secrets can not be read before unlock(). */
  get isLocked(): boolean { return this.#isLocked }
  /** A restart would need the unlock key. */
  get isSealing(): boolean { return this.#isLocked || this.ring.state.isSealing }
  /** What is on disk may not be kept yet as it should be: settle() is due. */
  get isUnsettled(): boolean { return this.ring.state.keys.length > (this.ring.state.isSealing ? 1 : 0) }

  /** Opens the node's keys. @throws ShoalError `invalid-unlock-key` (invalid-argument), `wrong-unlock-key` (unauthenticated), with Docker's texts */
  unlock(unlockKey: string): void {
    const kek = sealingKey(unlockKey)
    const sealed = this.#file.read()?.sealed
    if (sealed === undefined) return
    let opened: string
    try {
      opened = openText([kek], sealed, PLACE)
    } catch (cause) {
      throw new ShoalError('unauthenticated', 'wrong-unlock-key', 'swarm could not be unlocked: invalid key provided', { cause })
    }
    this.ring.use({ keys: (JSON.parse(opened) as readonly StoredKey[]).map(decoded), isSealing: true })
    this.#unlockKey = unlockKey
    this.#isLocked = false
  }

  /** For a node that has nothing sealed yet: forgets what an earlier, unfinished join left. */
  begin(unlockKey: string): void {
    this.ring.use({ keys: [], isSealing: false })
    this.change(unlockKey)
    this.settle()
  }

  /** Whether change() has nothing to do. */
  isFor(unlockKey: string): boolean { return !this.#isLocked && unlockKey === this.#unlockKey }

  /** From now on the node seals with a new key of its own, under this unlock key; with '' it seals nothing. Durable. What is sealed already still opens. */
  change(unlockKey: string): void {
    const { keys } = this.ring.state
    if (unlockKey === '') {
      if (keys.length > 0) this.#file.write({ format: 1, keys: keys.map(encoded) })
      this.ring.use({ keys, isSealing: false })
    } else {
      const own: LogKey = { id: Buffer.from(this.#random.bytes(KEY_ID_BYTES)).toString('hex'), key: this.#random.bytes(KEY_BYTES) }
      const next = [own, ...keys]
      this.#write(unlockKey, next)
      this.ring.use({ keys: next, isSealing: true })
    }
    this.#unlockKey = unlockKey
  }

  /** Everything is kept the new way: gives up older keys, or with no unlock key the file. */
  settle(): void {
    const { keys: [current], isSealing } = this.ring.state
    if (!isSealing || current === undefined) {
      this.#file.remove()
      this.ring.use({ keys: [], isSealing: false })
      return
    }
    if (!this.isUnsettled) return
    this.#write(this.#unlockKey, [current])
    this.ring.use({ keys: [current], isSealing })
  }

  #write(unlockKey: string, keys: readonly LogKey[]): void {
    this.#file.write({ format: 1, sealed: sealText(sealingKey(unlockKey), JSON.stringify(keys.map(encoded)), PLACE) })
  }
}

/** The unlock key needs no name: it opens one file. */
function sealingKey(unlockKey: string): LogKey { return { id: 'unlock-key', key: parseUnlockKey(unlockKey) } }
function encoded({ id, key }: LogKey): StoredKey { return { id, key: Buffer.from(key).toString('base64') } }
function decoded({ id, key }: StoredKey): LogKey { return { id, key: Uint8Array.from(Buffer.from(key, 'base64')) } }
