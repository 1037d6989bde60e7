import { ShoalError } from '../../base/errors.ts'
import type { AppendLog } from '../../base/storage.ts'

/** AppendLog in memory. Share one `stored` between instances to let it survive a "restart". */
export class MemoryLog implements AppendLog {
  readonly #stored: Uint8Array[]
  #isClosed = false

  constructor(stored: Uint8Array[] = []) { this.#stored = stored }

  async *records(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* [...this.#stored]
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    this.#checkOpen()
    for (const record of records) this.#stored.push(Uint8Array.from(record))
  }

  async rewrite(records: readonly Uint8Array[]): Promise<void> {
    this.#checkOpen()
    this.#stored.splice(0, this.#stored.length, ...records.map(record => Uint8Array.from(record)))
  }

  sizeBytes(): number { return this.#stored.reduce((sum, record) => sum + 4 + record.length, 0) }

  async [Symbol.asyncDispose](): Promise<void> { this.#isClosed = true }

  #checkOpen(): void {
    if (this.#isClosed) throw new ShoalError('unavailable', 'log-closed', 'the log is closed')
  }
}
