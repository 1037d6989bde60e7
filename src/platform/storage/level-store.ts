import { Level } from 'level'
import { messageOf, ShoalError } from '../../base/errors.ts'
import type { KvStore, KvWrite } from '../../base/storage.ts'

/** KvStore on LevelDB: one directory, held by one process at a time. */
export class LevelStore implements KvStore {
  readonly #db: Level<string, Uint8Array>

  private constructor(db: Level<string, Uint8Array>) { this.#db = db }

  /** Opens the directory, making it when there is none. @throws ShoalError `store-open-failed` (failed-precondition), also when another process holds it */
  static async open(path: string): Promise<LevelStore> {
    const db = new Level<string, Uint8Array>(path, { keyEncoding: 'utf8', valueEncoding: 'view' })
    try {
      await db.open()
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
      throw new ShoalError('failed-precondition', 'store-open-failed', `the store ${path} can not be opened: ${messageOf(cause)}; ${adviceOn(messageOf(cause))}`, { cause })
    }
    return new LevelStore(db)
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const value = await this.#db.get(key)
    return value === undefined ? undefined : plain(value)
  }

  async batch(writes: readonly KvWrite[], options: { readonly durable?: boolean } = {}): Promise<void> {
    const operations = writes.map(write => write.kind === 'put' ? { type: 'put', key: write.key, value: write.value } as const : { type: 'del', key: write.key } as const)
    await this.#db.batch(operations, { sync: options.durable ?? true } as object)
  }

  async *range(from: string, to: string): AsyncGenerator<readonly [key: string, value: Uint8Array], void, undefined> {
    for await (const [key, value] of this.#db.iterator({ gte: from, lt: to })) yield [key, plain(value)]
  }

  async [Symbol.asyncDispose](): Promise<void> { await this.#db.close() }
}

/** LevelDB hands out Buffers, which compare unlike Uint8Array. */
function plain(value: Uint8Array): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
}

/** What is in a folder decides what its loss costs: an agent's tasks come again from the managers, a manager's state from the other managers. */
function adviceOn(reason: string): string {
  if (!/corrupt|not an sstable|checksum|invalid|CURRENT|MANIFEST/i.test(reason)) return 'make sure that no other process uses it'
  return 'it is damaged: restore the folder from a backup, or move it away and start again (an agent gets its tasks from the managers; a manager is first removed from the cluster, then joins again)'
}
