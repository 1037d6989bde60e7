import type { KvStore, KvWrite } from '../../base/storage.ts'

/** KvStore in memory. Share one `data` between instances to let it survive a "restart". */
export class MemoryStore implements KvStore {
  readonly #data: Map<string, Uint8Array>

  constructor(data = new Map<string, Uint8Array>()) { this.#data = data }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#data.get(key)
  }

  async batch(writes: readonly KvWrite[]): Promise<void> {
    for (const write of writes) {
      if (write.kind === 'put') this.#data.set(write.key, Uint8Array.from(write.value))
      else this.#data.delete(write.key)
    }
  }

  async *range(from: string, to: string): AsyncGenerator<readonly [key: string, value: Uint8Array], void, undefined> {
    const entries = [...this.#data]
      .map(([key, value]) => ({ key, value, bytes: Buffer.from(key) }))
      .filter(({ bytes }) => Buffer.compare(bytes, Buffer.from(from)) >= 0 && Buffer.compare(bytes, Buffer.from(to)) < 0)
      .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    for (const { key, value } of entries) yield [key, value]
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
