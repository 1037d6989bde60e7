import { setImmediate as nextTurn } from 'node:timers/promises'
import { ShoalError } from '../../base/errors.ts'
import type { KvStore, KvWrite } from '../../base/storage.ts'
import { Sealer, unseal, type LogKey } from './log-seal.ts'
import { KEY_ID_BYTES } from './segment-format.ts'

/** Values sealed in one go: a longer turn of the process would hold up its heartbeats. */
const SEALED_PER_TURN = 128

/** How much is sealed anew in one batch. */
const RESEAL_BYTES_MAX = 4 * 1024 * 1024
/** Behind every key: bytes of UTF-8 stay below. */
const LAST_KEY = '\u{10ffff}'

/** A KvStore whose values are sealed, each for its key: the id of the sealing key, then what Sealer makes. Keys stay readable. */
export class SealedStore implements KvStore {
  readonly #store: KvStore
  #keys: readonly [LogKey, ...LogKey[]]
  #sealer: Sealer

  /** @param keys values may be sealed with; new ones are sealed with the first. `store` is disposed with this */
  constructor(store: KvStore, keys: readonly [LogKey, ...LogKey[]]) {
    this.#store = store
    this.#keys = keys
    this.#sealer = new Sealer(keys[0])
  }

  /** From now on seals with the first of these. */
  useKeys(keys: readonly [LogKey, ...LogKey[]]): void {
    this.#keys = keys
    this.#sealer = new Sealer(keys[0])
  }

  /** Seals anew what is sealed with another key than the first: all of it once this resolves. Nobody else may write meanwhile. */
  async reseal(): Promise<void> {
    let writes: KvWrite[] = []
    let bytes = 0
    for await (const [key, value] of this.#store.range('', LAST_KEY)) {
      if (keyIdOf(value) === this.#keys[0].id) continue
      writes.push({ kind: 'put', key, value: this.#unsealed(key, value) })
      bytes += value.length
      if (bytes < RESEAL_BYTES_MAX) continue
      await this.batch(writes)
      writes = []
      bytes = 0
    }
    if (writes.length > 0) await this.batch(writes)
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const value = await this.#store.get(key)
    return value === undefined ? undefined : this.#unsealed(key, value)
  }

  async batch(writes: readonly KvWrite[], options?: { readonly durable?: boolean }): Promise<void> {
    const sealed: KvWrite[] = []
    for (const write of writes) {
      sealed.push(write.kind === 'delete' ? write : { ...write, value: this.#sealed(write.key, write.value) })
      if (sealed.length % SEALED_PER_TURN === 0) await nextTurn()
    }
    await this.#store.batch(sealed, options)
  }

  async *range(from: string, to: string): AsyncGenerator<readonly [key: string, value: Uint8Array], void, undefined> {
    for await (const [key, value] of this.#store.range(from, to)) yield [key, this.#unsealed(key, value)]
  }

  async [Symbol.asyncDispose](): Promise<void> { await this.#store[Symbol.asyncDispose]() }

  #sealed(key: string, value: Uint8Array): Uint8Array {
    return Buffer.concat([Buffer.from(this.#sealer.keyId, 'hex'), this.#sealer.seal(value, key)])
  }

  #unsealed(key: string, value: Uint8Array): Uint8Array {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    const id = keyIdOf(value)
    const sealing = this.#keys.find(each => each.id === id)
    if (sealing === undefined) throw new ShoalError('failed-precondition', 'log-key-missing', `the state of this manager is sealed with the key ${id}, which it does not have: restore its key file from the backup that the state is of`)
    return Uint8Array.from(unseal(sealing, bytes.subarray(KEY_ID_BYTES), key))
  }
}

function keyIdOf(value: Uint8Array): string { return Buffer.from(value.buffer, value.byteOffset, KEY_ID_BYTES).toString('hex') }
